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
    """Correlate the last axes with one kernel each, valid part only."""
    for axis, kernel in enumerate(taps, start=x.ndim - len(taps)):
        size = x.shape[axis] - len(kernel) + 1
        terms = [
            jnp.asarray(tap, x.dtype) * lax.slice_in_dim(x, i, i + size, axis=axis)
            for i, tap in enumerate(kernel)
            if tap
        ]
        x = sum(terms[1:], start=terms[0])
    return x


def correlate_mirrored(x: Array, taps: Sequence[np.ndarray]) -> Array:
    """Correlate the last axes with one kernel each, the image continued by reflection."""
    for axis, kernel in enumerate(taps, start=x.ndim - len(taps)):
        size, reach = x.shape[axis], len(kernel) // 2
        if reach:
            x = jnp.take(x, mirror(np.arange(-reach, size + reach), size), axis=axis, mode="clip")
    return correlate(x, taps)
