"""Denoise one file: read, repair, denoise page by page or as a volume, convert, write."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import jaxdenoise as jd
from jaxdenoise.app.errors import AppError, one_line
from jaxdenoise.app.inputs import Job, check_target
from jaxdenoise.app.io import check_holds, read_picture, write_picture
from jaxdenoise.app.options import ROBUST, Noise
from jaxdenoise.app.pages import DEPTHS, Page, Picture, as_float, clipped_share, to_dtype
from jaxdenoise.app.repair import finite
from jaxdenoise.app.tuning import tune_array


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


class Denoised(NamedTuple):
    """One page: its values, the noise if it was estimated, and the probability of outliers."""

    values: np.ndarray
    estimate: float | None
    outliers: np.ndarray | None = None


@dataclass(frozen=True)
class Outcome:
    """What is worth saying about a file that was denoised."""

    noise: str
    pages: int
    seconds: float
    clipped: float


def denoise_file(
    job: Job,
    settings: Settings,
    advance: Callable[[int, int], None] = lambda done, total: None,
    *,
    outliers_map: Path | None = None,
) -> Outcome:
    """Write `job.target`, or raise with nothing written. `advance` hears of every page.

    `outliers_map` is a second file, of the probability that a pixel is an outlier.
    """
    targets = [job.target] if outliers_map is None else [outliers_map, job.target]
    for target in targets:
        check_target(job.source, target, force=settings.force)
    picture = read_picture(
        job.source,
        max_pixels=settings.max_pixels,
        channel_axis=settings.channel_axis,
        volume=settings.volume,
    )
    target_dtype = DEPTHS[settings.bit_depth] if settings.bit_depth else picture.pages[0].dtype
    for target in targets:
        check_holds(target, picture, target_dtype)
    start = time.perf_counter()
    try:
        denoise = _denoise_volume if settings.volume else _denoise_pages
        results = denoise(picture, settings, advance, detect=outliers_map is not None)
    except (ValueError, TypeError) as error:
        raise AppError(f"{job.source}: {one_line(error)}") from error
    except AppError as error:
        raise AppError(f"{job.source}: {error}") from error
    seconds = time.perf_counter() - start
    dtypes = [_page_dtype(page, settings) for page in picture.pages]
    together = list(zip(results, picture.pages, dtypes, strict=True))
    clipped = [clipped_share(found.values, page.dtype, dtype) for found, page, dtype in together]
    pages = tuple(_finished(page, found.values, dtype) for found, page, dtype in together)
    written = [(job.target, replace(picture, pages=pages))]
    if outliers_map is not None:
        maps = tuple(
            Page(to_dtype(found.outliers, found.outliers.dtype, dtype))
            for found, _, dtype in together
            if found.outliers is not None
        )
        written.insert(0, (outliers_map, replace(picture, pages=maps, icc_profile=None)))
    _write_all(written, overwrite=settings.force)
    estimates = [found.estimate for found in results if found.estimate is not None]
    return Outcome(settings.noise.describe(estimates), len(pages), seconds, float(np.mean(clipped)))


def _write_all(pictures: list[tuple[Path, Picture]], *, overwrite: bool) -> None:
    """All of the files or, where there was none before, none of them."""
    new = [path for path, _ in pictures if not path.exists()]
    try:
        for path, picture in pictures:
            write_picture(path, picture, overwrite=overwrite)
    except BaseException:
        for path in new:
            path.unlink(missing_ok=True)
        raise


def _page_dtype(page: Page, settings: Settings) -> np.dtype:
    return DEPTHS[settings.bit_depth] if settings.bit_depth else page.dtype


def _finished(page: Page, values: np.ndarray, dtype: np.dtype) -> Page:
    extra = None if page.extra is None else to_dtype(page.extra, page.dtype, dtype)
    return Page(to_dtype(values, page.dtype, dtype), extra, page.extra_kinds)


def _denoise_pages(
    picture: Picture, settings: Settings, advance: Callable[[int, int], None], *, detect: bool
) -> list[Denoised]:
    results = []
    total = len(picture.pages)
    for number, page in enumerate(picture.pages):
        advance(number, total)
        where = f" of page {number + 1}" if total > 1 else ""
        values = _complete(as_float(page.pixels), page.channel_axis, settings, where)
        results.append(_denoise_array(values, page.channel_axis, page.dtype, settings, detect))
    advance(total, total)
    return results


def _denoise_volume(
    picture: Picture, settings: Settings, advance: Callable[[int, int], None], *, detect: bool
) -> list[Denoised]:
    pages = picture.pages
    if len(pages) < 2:
        raise AppError("--volume needs several pages, and the file has one")
    if len({(page.pixels.shape, page.dtype) for page in pages}) > 1:
        raise AppError("--volume needs pages of one shape and bit depth")
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


def noise_of(
    values: np.ndarray, channel_axis: int | None, dtype: np.dtype, settings: Settings
) -> tuple[Any, float | None]:
    """What the method is told of the noise, and the number if that was estimated."""
    sigma: Any = settings.noise.model(dtype)
    if sigma is not None:
        return sigma, None
    robust = settings.method == ROBUST
    estimate = float(jd.estimate_sigma(values, outliers=robust, channel_axis=channel_axis))
    if not np.isfinite(estimate):
        raise AppError("the noise level cannot be estimated; give --sigma NUMBER")
    return estimate, estimate


def _denoise_array(
    values: np.ndarray,
    channel_axis: int | None,
    dtype: np.dtype,
    settings: Settings,
    detect: bool,
) -> Denoised:
    sigma, estimate = noise_of(values, channel_axis, dtype, settings)
    given = {"channel_axis": channel_axis, **settings.parameters}
    if settings.tune:
        _, tuned = tune_array(
            values, sigma, settings.method, settings.parameters, channel_axis=channel_axis
        )
        given |= tuned.parameters
    result = jd.shard(jd.denoise)(values, sigma, method=settings.method, **given)
    result = np.asarray(jax.block_until_ready(result))
    if not np.isfinite(result).all():
        raise AppError(f"{settings.method} gave pixels that are not finite; nothing is written")
    if not detect:
        return Denoised(result, estimate)
    if settings.noise.kind != "gaussian":
        values, sigma = np.asarray(sigma.stabilise(values)), 1.0
    outliers = jd.shard(jd.detect_outliers)(values, sigma, **given)
    return Denoised(result, estimate, np.asarray(outliers))
