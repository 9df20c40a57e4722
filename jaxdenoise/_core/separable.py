"""Separable correlation with short kernels."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxdenoise._core.tiles import mirror


def gaussian_taps(sigma: float, truncate: float) -> np.ndarray:
    """A sampled Gaussian of unit sum, radius int(truncate * sigma + 0.5) as in scipy.ndimage."""
    radius = int(truncate * sigma + 0.5)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return taps / taps.sum()


def gaussian_derivative_taps(sigma: float, truncate: float) -> np.ndarray:
    """The derivative's sampled counterpart, exact on a ramp: its correlation with i is 1."""
    taps = gaussian_taps(sigma, truncate)
    steps = np.arange(len(taps)) - len(taps) // 2
    taps = steps * taps
    return taps / (steps * taps).sum()


def correlate(x: Array, taps: Sequence[np.ndarray]) -> Array:
    """Correlate the last axes with one kernel each, valid part only.

    A loop over taps, each a pass over a shifted view: on a CPU 50 times faster than a convolution
    of one channel, and its transposed loop is as fast, which that of a sum of slices is not.
    """
    for axis, kernel in enumerate(taps, start=x.ndim - len(taps)):
        x = _correlate_axis(x, kernel, axis)
    return x


def _correlate_axis(x: Array, kernel: np.ndarray, axis: int) -> Array:
    size = x.shape[axis] - len(kernel) + 1

    def add(total: Array, tap: tuple[Array, Array]) -> tuple[Array, None]:
        shift, weight = tap
        return total + weight * lax.dynamic_slice_in_dim(x, shift, size, axis), None

    zero = jnp.zeros_like(lax.slice_in_dim(x, 0, size, axis=axis))
    shifts = jnp.arange(len(kernel), dtype=jnp.int32)
    return lax.scan(add, zero, (shifts, jnp.asarray(kernel, x.dtype)))[0]


def correlate_mirrored(x: Array, taps: Sequence[np.ndarray]) -> Array:
    """Correlate the last axes with one kernel each, the image continued by reflection."""
    for axis, kernel in enumerate(taps, start=x.ndim - len(taps)):
        size, reach = x.shape[axis], len(kernel) // 2
        if reach:
            x = jnp.take(x, mirror(np.arange(-reach, size + reach), size), axis=axis, mode="clip")
    return correlate(x, taps)
