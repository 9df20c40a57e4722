"""The grid of reference patches, its windows and its tiles; patches cut out and added back.

Whole patches are moved by one `gather` and one `scatter`, and so are the tiles, which are patches,
only large: contiguous rows move, forwards and in the derivative.
"""

import math
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxdenoise._core.schedule import CPU, Schedule
from jaxdenoise._core.window import offsets_in_window


class GroupSizes(NamedTuple):
    """The sizes of the groups of similar patches that a denoiser works on.

    Those in pixels are one integer for all spatial axes, or a tuple of one for each.
    """

    patch_size: int | tuple[int, ...]  # pixels of a patch's side
    group_size: int  # patches of a group
    stride: int | tuple[int, ...]  # pixels from one reference patch to the next
    window_size: int | tuple[int, ...]  # pixels of the side of the window that is searched


def each_axis(size: int | tuple[int, ...], axes: int) -> tuple[int, ...]:
    """A size along every axis."""
    return size if isinstance(size, tuple) else (size,) * axes


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

    @cached_property
    def in_order(self) -> np.ndarray:
        """Those of all (tiles * count) that count, ordered by position."""
        counted = np.flatnonzero(self.counts)
        return counted[np.argsort(np.ravel(self.references)[counted])]


@dataclass(frozen=True)
class Grid:
    """Which patches are references and which are their candidates, in an image of `shape`.

    A corner stands for its patch: the position of the first pixel. References stand at most
    `stride` apart, from the first patch to the last, and the grid looks the same from every side.
    Candidates are all patches inside the image whose corner lies in the window around
    the reference's. All sizes are given for each of the d axes. The work is cut into tiles of so
    many references; nothing else depends on that.

    With an `extent`, (d,), the image is the first part of `shape`, so far along each axis, which
    may be traced; none may be below the window's.
    """

    shape: tuple[int, ...]
    patch_size: tuple[int, ...]
    stride: tuple[int, ...]
    window_size: tuple[int, ...]
    references_of_tile: tuple[int, ...]
    extent: Array | None = None

    @classmethod
    def of(
        cls,
        shape: tuple[int, ...],
        sizes: GroupSizes,
        extent: Array | None = None,
        schedule: Schedule = CPU,
    ) -> "Grid":
        pixels = sizes.patch_size, sizes.stride, sizes.window_size
        patch_size, stride, window_size = (each_axis(size, len(shape)) for size in pixels)
        tile = schedule.references_along(len(shape))
        return cls(shape, patch_size, stride, window_size, tile, extent)

    @property
    def room(self) -> tuple[int, ...]:
        """The corner of the last patch in `shape`."""
        return tuple(n - size for n, size in zip(self.shape, self.patch_size, strict=True))

    @property
    def last(self) -> tuple[int, ...] | tuple[Array, ...]:
        """The corner of the last patch in the image."""
        if self.extent is None:
            return self.room
        return tuple(self.extent[axis] - size for axis, size in enumerate(self.patch_size))

    @property
    def radius(self) -> tuple[int, ...]:
        return tuple(min(w // 2, n) for w, n in zip(self.window_size, self.room, strict=True))

    @property
    def fewest_candidates(self) -> int:
        """What a reference in a corner of the image has."""
        return math.prod(r + 1 for r in self.radius)

    @cached_property
    def offsets(self) -> np.ndarray:
        """The candidates of a reference relative to it, itself first."""
        offsets = offsets_in_window(self.radius)
        return offsets[np.argsort(np.sum(offsets**2, axis=1), kind="stable")]

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        return tuple(map(Axis, self.last, self.stride, self.references_of_tile, self.room))

    @property
    def margin(self) -> tuple[int, ...]:
        """How far tiles, with their windows, reach out of `shape`."""
        if self.extent is None:
            return self.radius
        return tuple(r + axis.length for r, axis in zip(self.radius, self.axes, strict=True))

    @property
    def span(self) -> tuple[int, ...]:
        """The extent of the references' patches in a tile; its windows reach a radius further."""
        return tuple(
            stride * (axis.count - 1) + size
            for axis, stride, size in zip(self.axes, self.stride, self.patch_size, strict=True)
        )

    @property
    def tile_shape(self) -> tuple[int, ...]:
        return tuple(s + 2 * r for s, r in zip(self.span, self.radius, strict=True))

    @cached_property
    def tile_corners(self) -> np.ndarray | Array:
        """The first reference of every tile, in raster order, (tiles, d)."""
        return _product(*(axis.starts for axis in self.axes))

    @cached_property
    def in_tile(self) -> tuple[np.ndarray, ...]:
        """The references of any tile along each axis, from its first."""
        return tuple(
            stride * np.arange(axis.count, dtype=np.int32)
            for axis, stride in zip(self.axes, self.stride, strict=True)
        )

    @cached_property
    def corners_in_tile(self) -> np.ndarray:
        """The references of any tile in its pixels, in raster order, (references of a tile, d)."""
        return _product(*(r + along for r, along in zip(self.radius, self.in_tile, strict=True)))

    @cached_property
    def counts(self) -> np.ndarray | Array:
        """(tiles, references of a tile): False for what only fills a tile."""
        return reduce(_both, (axis.counts for axis in self.axes))

    @cached_property
    def corners(self) -> np.ndarray:
        """All references in raster order, without what only fills a tile, (groups, d)."""
        return _product(*(np.ravel(axis.references)[axis.in_order] for axis in self.axes))

    def in_raster_order(self, of_references: Array) -> Array:
        """(tiles, references of a tile, ...) in the order of `corners`."""
        d = len(self.axes)
        tiles, counts = zip(*(axis.counts.shape for axis in self.axes), strict=True)
        places = np.arange(math.prod(tiles) * math.prod(counts)).reshape(*tiles, *counts)
        along = [axis for pair in zip(range(d), range(d, 2 * d), strict=True) for axis in pair]
        rows = [n * count for n, count in zip(tiles, counts, strict=True)]
        places = places.transpose(along).reshape(rows)
        places = places[np.ix_(*(axis.in_order for axis in self.axes))]
        flat = of_references.reshape(-1, *of_references.shape[2:])
        return flat[jnp.asarray(places.ravel())]

    def cut(self, planes: Array) -> Array:
        """(F, *shape) to tiles, (tiles, F, *tile_shape)."""
        padded = jnp.pad(planes, [(0, 0), *((m, m) for m in self.margin)])
        return gather(padded, self._corners_in_padded, self.tile_shape)

    def join(self, tiles: Array) -> Array:
        """The transpose of `cut`: tiles are added up where they overlap."""
        shape = [n + 2 * m for n, m in zip(self.shape, self.margin, strict=True)]
        whole = jnp.zeros((tiles.shape[1], *shape), tiles.dtype)
        whole = scatter(whole, self._corners_in_padded, tiles)
        return whole[(slice(None), *map(slice, self.margin, np.add(self.margin, self.shape)))]

    @property
    def _corners_in_padded(self) -> Array:
        shift = np.subtract(self.margin, self.radius).astype(np.int32)
        return jnp.asarray(self.tile_corners) + shift[None]


def gather(planes: Array, corners: Array, size: tuple[int, ...]) -> Array:
    """Patches of (F, *spatial) at `corners` (..., d), which must lie inside: (..., F, *size)."""
    batch, d = corners.ndim - 1, len(size)
    numbers = lax.GatherDimensionNumbers(
        offset_dims=tuple(range(batch, batch + 1 + d)),
        collapsed_slice_dims=(),
        start_index_map=tuple(range(1, 1 + d)),
    )
    sizes = (len(planes), *size)
    return lax.gather(planes, corners, numbers, sizes, mode="promise_in_bounds")


def scatter(planes: Array, corners: Array, patches: Array) -> Array:
    """Add patches (..., F, *size) to `planes` at `corners`: the transpose of `gather`."""
    batch, d = corners.ndim - 1, planes.ndim - 1
    numbers = lax.ScatterDimensionNumbers(
        update_window_dims=tuple(range(batch, batch + 1 + d)),
        inserted_window_dims=(),
        scatter_dims_to_operand_dims=tuple(range(1, 1 + d)),
    )
    return lax.scatter_add(planes, corners, patches, numbers, mode="promise_in_bounds")


def _product(*axes: Any) -> Any:
    """All combinations of one number of each axis, in raster order, (product of lengths, d)."""
    xp = np if all(isinstance(axis, np.ndarray) for axis in axes) else jnp
    combined = xp.stack(xp.meshgrid(*axes, indexing="ij"), axis=-1)
    return combined.reshape(-1, len(axes)).astype(np.int32)


def _both(a: Any, b: Any) -> Any:
    """For tiles (m, i) and (n, j) of two axes the tiles of both, (m n, i j): the conjunction."""
    both = a[:, None, :, None] & b[None, :, None, :]
    return both.reshape(len(a) * len(b), -1)
