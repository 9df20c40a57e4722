"""Groups of similar patches: match, gather, filter, put back.

A method visits the references of a grid; for each it matches the patches of a search window, stacks
the most similar ones into a group, filters the group, and puts the patches back where they came
from. All of that is done tile by tile, a tile being a block of references with all the pixels that
their windows hold, and inside a tile for a chunk of groups at a time. How large tiles and chunks
are is for the schedule to say. Reverse mode recomputes a chunk, so its memory is bounded too.
"""

import math
from collections.abc import Callable
from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxdenoise._core.grid import Grid, each_axis, gather, scatter
from jaxdenoise._core.parallel import map_pieces
from jaxdenoise._core.schedule import Schedule, map_by
from jaxdenoise._core.separable import correlate
from jaxdenoise._core.tiles import crop, mirror
from jaxdenoise._core.window import box_sum


def match(
    guide: Array,
    grid: Grid,
    members: int,
    limits: Array | None = None,
    *,
    schedule: Schedule,
) -> Array:
    """The `members` most similar candidates of every reference, by the distance on `guide`.

    `guide` is (F, *spatial). A pixel of the reference adds to a squared distance no more than
    `limits` (1, *spatial) has there. The result, (tiles, references of a tile, members), numbers
    the offsets of the grid; a reference itself comes first, the others follow by their distance. It
    carries no gradient.
    """
    offsets = jnp.asarray(grid.offsets)
    features = len(guide)

    def in_tile(tile: tuple[Array, Array], last: Array) -> Array:
        pixels, corner = tile
        here = crop(pixels, grid.radius)
        pixels, here, most = pixels[:features], here[:features], here[features:]

        def distances(offset: Array) -> Array:
            start = np.int32(0), *(r + offset[axis] for axis, r in enumerate(grid.radius))
            there = lax.dynamic_slice(pixels, start, here.shape)
            d = jnp.sum(jnp.square(here - there), axis=0)
            d = d if limits is None else jnp.minimum(d, most[0])
            d = box_sum(d, grid.patch_size, grid.stride)
            first = corner + offset
            along = (first[axis] + steps for axis, steps in enumerate(grid.in_tile))
            inside = [(c >= 0) & (c <= last[axis]) for axis, c in enumerate(along)]
            # `top_k` would take NaN for the largest of all.
            return jnp.where(reduce(jnp.logical_and.outer, inside) & ~jnp.isnan(d), d, jnp.inf)

        d = map_by(distances, offsets, schedule.offsets)
        d = d.reshape(len(offsets), -1).T
        itself_first = d.at[:, 0].set(-1)
        return lax.top_k(-itself_first, members)[1].astype(_smallest_integer(len(offsets)))

    tiles = grid.cut(
        lax.stop_gradient(guide if limits is None else jnp.concatenate([guide, limits]))
    )
    last = jnp.asarray(grid.last, jnp.int32)
    pieces = tiles, jnp.asarray(grid.tile_corners)
    return map_pieces(in_tile, pieces, (last,), schedule=schedule)


