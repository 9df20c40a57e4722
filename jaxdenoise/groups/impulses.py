"""Outliers of which the noise model `Impulse` gives rate and density."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxdenoise._core.channels import unmix
from jaxdenoise._core.planes import spatial_axes
from jaxdenoise._core.window import run_sum
from jaxdenoise.groups.collaborate import Decorrelated
from jaxdenoise.groups.outliers import log_odds_of_model
from jaxdenoise.noise import Impulse

# Side of the square that shows whether the image is saturated (in a volume, of the cube), and the
# log odds against that before it is seen: where half of the pixels are impulses some squares look
# saturated.
_SIDE = 5
_AGAINST_SATURATED = 10.0


def check_scalars(noise: Impulse) -> None:
    for name in ("rate", "low", "high"):
        if shape := np.shape(getattr(noise, name)):
            raise ValueError(f"{name} of Impulse must be a scalar, got shape {shape}")


def at_extremes(planes: Array, noise: Impulse) -> Array:
    """Which pixels of (C, *spatial) are salt or pepper; none for impulses of random value.

    A pixel of the image has exactly one of these values only where the image is clipped. There all
    pixels but rate / 2 have it, elsewhere rate / 2 of them: the number of them in a square decides.
    """
    found = jnp.zeros(planes.shape, bool)
    if noise.values != "extremes":
        return found
    axes = planes.ndim - 1
    half, pixels = _SIDE // 2, _SIDE**axes
    share = jnp.clip(jnp.asarray(noise.rate, planes.dtype) / 2, 1e-6, 0.499)
    most = (pixels + _AGAINST_SATURATED / jnp.log((1 - share) / share)) / 2
    for value in (noise.low, noise.high):
        there = planes == jnp.asarray(value, planes.dtype)
        around = jnp.pad(there, [(0, 0), *[(half, half)] * axes], mode="reflect")
        count = around.astype(planes.dtype)
        for axis in spatial_axes(planes):
            count = run_sum(count, _SIDE, axis)
        found = found | (there & (count < most))
    return found


def impulse_log_odds(decorrelated: Decorrelated, known: Array, noise: Impulse) -> Array:
    """Log odds of impulses at every pixel of (C, *spatial), in the image's own channels.

    `known` pixels of an image with salt and pepper are none: `at_extremes` has found them all.
    """
    y, standard = unmix(decorrelated.planes), decorrelated.standard
    rate = jnp.asarray(noise.rate, y.dtype)
    if noise.values == "extremes":
        return log_odds_of_model(rate, jnp.zeros_like(y), known)
    low, high = (
        (jnp.asarray(value, y.dtype) - standard.offset) * standard.inverse / decorrelated.unit
        for value in (noise.low, noise.high)
    )
    inside = (y >= low) & (y <= high)
    return log_odds_of_model(rate, jnp.where(inside, 1 / (high - low), 0), known)
