"""Separable correlation with a short kernel."""

import jax.numpy as jnp
import numpy as np
from jax import Array, lax


def gaussian_taps(sigma: float, truncate: float) -> np.ndarray:
    """A sampled Gaussian of unit sum, radius int(truncate * sigma + 0.5) as in scipy.ndimage."""
    radius = int(truncate * sigma + 0.5)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return taps / taps.sum()


def correlate(x: Array, taps: np.ndarray, axes: tuple[int, ...]) -> Array:
    """Correlation along each of `axes`, valid part only: every axis loses len(taps) - 1."""
    for axis in axes:
        size = x.shape[axis] - len(taps) + 1
        x = sum(
            jnp.asarray(tap, x.dtype) * lax.slice_in_dim(x, i, i + size, axis=axis)
            for i, tap in enumerate(taps)
        )
    return x