def filter_groups(
    shrink: Callable[..., tuple[list[Array], Array, list[Array]]],
    planes: Array,
    grid: Grid,
    matches: Array,
    shared: tuple[Array, ...] = (),
    *,
    window: Callable[[int], np.ndarray] = np.ones,
    members_axis: int = 1,
    schedule: Schedule,
) -> tuple[Array, list[Array]]:
    """Filter all groups of patches of (F, *spatial) and average what they say of a pixel.

    `shrink(groups, *shared)` gets a list of F arrays (groups, members, pixels), or, if
    `members_axis` is 0, (members, groups, pixels), as transforms along the members want them. What
    it uses beside them and is traced must come in `shared`. It returns

    - estimates: a list of arrays of that shape;
    - weights, without the last axis, positive: what a patch counts for in the average, a `window`
        of the patch's size along each axis tapering it towards the border;
    - extras: a list of arrays of the shape of the weights, values of a patch to average alike.

    Returns the averages of the estimates, (K, *spatial), and of each of the extras, (*spatial).
    """
    size = grid.patch_size
    taps = [window(n) for n in size]
    taper = jnp.asarray(reduce(np.multiply.outer, taps).reshape(1, 1, -1), planes.dtype)
    offsets = jnp.asarray(grid.offsets)
    references = jnp.asarray(grid.corners_in_tile)[:, None]
    chunks = math.ceil(len(references) / schedule.groups)

    @jax.checkpoint
    def of_chunk(pixels: Array, chunk: tuple[Array, Array], *shared: Array) -> tuple:
        corners, counts = chunk
        corners = jnp.moveaxis(corners, 1, members_axis)
        groups = [
            gather(plane[None], corners, size).reshape(*corners.shape[:2], -1) for plane in pixels
        ]
        estimates, weights, extras = shrink(groups, *shared)
        weights = weights * jnp.expand_dims(counts, members_axis)
        tapered = weights[..., None] * taper
        patches = [(tapered * e).reshape(*e.shape[:2], 1, *size) for e in estimates]
        points = jnp.stack([weights, *(weights * e for e in extras)], axis=-1)
        return corners, patches, points.reshape(*points.shape, *[1] * len(size))

    def in_tile(tile: tuple[Array, Array, Array], *shared: Array) -> tuple[Array, Array]:
        pixels, matches, counts = tile
        corners = references + jnp.take(offsets, matches.astype(jnp.int32), axis=0, mode="clip")

        def add(sums: tuple[list[Array], Array], chunk: tuple[Array, Array]) -> tuple:
            images, at_corners = sums
            corners, patches, points = of_chunk(pixels, chunk, *shared)
            images = [scatter(i, corners, p) for i, p in zip(images, patches, strict=True)]
            return (images, scatter(at_corners, corners, points)), None

        chunk = _split(corners, chunks, "edge"), _split(counts, chunks, "constant")
        first = jax.tree.map(lambda x: x[0], chunk)
        _, patches, points = jax.eval_shape(of_chunk, pixels, first, *shared)
        # Like the tile: under `shard_map` sums must vary over the same mesh axes as what they add.
        blank = jnp.zeros_like(pixels[:1])
        zeros = [blank] * len(patches), jnp.concatenate([blank] * points.shape[2])
        images, at_corners = lax.scan(add, zeros, chunk)[0]
        return jnp.concatenate(images), at_corners

    counts = jnp.asarray(grid.counts, planes.dtype)
    sums = map_pieces(in_tile, (grid.cut(planes), matches, counts), shared, schedule=schedule)
    images, at_corners = (grid.join(part) for part in sums)
    # What is constant over a patch was put at its corner: one correlation spreads it.
    at_corners = jnp.pad(at_corners, [(0, 0), *((n - 1, 0) for n in size)])
    total, *extras = correlate(at_corners, [each[::-1] for each in taps])
    if grid.extent is not None:
        # Nothing lies beyond the image.
        total = jnp.where(total > 0, total, 1)
    return images / total[None], [*(jnp.stack(extras) / total[None])] if extras else []


def reflected_to(planes: Array, sizes: int | tuple[int, ...]) -> Array:
    """Continue an image that is smaller than a patch by reflection, at the end of its axes."""
    spatial = planes.shape[1:]
    for axis, (n, size) in enumerate(zip(spatial, each_axis(sizes, len(spatial)), strict=True), 1):
        if n < size:
            planes = jnp.take(planes, mirror(np.arange(size), n), axis=axis, mode="clip")
    return planes


def _split(x: Array, parts: int, fill: str) -> Array:
    """The leading axis in equal parts, the last filled up."""
    spare = -len(x) % parts
    x = jnp.pad(x, [(0, spare), *[(0, 0)] * (x.ndim - 1)], mode=fill)
    return x.reshape(parts, -1, *x.shape[1:])


def _smallest_integer(count: int) -> jnp.dtype:
    return jnp.dtype(jnp.int16 if count <= jnp.iinfo(jnp.int16).max else jnp.int32)
