"""Denoise one array with what the options of a command ask for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np

import jaxdenoise as jd
from jaxdenoise.app import posterior
from jaxdenoise.app.maps import OUTLIERS, STD, quantile_name
from jaxdenoise.app.noise import doubt, noise_of
from jaxdenoise.app.options import ROBUST, Noise, denoise_on_every_device, find_method
from jaxdenoise.app.tuning import tune_array
from jaxdenoise.app.values import Values, check_range, values_of
from jaxdenoise.files.errors import InputError
from jaxdenoise.files.pages import DEPTHS

# Methods of which files of many sizes share few programs.
_SHARE_PROGRAMS = ("bm3d", "subspace")


@dataclass(frozen=True)
class Settings:
    """The options of one command, the same for all of its files.

    - `max_pixels`: the limit of a file; `None` for what the memory allows.
    - `white`: full scale of integer files, if it is not that of their dtype.
    - `nodata`: the value of missing pixels, instead of what a file says.
    - `mask`: an image of pixels to fill.
    - `several`: whether there are several files, which may all have other sizes.
    """

    method: str
    noise: Noise = field(default_factory=Noise)
    parameters: dict[str, Any] = field(default_factory=dict)
    volume: bool = False
    bit_depth: str | None = None
    fill_nonfinite: bool = False
    channel_axis: int | str | None = None
    max_pixels: float | None = None
    force: bool = False
    tune: bool = False
    quantiles: tuple[float, ...] = ()
    white: float | None = None
    nodata: int | float | None = None
    mask: Path | None = None
    several: bool = False

    def written_dtype(self, dtype: np.dtype) -> np.dtype:
        return DEPTHS[self.bit_depth] if self.bit_depth else dtype


@dataclass(frozen=True)
class Denoised:
    """The result for one page.

    - `values`: in the units of the file.
    - `estimate`: the noise, if it was estimated.
    - `maps`: what else was asked for, by name.
    - `nodata`: where the page has no data, if anywhere.
    """

    values: np.ndarray
    estimate: float | None
    maps: Mapping[str, np.ndarray] = field(default_factory=dict)
    warning: str | None = None
    nodata: np.ndarray | None = None

    def slice(self, number: int, shape: tuple[int, ...]) -> "Denoised":
        """Return one page of a volume, in its shape."""
        nodata = None if self.nodata is None else self.nodata[number].reshape(shape)
        maps = {name: values[number].reshape(shape) for name, values in self.maps.items()}
        values = self.values[number].reshape(shape)
        return Denoised(values, self.estimate, maps, self.warning, nodata)


def denoise_array(
    pixels: np.ndarray,
    channel_axis: int | None,
    settings: Settings,
    *,
    nodata: int | float | None = None,
    mask: np.ndarray | None = None,
    detect: bool = False,
    callback: Callable[[Any, int], None] | None = None,
    where: str = "",
) -> Denoised:
    """Denoise the samples of one page or volume; samplers call `callback(step, steps)`."""
    method = settings.method
    values = values_of(
        pixels,
        channel_axis,
        nodata=nodata,
        mask=mask,
        fill=settings.fill_nonfinite,
        takes_missing=method == ROBUST,
        # Photons are counted from 0, and networks know the brightness they were trained on.
        takes_offset=settings.noise.kind == "gaussian"
        and (method in jd.methods() or method in posterior.METHODS),
        where=where,
    )
    sigma, estimate = noise_of(values.array, channel_axis, pixels.dtype, settings.noise, method)
    if isinstance(sigma, float) and method != ROBUST:
        check_range(values.array, sigma)
    if method in posterior.METHODS:
        return _sample(values, channel_axis, settings, sigma, estimate, callback)
    return _denoise(values, channel_axis, settings, sigma, estimate, detect)


def _sample(
    values: Values,
    channel_axis: int | None,
    settings: Settings,
    sigma: Any,
    estimate: float | None,
    callback: Callable[[Any, int], None] | None,
) -> Denoised:
    method = settings.method
    if method in posterior.SAMPLERS and isinstance(sigma, float) and sigma == 0:
        raise InputError("the noise is 0, and leaves nothing to sample; take --method map")
    if values.missing:
        raise InputError(f"--method {method} cannot fill missing pixels; take another method")
    found = posterior.METHODS[method](
        values.array,
        sigma,
        quantiles=settings.quantiles,
        callback=callback,
        channel_axis=channel_axis,
        **settings.parameters,
    )
    result = _finite(found.estimate, method)
    maps = {} if found.std is None else {STD: np.asarray(found.std)}
    if found.quantiles is not None:
        names = map(quantile_name, settings.quantiles)
        drawn = map(values.restored, np.asarray(found.quantiles))
        maps |= dict(zip(names, drawn, strict=False))
    warning = found.warning
    rounds = settings.written_dtype(values.source.dtype).kind != "f"
    if warning is None and found.std is not None and rounds and np.mean(found.std) < 1:
        spread = f"{np.mean(found.std):.2g}, the standard deviation"
        warning = f"whole numbers are coarser than {spread}; convert the file to floats before"
    return Denoised(values.restored(result), estimate, maps, warning)


def _denoise(
    values: Values,
    channel_axis: int | None,
    settings: Settings,
    sigma: Any,
    estimate: float | None,
    detect: bool,
) -> Denoised:
    array, method = values.array, settings.method
    given = {"channel_axis": channel_axis, **settings.parameters}
    if settings.tune:
        _, tuned = tune_array(array, sigma, method, settings.parameters, channel_axis=channel_axis)
        given |= tuned.parameters
    denoise, denoiser = denoise_on_every_device(method), find_method(method)
    if settings.several and method in _SHARE_PROGRAMS:
        denoise, denoiser = jd.denoise, jd.bucketed(denoiser, sharded=True)
    result = _finite(denoise(array, sigma, method=denoiser, **given), method)
    maps = {}
    if detect:
        if settings.noise.kind != "gaussian":
            array, sigma = np.asarray(sigma.stabilise(array)), 1.0
        maps[OUTLIERS] = np.asarray(jd.shard(jd.detect_outliers)(array, sigma, **given))
    warning = doubt(values.array, channel_axis, settings.noise, estimate, method)
    return Denoised(values.restored(result), estimate, maps, warning, values.nodata)


def _finite(result: Any, method: str) -> np.ndarray:
    result = np.asarray(jax.block_until_ready(result))
    if not np.isfinite(result).all():
        raise InputError(f"{method} gave pixels that are not finite; nothing is written")
    return result
