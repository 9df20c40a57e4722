"""Denoise one file: read, repair, denoise page by page or as a volume, convert, write."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np

import jaxdenoise as jd
from jaxdenoise.app.errors import AppError, one_line
from jaxdenoise.app.inputs import Job, check_target
from jaxdenoise.app.io import check_holds, read_picture, write_picture
from jaxdenoise.app.options import Noise
from jaxdenoise.app.pages import DEPTHS, Page, Picture, as_float, clipped_share, to_dtype
from jaxdenoise.app.repair import finite


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


@dataclass(frozen=True)
class Outcome:
    """What is worth saying about a file that was denoised."""

    noise: str
    pages: int
    seconds: float
    clipped: float


def denoise_file(
    job: Job, settings: Settings, advance: Callable[[int, int], None] = lambda done, total: None
) -> Outcome:
    """Write `job.target`, or raise with nothing written. `advance` hears of every page."""
    check_target(job.source, job.target, force=settings.force)
    picture = read_picture(
        job.source,
        max_pixels=settings.max_pixels,
        channel_axis=settings.channel_axis,
        volume=settings.volume,
    )
    target_dtype = DEPTHS[settings.bit_depth] if settings.bit_depth else picture.pages[0].dtype
    check_holds(job.target, picture, target_dtype)
    start = time.perf_counter()
    try:
        denoise = _denoise_volume if settings.volume else _denoise_pages
        results, estimates = denoise(picture, settings, advance)
    except (ValueError, TypeError) as error:
        raise AppError(f"{job.source}: {one_line(error)}") from error
    except AppError as error:
        raise AppError(f"{job.source}: {error}") from error
    seconds = time.perf_counter() - start
    clipped = [
        clipped_share(values, page.dtype, _page_dtype(page, settings))
        for values, page in zip(results, picture.pages, strict=True)
    ]
    pages = tuple(
        _finished(page, values, _page_dtype(page, settings))
        for values, page in zip(results, picture.pages, strict=True)
    )
    write_picture(job.target, replace(picture, pages=pages), overwrite=settings.force)
    return Outcome(settings.noise.describe(estimates), len(pages), seconds, float(np.mean(clipped)))


def _page_dtype(page: Page, settings: Settings) -> np.dtype:
    return DEPTHS[settings.bit_depth] if settings.bit_depth else page.dtype


def _finished(page: Page, values: np.ndarray, dtype: np.dtype) -> Page:
    extra = None if page.extra is None else to_dtype(page.extra, page.dtype, dtype)
    return Page(to_dtype(values, page.dtype, dtype), extra, page.extra_kinds)


def _denoise_pages(picture: Picture, settings: Settings, advance):
    results, estimates = [], []
    total = len(picture.pages)
    for number, page in enumerate(picture.pages):
        advance(number, total)
        values = as_float(page.pixels)
        where = f" of page {number + 1}" if total > 1 else ""
        values = finite(values, page.channel_axis, fill=settings.fill_nonfinite, where=where)
        result, estimate = _denoise_array(values, page.channel_axis, page.dtype, settings)
        results.append(result)
        estimates += estimate
    advance(total, total)
    return results, estimates


def _denoise_volume(picture: Picture, settings: Settings, advance):
    pages = picture.pages
    if len(pages) < 2:
        raise AppError("--volume needs several pages, and the file has one")
    if len({(page.pixels.shape, page.dtype) for page in pages}) > 1:
        raise AppError("--volume needs pages of one shape and bit depth")
    advance(0, 1)
    axis, dtype = pages[0].channel_axis, pages[0].dtype
    values = as_float(np.stack([page.pixels for page in pages]))
    values = finite(values, axis, fill=settings.fill_nonfinite)
    result, estimates = _denoise_array(values, axis, dtype, settings)
    advance(1, 1)
    return list(result), estimates


def _denoise_array(values, channel_axis, dtype, settings) -> tuple[np.ndarray, list[float]]:
    sigma = settings.noise.model(dtype)
    estimates = []
    if sigma is None:
        sigma = float(jd.estimate_sigma(values, channel_axis=channel_axis))
        if not np.isfinite(sigma):
            raise AppError("the noise level cannot be estimated; give --sigma NUMBER")
        estimates.append(sigma)
    result = jd.shard(jd.denoise)(
        values, sigma, method=settings.method, channel_axis=channel_axis, **settings.parameters
    )
    result = np.asarray(jax.block_until_ready(result))
    if not np.isfinite(result).all():
        raise AppError(f"{settings.method} gave pixels that are not finite; nothing is written")
    return result, estimates
