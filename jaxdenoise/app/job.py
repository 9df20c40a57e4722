"""Denoise one file: read, repair, denoise page by page or as a volume, convert, write."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np

import jaxdenoise as jd
from jaxdenoise.app import posterior
from jaxdenoise.app.inputs import Job, Plan, check_target
from jaxdenoise.app.noise import noise_of
from jaxdenoise.app.options import ROBUST, Noise, denoise_on_every_device, find_method
from jaxdenoise.app.repair import finite
from jaxdenoise.app.tuning import tune_array
from jaxdenoise.files.errors import InputError, one_line
from jaxdenoise.files.pages import DEPTHS, Page, Picture, as_float, clipped_share, to_dtype
from jaxdenoise.files.pictures import NPY, TIFF, check_holds, read_picture, write_picture
from jaxdenoise.files.unfinished import remove, unfinished


@dataclass(frozen=True)
class Settings:
    """What the options of one command ask for, the same for all of its files."""

    method: str
    noise: Noise = field(default_factory=Noise)
    parameters: dict[str, Any] = field(default_factory=dict)
    volume: bool = False
    bit_depth: str | None = None
    fill_nonfinite: bool = False
    channel_axis: int | str | None = None
    max_pixels: float = 1e9
    force: bool = False
    tune: bool = False
    quantiles: tuple[float, ...] = ()


class Denoised(NamedTuple):
    """One page: its values, the noise if it was estimated, and what else was asked for."""

    values: np.ndarray
    estimate: float | None
    maps: dict[str, np.ndarray] = {}  # noqa: RUF012, a tuple's default is never written to
    warning: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What is worth saying about a file that was denoised."""

    noise: str
    pages: int
    seconds: float
    clipped: float
    warnings: tuple[str, ...] = ()


# The maps that a page can have beside its values, and how quantiles are named.
OUTLIERS, STD = "outliers", "std"


def quantile_name(share: float) -> str:
    return f"q{100 * share:g}"


def map_paths(
    number: int, planned: Plan, drawn: Mapping[str, Plan], settings: Settings
) -> dict[str, Path]:
    """Where the maps of one file go; those of quantiles beside the output, `clean_q5.tif`."""
    target = planned.jobs[number].target
    paths = {name: plan.jobs[number].target for name, plan in drawn.items()}
    taken = {target.resolve(): "--out"}
    for name in map(quantile_name, settings.quantiles):
        paths[name] = target.with_name(f"{target.stem}_{name}{target.suffix}")
        taken[paths[name].resolve()] = "--quantiles"
    for name in drawn:
        option = f"--{name}-map"
        other = taken.setdefault(paths[name].resolve(), option)
        if other != option:
            raise InputError(f"{option} {paths[name]}: is where {other} goes")
    return paths


def denoise_file(
    job: Job,
    settings: Settings,
    advance: Callable[[int, int], None] = lambda done, total: None,
    *,
    maps: Mapping[str, Path] = MappingProxyType({}),
) -> Outcome:
    """Write `job.target`, or raise with nothing written. `advance` hears of every page.

    `maps` are more files: of the probability that a pixel is an outlier, of its standard deviation
    and its quantiles.
    """
    for target in (*maps.values(), job.target):
        check_target(job.source, target, force=settings.force)
    picture = read_picture(
        job.source,
        max_pixels=settings.max_pixels,
        channel_axis=settings.channel_axis,
        volume=settings.volume,
    )
    target_dtype = _written_dtype(picture.pages[0].dtype, settings)
    check_holds(job.target, picture, target_dtype)
    for name, target in maps.items():
        if name == STD and target.suffix.lower() not in TIFF + NPY:
            raise InputError(f"--std-map {target}: holds floats; write .tif or .npy")
        check_holds(target, picture, np.dtype(np.float32) if name == STD else target_dtype)
    start = time.perf_counter()
    try:
        denoise = _denoise_volume if settings.volume else _denoise_pages
        results = denoise(picture, settings, advance, detect=OUTLIERS in maps)
    except (ValueError, TypeError) as error:
        raise InputError(f"{job.source}: {one_line(error)}") from error
    except InputError as error:
        raise InputError(f"{job.source}: {error}") from error
    seconds = time.perf_counter() - start
    dtypes = [_written_dtype(page.dtype, settings) for page in picture.pages]
    together = list(zip(results, picture.pages, dtypes, strict=True))
    clipped = [clipped_share(found.values, page.dtype, dtype) for found, page, dtype in together]
    pages = tuple(_finished(page, found.values, dtype) for found, page, dtype in together)
    written = [(job.target, replace(picture, pages=pages))]
    for name, target in maps.items():
        drawn = tuple(
            _map_page(name, found.maps[name], page, dtype) for found, page, dtype in together
        )
        written.insert(0, (target, replace(picture, pages=drawn, icc_profile=None)))
    _write_all(written, overwrite=settings.force)
    estimates = [found.estimate for found in results if found.estimate is not None]
    warnings = tuple(dict.fromkeys(found.warning for found in results if found.warning))
    noise = settings.noise.describe(estimates)
    return Outcome(noise, len(pages), seconds, float(np.mean(clipped)), warnings)


def _map_page(name: str, values: np.ndarray, page: Page, dtype: np.dtype) -> Page:
    """Probabilities at full scale, standard deviations in the units of the file as floats."""
    if name == STD:
        return Page(values.astype(np.float32))
    return Page(to_dtype(values, values.dtype if name == OUTLIERS else page.dtype, dtype))


