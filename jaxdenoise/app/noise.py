"""What a method is told of the noise in a file."""

from typing import Any

import numpy as np

import jaxdenoise as jd
from jaxdenoise.app.options import ROBUST, Noise
from jaxdenoise.files.errors import InputError
from jaxdenoise.files.pages import full_scale

# A given sigma this many times off the estimate is in other units. An estimate from fewer pixels a
# side says too little for that.
_FAR = 10
_FEWEST_PIXELS = 16


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


def doubt(
    values: np.ndarray,
    channel_axis: int | None,
    noise: Noise,
    estimate: float | None,
    method: str,
) -> str | None:
    """Return a warning where no noise was found, or the given sigma is far from an estimate."""
    if estimate is not None:
        return "no noise found, nothing removed; give --sigma NUMBER" if estimate == 0 else None
    spatial = np.delete(values.shape, [] if channel_axis is None else channel_axis)
    given = noise.sigma
    if noise.kind != "gaussian" or given is None or spatial.min() < _FEWEST_PIXELS:
        return None
    found = float(jd.estimate_sigma(values, outliers=method == ROBUST, channel_axis=channel_axis))
    if given > 0 < found and not found / _FAR <= given <= _FAR * found:
        return f"--sigma is {given:g}, and the noise seems to be {found:.3g}; are its units right?"
    return None


def _check_photons(values: np.ndarray, gain: float, dtype: np.dtype) -> None:
    """Where there is light, a pixel has a photon at least, unless its units were mistaken."""
    darkest = float(np.nanmin(values, initial=0))
    if darkest < 0:
        raise InputError(
            f"it has counts below 0, down to {darkest:g}; add the background back, or give "
            f"--noise poisson-gaussian"
        )
    brightest = float(np.nanmax(values))
    if 0 < brightest < 0.99 * gain:
        raise InputError(
            f"its brightest pixel, {brightest:g}, would be {brightest / gain:.2g} of a photon; "
            f"--peak is of full scale, {full_scale(dtype):g}; for counts give --gain 1"
        )
