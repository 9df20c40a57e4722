"""Pixels that are unknown, or cannot be: found, and filled from those around them."""

from functools import reduce

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxdenoise._core.planes import spatial_axes
from jaxdenoise._core.tiles import mirror

# So far outside the range of the median-filtered image, in multiples of it, no value is the image.
_BEYOND = 1000
# A scale counts for so much less than the one three times finer.
_COARSER = 1e-3


def plausible(planes: Array) -> Array:
    """Which pixels of (C, *spatial) are numbers, and not absurd ones.

    One value of 1e30 would rule every sum it enters. What the image holds is bounded by its range
    after a median of three pixels along every axis, taken twice.
    """
    axes = spatial_axes(planes)

    def smoother(_, x: Array) -> Array:
        return reduce(_median_of_three, axes, x)

    finite = jnp.isfinite(planes)
    smooth = lax.fori_loop(0, 2, smoother, inpaint(planes, finite))
    low, high = (f(smooth, axis=axes, keepdims=True) for f in (jnp.min, jnp.max))
    # Without any range after the median there may be lines and stars alone.
    margin = jnp.where(high > low, _BEYOND * (high - low), jnp.inf)
    return finite & (planes >= low - margin) & (planes <= high + margin)


def fill_missing(planes: Array) -> Array:
    """(C, *spatial) with the pixels that are not finite filled by `inpaint`.

    An image without such pixels costs one test; under `vmap` every image costs the filling.
    """
    known = jnp.isfinite(planes)
    return lax.cond(jnp.all(known), lambda x: x, lambda x: inpaint(x, known), planes)


def inpaint(planes: Array, known: Array) -> Array:
    """(C, *spatial) with the unknown pixels replaced by the mean of the known ones around them.

    Normalised convolution (Knutsson & Westin 1993) with boxes of 3, 9, 27... pixels, the smallest
    that holds something known prevailing. NaN where a plane has nothing known.
    """
    steps = [1]
    while steps[-1] < max(planes.shape[1:]):
        steps.append(3 * steps[-1])
    around = [jnp.asarray(np.stack([_neighbours(n, k) for k in steps])) for n in planes.shape[1:]]
    weights = jnp.asarray(_COARSER ** np.arange(len(steps)), planes.dtype)
    # Of the values, and of how many there are.
    sums = jnp.stack([jnp.where(known, planes, 0), known.astype(planes.dtype)])

    def coarser(carry: tuple[Array, Array], level: tuple) -> tuple[tuple[Array, Array], None]:
        sums, weighted = carry
        neighbours, weight = level
        # What sums over boxes become sums of, that far apart: sums over boxes three times larger.
        for axis, indices in enumerate(neighbours, start=2):
            sums = _sum_of_three(sums, indices, axis)
        return (sums, weighted + weight * sums), None

    total, count = lax.scan(coarser, (sums, jnp.zeros_like(sums)), (around, weights))[0][1]
    return jnp.where(known, planes, total / jnp.where(known, 1, count))


def _sum_of_three(x: Array, neighbours: Array, axis: int) -> Array:
    before, after = _taken(x, neighbours, axis)
    return before + x + after


def _median_of_three(x: Array, axis: int) -> Array:
    before, after = mirrored_neighbours(x, axis, 1)
    low, high = jnp.minimum(before, after), jnp.maximum(before, after)
    return jnp.maximum(low, jnp.minimum(high, x))


def mirrored_neighbours(x: Array, axis: int, step: int) -> tuple[Array, Array]:
    """The pixels so many before and after along an axis, the image continued by reflection."""
    return _taken(x, _neighbours(x.shape[axis], step), axis)


def _taken(x: Array, neighbours: Array | np.ndarray, axis: int) -> tuple[Array, Array]:
    before, after = (jnp.take(x, indices, axis=axis, mode="clip") for indices in neighbours)
    return before, after


def _neighbours(size: int, step: int) -> np.ndarray:
    """Their indices, so that nothing leaves the image, (2, size)."""
    return np.stack([mirror(np.arange(size) + k, size) for k in (-step, step)])