def _write_all(pictures: list[tuple[Path, Picture]], *, overwrite: bool) -> None:
    """All of the files or, where there was none before, none of them."""
    # What a symbolic link points to goes, and the link stays.
    new = [Path(os.path.realpath(path)) for path, _ in pictures if not path.exists()]
    with unfinished(*new):
        try:
            for path, picture in pictures:
                write_picture(path, picture, overwrite=overwrite)
        except BaseException:
            remove(*new)
            raise


def _written_dtype(dtype: np.dtype, settings: Settings) -> np.dtype:
    return DEPTHS[settings.bit_depth] if settings.bit_depth else dtype


def _finished(page: Page, values: np.ndarray, dtype: np.dtype) -> Page:
    extra = None if page.extra is None else to_dtype(page.extra, page.dtype, dtype)
    return Page(to_dtype(values, page.dtype, dtype), extra, page.extra_kinds)


def _denoise_pages(
    picture: Picture, settings: Settings, advance: Callable[[int, int], None], *, detect: bool
) -> list[Denoised]:
    results = []
    total = len(picture.pages)
    for number, page in enumerate(picture.pages):
        # Samplers tell of their steps too.
        _ADVANCE.to = partial(_advance_within, advance, number, total)
        advance(number, total)
        where = f" of page {number + 1}" if total > 1 else ""
        values = _complete(as_float(page.pixels), page.channel_axis, settings, where)
        given = values, page.channel_axis, page.dtype, settings
        if settings.method in posterior.METHODS:
            results.append(_sample_array(*given))
        else:
            results.append(_denoise_array(*given, detect))
    advance(total, total)
    return results


def _denoise_volume(
    picture: Picture, settings: Settings, advance: Callable[[int, int], None], *, detect: bool
) -> list[Denoised]:
    pages = picture.pages
    if len(pages) < 2:
        raise InputError("--volume needs several pages, and the file has one")
    if len({(page.pixels.shape, page.dtype) for page in pages}) > 1:
        raise InputError("--volume needs pages of one shape and bit depth")
    advance(0, 1)
    axis, dtype = pages[0].channel_axis, pages[0].dtype
    values = _complete(as_float(np.stack([page.pixels for page in pages])), axis, settings)
    result = _denoise_array(values, axis, dtype, settings, detect)
    advance(1, 1)
    return [result._replace(values=values) for values in result.values]


def _complete(
    values: np.ndarray, channel_axis: int | None, settings: Settings, where: str = ""
) -> np.ndarray:
    """Without missing pixels, unless the method fills them itself."""
    if settings.method == ROBUST and not settings.fill_nonfinite:
        return values
    return finite(values, channel_axis, fill=settings.fill_nonfinite, where=where)


class _Relay:
    """One callback for all pages, as samplers are compiled for each; it passes on to the page's."""

    to: Callable[[Any, int], None]

    def __call__(self, step: Any, steps: int) -> None:
        self.to(step, steps)


_ADVANCE = _Relay()


def _advance_within(
    advance: Callable[[int, int], None], number: int, total: int, step: Any, steps: int
) -> None:
    advance(number * steps + int(step) + 1, total * steps)


def _sample_array(
    values: np.ndarray,
    channel_axis: int | None,
    dtype: np.dtype,
    settings: Settings,
) -> Denoised:
    sigma, estimate = noise_of(values, channel_axis, dtype, settings.noise, settings.method)
    if settings.method in posterior.SAMPLERS and isinstance(sigma, float) and sigma == 0:
        raise InputError("the noise is 0, and leaves nothing to sample; take --method map")
    found = posterior.METHODS[settings.method](
        values,
        sigma,
        quantiles=settings.quantiles,
        callback=_ADVANCE,
        channel_axis=channel_axis,
        **settings.parameters,
    )
    result = np.asarray(found.estimate)
    if not np.isfinite(result).all():
        raise InputError(f"{settings.method} gave pixels that are not finite; nothing is written")
    maps = {} if found.std is None else {STD: np.asarray(found.std)}
    if found.quantiles is not None:
        names = map(quantile_name, settings.quantiles)
        maps |= dict(zip(names, np.asarray(found.quantiles), strict=False))
    warning = found.warning
    rounds = _written_dtype(dtype, settings).kind != "f"
    if warning is None and found.std is not None and rounds and np.mean(found.std) < 1:
        spread = f"{np.mean(found.std):.2g}, the standard deviation"
        warning = f"whole numbers are coarser than {spread}; convert the file to floats before"
    return Denoised(result, estimate, maps, warning)


def _denoise_array(
    values: np.ndarray,
    channel_axis: int | None,
    dtype: np.dtype,
    settings: Settings,
    detect: bool,
) -> Denoised:
    sigma, estimate = noise_of(values, channel_axis, dtype, settings.noise, settings.method)
    given = {"channel_axis": channel_axis, **settings.parameters}
    if settings.tune:
        _, tuned = tune_array(
            values, sigma, settings.method, settings.parameters, channel_axis=channel_axis
        )
        given |= tuned.parameters
    denoise, method = denoise_on_every_device(settings.method), find_method(settings.method)
    result = denoise(values, sigma, method=method, **given)
    result = np.asarray(jax.block_until_ready(result))
    if not np.isfinite(result).all():
        raise InputError(f"{settings.method} gave pixels that are not finite; nothing is written")
    if not detect:
        return Denoised(result, estimate)
    if settings.noise.kind != "gaussian":
        values, sigma = np.asarray(sigma.stabilise(values)), 1.0
    outliers = jd.shard(jd.detect_outliers)(values, sigma, **given)
    return Denoised(result, estimate, {OUTLIERS: np.asarray(outliers)})
