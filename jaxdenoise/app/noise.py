"""What a method is told of the noise in a file."""

from typing import Any

import numpy as np

import jaxdenoise as jd
from jaxdenoise.app.options import ROBUST, Noise
from jaxdenoise.files.errors import InputError
from jaxdenoise.files.pages import full_scale


def noise_of(
    values: np.ndarray, channel_axis: int | None, dtype: np.dtype, noise: Noise, method: str
) -> tuple[Any, float | None]:
    """What the method is told of the noise, and the number if that was estimated."""
    sigma: Any = noise.model(dtype)
    if isinstance(sigma, jd.Poisson):
        _check_photons(values, 1 / np.asarray(sigma.peak).item(), dtype)
    if sigma is not None:
        return sigma, None
    robust = method == ROBUST
    estimate = float(jd.estimate_sigma(values, outliers=robust, channel_axis=channel_axis))
    if not np.isfinite(estimate):
        raise InputError("the noise level cannot be estimated; give --sigma NUMBER")
    return estimate, estimate


def _check_photons(values: np.ndarray, gain: float, dtype: np.dtype) -> None:
    """Where there is light, a pixel has a photon at least, unless its units were mistaken."""
    brightest = float(np.nanmax(values))
    if 0 < brightest < 0.99 * gain:
        raise InputError(
            f"its brightest pixel, {brightest:g}, would be {brightest / gain:.2g} of a photon; "
            f"--peak is of full scale, {full_scale(dtype):g}; for counts give --gain 1"
        )
