"""Numerics that stay finite, value and gradient.

`jnp.where(x > 0, f(x), 0)` is not enough: reverse mode evaluates f' on the branch that was not
taken, and 0 * inf is NaN. Each function here moves its argument away from the singularity first
(the "double where").
"""

import math

import jax.numpy as jnp
from jax import Array, lax


def safe_sqrt(x: Array) -> Array:
    """sqrt(max(x, 0)), with gradient 0 where x <= 0; NaN stays NaN."""
    zero = x <= 0
    return jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, x)))


def safe_divide(numerator: Array, denominator: Array) -> Array:
    """numerator / denominator, and 0 with gradient 0 where the denominator is 0."""
    nonzero = denominator != 0
    return jnp.where(nonzero, numerator / jnp.where(nonzero, denominator, 1), 0)


def positive_floor(scale: Array, image: Array) -> Array:
    """`scale`, kept so far from 0 that sums of (image / scale)^4 and 1 / scale^2 do not overflow.

    Where the floor takes over, the derivative with respect to the scale is 0.
    """
    info = jnp.finfo(image.dtype)
    largest = jnp.max(jnp.where(jnp.isfinite(image), jnp.abs(image), 0))
    floor = lax.stop_gradient(10 * info.tiny**0.25 * largest + math.sqrt(info.tiny))
    return jnp.where(scale <= floor, floor, scale)


def huber(square: Array, delta: Array) -> Array:
    """Huber's function over delta: t^2 / (2 delta) where |t| <= delta, else |t| - delta / 2.

    Of t^2, whose root has no derivative at 0.
    """
    small = square <= delta * delta
    root = jnp.sqrt(jnp.where(small, delta * delta, square))
    return jnp.where(small, square / (2 * delta), root - delta / 2)
