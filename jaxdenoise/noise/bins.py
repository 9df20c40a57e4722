"""Bins of pixels, for images whose pixels hold too few photons to be denoised one by one.

A transform makes the noise of a photon or more nearly Gaussian. Below, a pixel is 0 or an outlier,
and what a denoiser makes of that is not the mean. The sum over a bin is a Poisson count again, with
more photons (Azzari & Foi, "Variance stabilization for noisy+estimate combination in iterative
Poisson denoising", IEEE Signal Processing Letters 2016). The side of a bin is traced: the binned
image fills the shape of the image by reflection, and a side of 1 changes nothing.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxdenoise._core.safe import safe_divide

# Photons in a bin, and the rounding of its side: measured on a photograph at 0.03 to 2 photons a
# pixel, all methods. Bins begin below 0.65 photons in two dimensions.
_PHOTONS = 2
_ROUND_UP = 0.25
# An axis keeps at least this number of bins.
_FEWEST_BINS = 4
# Mean photons a pixel up to which the mean is kept exactly, and from which it is left alone.
_KEPT, _LEFT = 2, 4


@partial(jax.jit, static_argnames="axes")
def side_of_bins(photons: Array, axes: int) -> Array:
    """The side of a bin along each of `axes` axes, 1 from about a photon a pixel upwards."""
    least = jnp.finfo(photons.dtype).eps
    side = (_PHOTONS / jnp.maximum(photons, least)) ** (1 / axes)
    return jnp.maximum(jnp.floor(lax.stop_gradient(side) + _ROUND_UP), 1).astype(jnp.int32)


@partial(jax.jit, static_argnames="axes")
def bin_means(image: Array, side: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """The mean of the known pixels of every bin, in the shape of the image, and a bin's pixels."""
    known = ~jnp.isnan(image)
    sums = jnp.where(known, image, 0), known.astype(image.dtype)
    pixels = jnp.ones((), image.dtype)
    for axis in axes:
        size = image.shape[axis]
        bins = _number_of_bins(size, side)
        where = jnp.arange(size, dtype=jnp.int32) * bins // size
        at = jnp.arange(size, dtype=jnp.int32) % (2 * bins)
        mirrored = jnp.minimum(at, 2 * bins - 1 - at)
        sums = tuple(_summed(x, where, mirrored, axis) for x in sums)
        pixels = pixels * (size / bins).astype(image.dtype)
    total, count = sums
    return jnp.where(count > 0, total / jnp.maximum(count, 1), jnp.nan), pixels


@partial(jax.jit, static_argnames="axes")
def spread_bins(binned: Array, side: Array, axes: tuple[int, ...]) -> Array:
    """Pixels from the bins, linear between their centres; keeps the mean."""
    for axis in axes:
        size = binned.shape[axis]
        bins = _number_of_bins(size, side)
        scale = bins.astype(binned.dtype) / size
        centre = (jnp.arange(size, dtype=binned.dtype) + 0.5) * scale - 0.5
        centre = jnp.clip(centre, 0, (bins - 1).astype(binned.dtype))
        below = jnp.floor(centre)
        weight = (centre - below).reshape([-1 if a == axis else 1 for a in range(binned.ndim)])
        first = below.astype(jnp.int32)
        low, high = (
            jnp.take(binned, jnp.minimum(first + k, bins - 1), axis=axis, mode="clip")
            for k in (0, 1)
        )
        # Not (1 - w) low + w high: of a weight of 0 the other bin must not matter, NaN or not.
        binned = jnp.where(weight > 0, low + weight * (high - low), low)
    return binned


@partial(jax.jit, static_argnames="axes")
def keep_mean(denoised: Array, image: Array, photons: Array, axes: tuple[int, ...]) -> Array:
    """Scale `denoised` to the mean of the image, channel by channel, where photons are few."""
    known = ~jnp.isnan(image) & ~jnp.isnan(denoised)
    before, after = (
        jnp.sum(jnp.where(known, x, 0), axis=axes, keepdims=True) for x in (image, denoised)
    )
    ratio = jnp.where((before > 0) & (after > 0), safe_divide(before, after), 1)
    share = jnp.clip((_LEFT - lax.stop_gradient(photons)) / (_LEFT - _KEPT), 0, 1)
    return denoised * (1 + share * (ratio - 1))


def _number_of_bins(size: int, side: Array) -> Array:
    return jnp.maximum(size // side, min(_FEWEST_BINS, size)).astype(jnp.int32)


def _summed(x: Array, where: Array, mirrored: Array, axis: int) -> Array:
    """Sums over bins along an axis, continued by reflection to its full length."""
    first = jnp.moveaxis(x, axis, 0)
    sums = jax.ops.segment_sum(first, where, num_segments=x.shape[axis])
    return jnp.moveaxis(sums[mirrored], 0, axis)
