"""Pixels that are unknown, or cannot be: found, and filled from those around them."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxdenoise._core.tiles import mirror

# So far outside the range of the median-filtered image, in multiples of it, no value is the image.
_BEYOND = 1000
# A scale counts for so much less than the one three times finer.
_COARSER = 1e-3


def plausible(planes: Array) -> Array:
    """Which pixels of (C, H, W) are numbers, and not absurd ones.

    One value of 1e30 would rule every sum it enters. What the image holds is bounded by its range
    after a median of 3 x 3 pixels, taken twice.
    """
    finite = jnp.isfinite(planes)
    smooth = inpaint(planes, finite)
    for axis in (1, 2, 1, 2):
        smooth = _median_of_three(smooth, axis)
    low, high = (f(smooth, axis=(1, 2), keepdims=True) for f in (jnp.min, jnp.max))
    # Without any range after the median there may be lines and stars alone.
    margin = jnp.where(high > low, _BEYOND * (high - low), jnp.inf)
    return finite & (planes >= low - margin) & (planes <= high + margin)


def inpaint(planes: Array, known: Array) -> Array:
    """(C, H, W) with the unknown pixels replaced by the mean of the known ones around them.

    Normalised convolution (Knutsson & Westin 1993) with boxes of 3, 9, 27... pixels, the smallest
    that holds something known prevailing. NaN where a plane has nothing known.
    """
    total = jnp.where(known, planes, 0)
    count = known.astype(planes.dtype)
    totals, counts = jnp.zeros_like(total), jnp.zeros_like(count)
    step, weight = 1, 1.0
    while step < 3 * max(planes.shape[1:]):
        total, count = (_box(x, step) for x in (total, count))
        totals, counts = totals + weight * total, counts + weight * count
        step, weight = 3 * step, _COARSER * weight
    return jnp.where(known, planes, totals / jnp.where(known, 1, counts))


def _box(x: Array, step: int) -> Array:
    """The sum over 3 x 3 pixels `step` apart: what sums over boxes of that size become sums of.

    Continued by reflection, so that nothing leaves the image.
    """
    for axis in (1, 2):
        before, after = mirrored_neighbours(x, axis, step)
        x = before + x + after
    return x


def _median_of_three(x: Array, axis: int) -> Array:
    before, after = mirrored_neighbours(x, axis, 1)
    low, high = jnp.minimum(before, after), jnp.maximum(before, after)
    return jnp.maximum(low, jnp.minimum(high, x))


def mirrored_neighbours(x: Array, axis: int, step: int) -> tuple[Array, Array]:
    """The pixels so many before and after along an axis, the image continued by reflection."""
    n = x.shape[axis]
    before, after = (
        jnp.take(x, mirror(np.arange(n) + k, n), axis=axis, mode="clip") for k in (-step, step)
    )
    return before, after
