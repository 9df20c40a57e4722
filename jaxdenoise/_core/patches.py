"""Groups of similar patches: match, gather, filter, put back.

A method visits the references of a grid; for each it matches the patches of a search window, stacks
the most similar ones into a group, filters the group, and puts the patches back where they came
from. All of that is done tile by tile, a tile being a block of references with all the pixels that
their windows hold, and inside a tile for a chunk of groups at a time, which fits the cache. Reverse
mode recomputes a chunk, so its memory too is bounded by a tile.

Whole patches are cut out and added back by one `gather` and one `scatter`, and so are the tiles,
which are patches, only large: contiguous rows move, forwards and in the derivative.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxdenoise._core.parallel import map_pieces
from jaxdenoise._core.separable import correlate
from jaxdenoise._core.tiles import mirror
from jaxdenoise._core.window import offsets_in_window, run_sum

# References of a tile along each axis, and groups worked on at once.
_TILE = (16, 32)
_CHUNK = 128


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


def match(guide: Array, grid: Grid, members: int) -> Array:
    """The `members` most similar candidates of every reference, by the distance on `guide`.

    `guide` is (F, H, W). The result, (tiles, references of a tile, members), numbers the offsets
    of the grid; a reference itself comes first, the others follow by their distance. It carries
    no gradient.
    """
    size, (ry, rx), (last_y, last_x) = grid.patch_size, grid.radius, grid.last
    (height, width), stride = grid.span, grid.stride
    in_tile_y, in_tile_x = (stride * np.arange(axis.count, dtype=np.int32) for axis in grid.axes)
    offsets = jnp.asarray(grid.offsets)

    def in_tile(tile: tuple[Array, Array]) -> Array:
        pixels, corner = tile
        here = pixels[:, ry : ry + height, rx : rx + width]

        def distances(offset: Array) -> Array:
            start = np.int32(0), ry + offset[0], rx + offset[1]
            there = lax.dynamic_slice(pixels, start, here.shape)
            d = jnp.sum(jnp.square(here - there), axis=0)
            d = run_sum(run_sum(d, size, 0, stride), size, 1, stride)
            y, x = (corner + offset)[:, None]
            y, x = (y + in_tile_y)[:, None], (x + in_tile_x)[None]
            inside = (y >= 0) & (y <= last_y) & (x >= 0) & (x <= last_x)
            # `top_k` would take NaN for the largest of all.
            return jnp.where(inside & ~jnp.isnan(d), d, jnp.inf)

        d = lax.map(distances, offsets).reshape(len(offsets), -1).T
        itself_first = d.at[:, 0].set(-1)
        return lax.top_k(-itself_first, members)[1].astype(_smallest_integer(len(offsets)))

    tiles = grid.cut(lax.stop_gradient(guide))
    return map_pieces(in_tile, (tiles, jnp.asarray(grid.tile_corners)))


def filter_groups(
    shrink: Callable[..., tuple[list[Array], Array, list[Array]]],
    planes: Array,
    grid: Grid,
    matches: Array,
    shared: tuple[Array, ...] = (),
    *,
    window: np.ndarray | None = None,
    members_axis: int = 1,
) -> tuple[Array, Array]:
    """Filter all groups of patches of (F, H, W) and average what they say of a pixel.

    `shrink(groups, *shared)` gets a list of F arrays (groups, members, pixels), or, if
    `members_axis` is 0, (members, groups, pixels), as transforms along the members want them. What
    it uses beside them and is traced must come in `shared`. It returns

    - estimates: a list of arrays of that shape;
    - weights, without the last axis, positive: what a patch counts for in the average, `window`
        (patch_size,) along each axis tapering it towards the patch's border;
    - extras: a list of arrays of the shape of the weights, values of a patch to average alike.

    Returns the averages of estimates and extras, (K, H, W) and (E, H, W).
    """
    size = grid.patch_size
    taps = np.ones(size) if window is None else window
    taper = jnp.asarray(np.outer(taps, taps).reshape(1, 1, -1), planes.dtype)
    offsets = jnp.asarray(grid.offsets)
    references = jnp.asarray(grid.corners_in_tile)[:, None]
    chunks = math.ceil(len(references) / _CHUNK)

    @jax.checkpoint
    def of_chunk(pixels: Array, chunk: tuple[Array, Array], *shared: Array) -> tuple:
        corners, counts = chunk
        corners = jnp.moveaxis(corners, 1, members_axis)
        groups = [
            gather(plane[None], corners, (size, size)).reshape(*corners.shape[:2], -1)
            for plane in pixels
        ]
        estimates, weights, extras = shrink(groups, *shared)
        weights = weights * jnp.expand_dims(counts, members_axis)
        tapered = weights[..., None] * taper
        patches = [(tapered * e).reshape(*e.shape[:2], 1, size, size) for e in estimates]
        return corners, patches, jnp.stack([weights, *(weights * e for e in extras)], axis=-1)

    def in_tile(tile: tuple[Array, Array, Array], *shared: Array) -> tuple[Array, Array]:
        pixels, matches, counts = tile
        corners = references + jnp.take(offsets, matches.astype(jnp.int32), axis=0, mode="clip")

        def add(sums: tuple[list[Array], Array], chunk: tuple[Array, Array]) -> tuple:
            images, at_corners = sums
            corners, patches, points = of_chunk(pixels, chunk, *shared)
            images = [scatter(i, corners, p) for i, p in zip(images, patches, strict=True)]
            return (images, scatter(at_corners, corners, points[..., None, None])), None

        chunk = _split(corners, chunks, "edge"), _split(counts, chunks, "constant")
        first = jax.tree.map(lambda x: x[0], chunk)
        _, patches, points = jax.eval_shape(of_chunk, pixels, first, *shared)
        # Like the tile: under `shard_map` sums must vary over the same mesh axes as what they add.
        blank = jnp.zeros_like(pixels[:1])
        zeros = [blank] * len(patches), jnp.concatenate([blank] * points.shape[-1])
        images, at_corners = lax.scan(add, zeros, chunk)[0]
        return jnp.concatenate(images), at_corners

    counts = jnp.asarray(grid.counts, planes.dtype)
    sums = map_pieces(in_tile, (grid.cut(planes), matches, counts), shared)
    images, at_corners = (grid.join(part) for part in sums)
    # What is constant over a patch was put at its corner: one correlation spreads it.
    at_corners = jnp.pad(at_corners, [(0, 0), (size - 1, 0), (size - 1, 0)])
    total, *extras = correlate(at_corners, [taps[::-1]] * 2)
    return images / total[None], jnp.stack(extras) / total[None] if extras else images[:0]


def reflected_to(planes: Array, size: int) -> Array:
    """Continue an image that is smaller than a patch by reflection, to the bottom and right."""
    for axis, n in enumerate(planes.shape[1:], start=1):
        if n < size:
            planes = jnp.take(planes, mirror(np.arange(size), n), axis=axis, mode="clip")
    return planes


def _split(x: Array, parts: int, fill: str) -> Array:
    """The leading axis in equal parts, the last filled up."""
    spare = -len(x) % parts
    x = jnp.pad(x, [(0, spare), *[(0, 0)] * (x.ndim - 1)], mode=fill)
    return x.reshape(parts, -1, *x.shape[1:])


def _pairs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """All pairs, (len(a) * len(b), 2)."""
    return np.stack(np.meshgrid(a, b, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.int32)


def _smallest_integer(count: int) -> jnp.dtype:
    return jnp.dtype(jnp.int16 if count <= jnp.iinfo(jnp.int16).max else jnp.int32)
