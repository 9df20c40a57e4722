"""The standard form of an image: no pixel missing, its offset removed, its range near 1.

Denoisers commute with shifts and scales of the image, but float32 does not: squares of 1e-20 are 0,
and beside an offset of 1000 a difference has few digits left. Every method therefore works on the
standard form and brings its result back. The scale is a power of two and the offset a multiple of
it, so nothing is rounded on the way that float32 could have kept.
"""

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from jaxdenoise._core.inpaint import fill_missing
from jaxdenoise._core.planes import from_planes, map_to_planes, to_planes


@dataclass(frozen=True)
class Standard:
    """An image = offset + scale * planes, and the layout to bring a result back to.

    `valid` is False where a parameter of the method is not: under `jit` a NaN or a negative number
    cannot raise an error, and must not give a plausible image either.
    """

    planes: Array  # (C, *spatial)
    offset: Array
    scale: Array
    inverse: Array  # 1 / scale
    valid: Array
    image: ArrayLike
    channel_axis: int | None

    def strength(self, value: ArrayLike) -> Array:
        """A number or a map in units of the image, such as sigma, in those of the planes.

        What is a billion times the range is as good as infinite. Its square must not overflow.
        """
        value = map_to_planes(value, self.image, self.channel_axis) * self.inverse
        return jnp.minimum(value, 2.0**30)

    def restore(self, planes: Array) -> Array:
        """The image that these planes are; NaN if a parameter was not valid."""
        planes = jnp.where(self.valid, self.offset + self.scale * planes, jnp.nan)
        return from_planes(planes, self.image, self.channel_axis)


def standardise(
    image: ArrayLike, channel_axis: int | None, *parameters: ArrayLike | None
) -> Standard:
    """The standard form of an image, for a method with these nonnegative parameters."""
    planes = fill_missing(to_planes(image, channel_axis))
    still = lax.stop_gradient(planes)
    # Divide by the largest value first. The mean of very large values would overflow.
    largest, inverse = power_of_two(jnp.max(jnp.abs(still)))
    still = still * inverse
    mean = jnp.mean(still)
    spread, inverse_spread = power_of_two(jnp.max(jnp.abs(still - mean)))
    # An offset below twice the range costs no digit that matters, and stays.
    offset = 4 * spread * jnp.round(mean * inverse_spread / 4) * largest
    valid = jnp.ones((), bool)
    for value in parameters:
        if value is not None:
            value = jnp.asarray(value).astype(planes.dtype)
            valid &= jnp.all(jnp.isfinite(value) & (value >= 0))
    scale, inverse = spread * largest, inverse_spread * inverse
    planes = (planes - offset) * inverse
    return Standard(planes, offset, scale, inverse, valid, image, channel_axis)


def power_of_two(x: Array) -> tuple[Array, Array]:
    """The power of two that x rounds to, and its inverse.

    Both are 1 if x is 0 or not finite. The power is at most the inverse of the smallest normal
    number, because XLA may replace a smaller inverse by 0.
    """
    kind = jnp.finfo(x.dtype)

    def rounded(x: Array) -> Array:
        return lax.reduce_precision(x, exponent_bits=kind.nexp, mantissa_bits=0)

    power = jnp.minimum(rounded(x), 1 / kind.tiny)
    power = jnp.where((power >= kind.tiny) & jnp.isfinite(x), power, 1)
    # Exact already; but XLA would make one quotient of two, whose divisor might underflow.
    return power, rounded(1 / power)
