"""Work tile by tile: what a scan works on is bounded by a tile.

A filter that visits hundreds of window offsets reads its whole working set at each of them. On a
CPU that set stays in the second-level cache, so a pixel costs the same in a thumbnail and in a
mosaic. Beside the working set of a tile only the image itself is held, cut into overlapping tiles.
"""

import math
from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxdenoise._core.parallel import map_pieces
from jaxdenoise._core.schedule import Schedule, scheduled


def tile_shape(spatial: tuple[int, ...], schedule: Schedule) -> tuple[int, ...]:
    """Tiles for a window scan, of about equal size, that cover `spatial` with little waste."""
    d = len(spatial)
    pixels, longest = schedule.window_tile(d)
    side = min(spatial[-1], longest)
    rest = max(1, round((pixels / side) ** (1 / (d - 1)))) if d > 1 else 1
    return even_tiles(spatial, (*[rest] * (d - 1), side))


def even_tiles(spatial: tuple[int, ...], most: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of tiles that cover `spatial` evenly, at most `most` along each axis."""
    return tuple(math.ceil(n / math.ceil(n / m)) for n, m in zip(spatial, most, strict=True))


def mirror(indices: np.ndarray, size: int) -> np.ndarray:
    """Reflect indices about the first and the last pixel, as often as needed."""
    if size == 1:
        return np.zeros_like(indices)
    folded = np.abs(indices) % (2 * size - 2)
    return np.minimum(folded, 2 * size - 2 - folded)


def crop(x: Array, margin: Sequence[int]) -> Array:
    """Drop `margin` pixels on both sides of each of the last axes."""
    inner = (slice(m, size - m) for m, size in zip(margin, x.shape[-len(margin) :], strict=True))
    return x[(..., *inner)]


def map_tiles(
    fn: Callable[..., Array],
    planes: Array,
    halo: Sequence[int],
    shared: tuple[Array, ...] = (),
    *,
    schedule: Schedule | None,
    core: tuple[int, ...] | None = None,
    of_core: Array | None = None,
) -> Array:
    """Apply `fn` to overlapping tiles of (F, *spatial) and put the results together.

    `fn(tile, inside, *shared)` gets a tile (F, *core + 2 * halo), continued over the border of the
    image by reflection, and a mask (*core + 2 * halo) that is 1 inside the image and 0 outside; it
    returns (K, *core). The result is (K, *spatial). What `fn` uses beside them and is traced must
    come in `shared`; planes of which it needs no halo may come in `of_core`, whose tiles it gets
    after the mask. The default core suits a window scan.
    """
    spatial = planes.shape[1:]
    beside = () if of_core is None else (of_core,)

    def work(planes: Array, beside: tuple[Array, ...], shared: tuple, *, schedule: Schedule):
        tile = tile_shape(spatial, schedule) if core is None else core
        if tile == spatial and not any(halo):
            return fn(planes, jnp.ones(spatial, planes.dtype), *beside, *shared)
        return _map_tiles(fn, planes, tile, halo, beside, shared, schedule)

    return scheduled(work)(planes, beside, shared, schedule=schedule)


def _map_tiles(
    fn: Callable[..., Array],
    planes: Array,
    core: tuple[int, ...],
    halo: Sequence[int],
    beside: tuple[Array, ...],
    shared: tuple[Array, ...],
    schedule: Schedule,
) -> Array:
    spatial = planes.shape[1:]
    counts = tuple(math.ceil(size / t) for size, t in zip(spatial, core, strict=True))
    indices = _indices(spatial, core, halo)
    sizes = zip(indices, spatial, strict=True)
    masks = [np.asarray((i >= 0) & (i < size), planes.dtype) for i, size in sizes]
    tiles = _cut(planes, indices)
    cores = [_cut(x, _indices(spatial, core, [0] * len(core))) for x in beside]
    positions = np.stack(np.unravel_index(np.arange(len(tiles)), counts), axis=1)

    def one(piece: tuple[Array, list[Array], Array], *shared: Array) -> Array:
        tile, beside, position = piece
        inside = jnp.ones((), tile.dtype)
        for axis, mask in enumerate(masks):
            row = lax.dynamic_index_in_dim(jnp.asarray(mask), position[axis], keepdims=False)
            inside = jnp.expand_dims(inside, -1) * row.reshape((1,) * axis + row.shape)
        return fn(tile, inside, *beside, *shared)

    pieces = tiles, cores, jnp.asarray(positions, jnp.int32)
    return _join(map_pieces(one, pieces, shared, schedule=schedule), counts, spatial)


def _indices(
    spatial: tuple[int, ...], core: tuple[int, ...], halo: Sequence[int]
) -> list[np.ndarray]:
    """The pixels of every tile along each axis, (count, core + 2 * halo)."""
    return [
        t * np.arange(math.ceil(size / t))[:, None] + np.arange(-h, t + h)
        for size, t, h in zip(spatial, core, halo, strict=True)
    ]


def _cut(planes: Array, indices: list[np.ndarray]) -> Array:
    """(F, *spatial) to tiles of these pixels, mirrored at the borders, (tiles, F, *tile)."""
    for axis, along in enumerate(indices):
        # Each spatial axis becomes two, tiles and pixels; this one is preceded by so many pairs.
        at = mirror(along, planes.shape[1 + 2 * axis])
        planes = jnp.take(planes, at, axis=1 + 2 * axis, mode="clip")
    tile_axes = range(1, planes.ndim, 2)
    tiles = planes.transpose(*tile_axes, 0, *range(2, planes.ndim, 2))
    return tiles.reshape(-1, *tiles.shape[len(indices) :])


def _join(out: Array, counts: tuple[int, ...], spatial: tuple[int, ...]) -> Array:
    """(tiles, K, *core) to (K, *spatial)."""
    d = len(counts)
    core = out.shape[2:]
    out = out.reshape(*counts, *out.shape[1:])
    interleaved = [axis for i in range(d) for axis in (i, d + 1 + i)]
    whole = out.transpose(d, *interleaved)
    whole = whole.reshape(-1, *(c * t for c, t in zip(counts, core, strict=True)))
    return whole[(slice(None), *(slice(size) for size in spatial))]
