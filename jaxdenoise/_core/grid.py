"""The grid of reference patches, its windows and its tiles; patches cut out and added back.

Whole patches are moved by one `gather` and one `scatter`, and so are the tiles, which are patches,
only large: contiguous rows move, forwards and in the derivative.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

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

    `room` is the last corner that the tiles are laid out for; `last` may be smaller and traced, so
    that one program serves many sizes.
    """

    last: int | Array
    stride: int
    most: int
    room: int

    def _half(self, last: Any) -> Any:
        """References from one end to the middle, which they reach or pass."""
        return -(-(last + self.stride) // (2 * self.stride))

    @property
    def _tiles(self) -> int:
        """Tiles from one end to the middle."""
        return -(-self._half(self.room) // self.most)

    @property
    def count(self) -> int:
        return -(-self._half(self.room) // self._tiles)

    @property
    def length(self) -> int:
        """How far one tile is from the next."""
        return self.count * self.stride

    @cached_property
    def starts(self) -> np.ndarray | Array:
        """The first reference of every tile, (tiles,)."""
        first = self.length * np.arange(self._tiles, dtype=np.int32)
        xp = np if isinstance(self.last, int) else jnp
        return xp.concatenate([first, (self.last + self.stride - self.length - first)[::-1]])

    @cached_property
    def references(self) -> np.ndarray | Array:
        """(tiles, count)."""
        return self.starts[:, None] + self.stride * np.arange(self.count, dtype=np.int32)

    @cached_property
    def counts(self) -> np.ndarray | Array:
        """(tiles, count): False for what only fills a tile."""
        references = self._half(self.last)
        from_start = np.arange(self._tiles * self.count, dtype=np.int32).reshape(-1, self.count)
        # The middle of an even row is met from both ends.
        xp = np if isinstance(self.last, int) else jnp
        met = self.last == 2 * self.stride * (references - 1)
        from_end = xp.where(met, references - 1, references)
        return xp.concatenate([from_start < references, (from_start < from_end)[::-1, ::-1]])


@dataclass(frozen=True)
class Grid:
    """Which patches are references and which are their candidates, in an image of `shape`.

    A corner stands for its patch: (y, x) of the first pixel. References stand at most `stride`
    apart, from the first patch to the last, and the grid looks the same from every side.
    Candidates are all patches inside the image whose corner lies in the window around
    the reference's.

    With an `extent`, (2,), the image is the upper left part of `shape` of that height and width,
    which may be traced; neither may be below the window's.
    """

    shape: tuple[int, int]
    patch_size: int
    stride: int
    window_size: int
    extent: Array | None = None

    @property
    def room(self) -> tuple[int, int]:
        """The corner of the last patch in `shape`."""
        height, width = self.shape
        return height - self.patch_size, width - self.patch_size

    @property
    def last(self) -> tuple[int, int] | tuple[Array, Array]:
        """The corner of the last patch in the image."""
        if self.extent is None:
            return self.room
        return self.extent[0] - self.patch_size, self.extent[1] - self.patch_size

    @property
    def radius(self) -> tuple[int, int]:
        ry, rx = (min(self.window_size // 2, n) for n in self.room)
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
        y, x = (
            Axis(last, self.stride, most, room)
            for last, most, room in zip(self.last, _TILE, self.room, strict=True)
        )
        return y, x

    @property
    def margin(self) -> tuple[int, int]:
        """How far tiles, with their windows, reach out of `shape`."""
        out = (0, 0) if self.extent is None else (axis.length for axis in self.axes)
        y, x = (r + n for r, n in zip(self.radius, out, strict=True))
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
    def tile_corners(self) -> np.ndarray | Array:
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
    def counts(self) -> np.ndarray | Array:
        """(tiles, references of a tile): False for what only fills a tile."""
        y, x = (axis.counts for axis in self.axes)
        both = y[:, None, :, None] & x[None, :, None, :]
        return both.reshape(len(self.tile_corners), -1)

    @cached_property
    def corners(self) -> np.ndarray:
        """All references, those of a tile together, without what only fills one, (groups, 2)."""
        in_image = self.corners_in_tile - np.array(self.radius, np.int32)
        return np.asarray(self.tile_corners[:, None] + in_image)[np.asarray(self.counts)]

    def listed(self, of_references: Array) -> Array:
        """(tiles, references of a tile, ...) in the order of `corners`."""
        tiles = of_references.reshape(-1, *of_references.shape[2:])
        return tiles[jnp.asarray(np.flatnonzero(self.counts))]

    def cut(self, planes: Array) -> Array:
        """(F, H, W) to tiles, (tiles, F, *tile_shape)."""
        padded = jnp.pad(planes, [(0, 0), *((m, m) for m in self.margin)])
        return gather(padded, self._corners_in_padded, self.tile_shape)

    def join(self, tiles: Array) -> Array:
        """The transpose of `cut`: tiles are added up where they overlap."""
        shape = [n + 2 * m for n, m in zip(self.shape, self.margin, strict=True)]
        whole = jnp.zeros((tiles.shape[1], *shape), tiles.dtype)
        whole = scatter(whole, self._corners_in_padded, tiles)
        (top, left), (height, width) = self.margin, self.shape
        return whole[:, top : top + height, left : left + width]

    @property
    def _corners_in_padded(self) -> Array:
        shift = np.subtract(self.margin, self.radius).astype(np.int32)
        return jnp.asarray(self.tile_corners) + shift[None]


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


def _pairs(a: Any, b: Any) -> Any:
    """All pairs, (len(a) * len(b), 2)."""
    xp = np if isinstance(a, np.ndarray) else jnp
    return xp.stack(xp.meshgrid(a, b, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.int32)
