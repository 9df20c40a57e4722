"""The grid of reference patches, its windows and its tiles; patches cut out and added back.

Whole patches are moved by one `gather` and one `scatter`, and so are the tiles, which are patches,
only large: contiguous rows move, forwards and in the derivative.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxdenoise._core.window import offsets_in_window

# References of a tile along each axis.
_TILE = (16, 32)


@dataclass(frozen=True)
class Axis:
    """The references along one axis: `stride` apart from either end, closer where they meet.

    They come in tiles of `count` references, half of the tiles from either end, and so look the
    same from both. A reference that a tile has only to be as long as the others does not count.
    """

    last: int
    stride: int
    most: int

    @cached_property
    def _half(self) -> tuple[int, int]:
        """References from one end to the middle, and their tiles."""
        references = math.ceil((self.last + self.stride) / (2 * self.stride))
        return references, math.ceil(references / self.most)

    @property
    def count(self) -> int:
        references, tiles = self._half
        return math.ceil(references / tiles)

    @cached_property
    def starts(self) -> np.ndarray:
        """The first reference of every tile, (tiles,)."""
        length = self.count * self.stride
        first = length * np.arange(self._half[1])
        return np.concatenate([first, (self.last + self.stride - length - first)[::-1]])

    @cached_property
    def references(self) -> np.ndarray:
        """(tiles, count)."""
        return self.starts[:, None] + self.stride * np.arange(self.count)

    @cached_property
    def counts(self) -> np.ndarray:
        """(tiles, count): False for what only fills a tile."""
        references, tiles = self._half
        from_start = np.arange(tiles * self.count).reshape(tiles, self.count)
        # The middle of an even row is met from both ends.
        from_end = references - (self.last == 2 * self.stride * (references - 1))
        return np.concatenate([from_start < references, (from_start < from_end)[::-1, ::-1]])


@dataclass(frozen=True)
class Grid:
    """Which patches are references and which are their candidates, in an image of `shape`.

    A corner stands for its patch: (y, x) of the first pixel. References stand at most `stride`
    apart, from the first patch to the last, and the grid looks the same from every side.
    Candidates are all patches inside the image whose corner lies in the window around
    the reference's.
    """

    shape: tuple[int, int]
    patch_size: int
    stride: int
    window_size: int

    @property
    def last(self) -> tuple[int, int]:
        """The corner of the last patch."""
        height, width = self.shape
        return height - self.patch_size, width - self.patch_size

    @property
    def radius(self) -> tuple[int, int]:
        ry, rx = (min(self.window_size // 2, n) for n in self.last)
        return ry, rx

    @property
    def fewest_candidates(self) -> int:
        """What a reference in a corner of the image has."""
        ry, rx = self.radius
        return (ry + 1) * (rx + 1)

    @cached_property
    def offsets(self) -> np.ndarray:
        """The candidates of a reference relative to it, itself first."""
        offsets = offsets_in_window(self.radius)
        return offsets[np.argsort(np.sum(offsets**2, axis=1), kind="stable")]

    @cached_property
    def axes(self) -> tuple[Axis, Axis]:
        y, x = (Axis(n, self.stride, most) for n, most in zip(self.last, _TILE, strict=True))
        return y, x

    @property
    def span(self) -> tuple[int, int]:
        """The extent of the references' patches in a tile; its windows reach a radius further."""
        y, x = (self.stride * (axis.count - 1) + self.patch_size for axis in self.axes)
        return y, x

    @property
    def tile_shape(self) -> tuple[int, int]:
        height, width = (s + 2 * r for s, r in zip(self.span, self.radius, strict=True))
        return height, width

    @cached_property
    def tile_corners(self) -> np.ndarray:
        """The first reference of every tile, row by row, (tiles, 2)."""
        y, x = self.axes
        return _pairs(y.starts, x.starts)

    @cached_property
    def corners_in_tile(self) -> np.ndarray:
        """The references of any tile in its pixels, row by row, (references of a tile, 2)."""
        y, x = (
            r + self.stride * np.arange(axis.count)
            for r, axis in zip(self.radius, self.axes, strict=True)
        )
        return _pairs(y, x)

    @cached_property
    def counts(self) -> np.ndarray:
        """(tiles, references of a tile): False for what only fills a tile."""
        y, x = (axis.counts for axis in self.axes)
        both = y[:, None, :, None] & x[None, :, None, :]
        return both.reshape(len(self.tile_corners), -1)

    @cached_property
    def corners(self) -> np.ndarray:
        """All references, those of a tile together, without what only fills one, (groups, 2)."""
        in_image = self.corners_in_tile - np.array(self.radius, np.int32)
        return (self.tile_corners[:, None] + in_image)[self.counts]

    def listed(self, of_references: Array) -> Array:
        """(tiles, references of a tile, ...) in the order of `corners`."""
        tiles = of_references.reshape(-1, *of_references.shape[2:])
        return tiles[jnp.asarray(np.flatnonzero(self.counts))]

    def cut(self, planes: Array) -> Array:
        """(F, H, W) to tiles, (tiles, F, *tile_shape)."""
        padded = jnp.pad(planes, [(0, 0), *((r, r) for r in self.radius)])
        return gather(padded, jnp.asarray(self.tile_corners), self.tile_shape)

    def join(self, tiles: Array) -> Array:
        """The transpose of `cut`: tiles are added up where they overlap."""
        shape = [n + 2 * r for n, r in zip(self.shape, self.radius, strict=True)]
        whole = jnp.zeros((tiles.shape[1], *shape), tiles.dtype)
        whole = scatter(whole, jnp.asarray(self.tile_corners), tiles)
        (top, left), (height, width) = self.radius, self.shape
        return whole[:, top : top + height, left : left + width]


def gather(planes: Array, corners: Array, size: tuple[int, int]) -> Array:
    """Patches of (F, H, W) at `corners` (..., 2), which must lie inside: (..., F, *size)."""
    batch = corners.ndim - 1
    numbers = lax.GatherDimensionNumbers(
        offset_dims=(batch, batch + 1, batch + 2), collapsed_slice_dims=(), start_index_map=(1, 2)
    )
    sizes = (len(planes), *size)
    return lax.gather(planes, corners, numbers, sizes, mode="promise_in_bounds")


def scatter(planes: Array, corners: Array, patches: Array) -> Array:
    """Add patches (..., F, h, w) to `planes` at `corners`: the transpose of `gather`."""
    batch = corners.ndim - 1
    numbers = lax.ScatterDimensionNumbers(
        update_window_dims=(batch, batch + 1, batch + 2),
        inserted_window_dims=(),
        scatter_dims_to_operand_dims=(1, 2),
    )
    return lax.scatter_add(planes, corners, patches, numbers, mode="promise_in_bounds")


def _pairs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """All pairs, (len(a) * len(b), 2)."""
    return np.stack(np.meshgrid(a, b, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.int32)
