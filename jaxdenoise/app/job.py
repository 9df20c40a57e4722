"""Denoise one file: read, denoise page by page or as volumes, convert, write."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from jaxdenoise.app.arrays import Denoised, Settings, denoise_array
from jaxdenoise.app.inputs import Job, check_target
from jaxdenoise.app.maps import OUTLIERS, STD, map_page
from jaxdenoise.app.masks import Mask
from jaxdenoise.app.values import equals
from jaxdenoise.files.axes import volumes
from jaxdenoise.files.errors import InputError, one_line
from jaxdenoise.files.pages import Page, Picture, clipped_share, full_scale, to_dtype
from jaxdenoise.files.pictures import NPY, TIFF, check_holds, read_picture, write_picture
from jaxdenoise.files.unfinished import remove, unfinished


@dataclass(frozen=True)
class Outcome:
    """What is worth saying about a file that was denoised."""

    noise: str
    pages: int
    seconds: float
    clipped: float
    warnings: tuple[str, ...] = ()


def denoise_file(
    job: Job,
    settings: Settings,
    advance: Callable[[int, int], None] = lambda done, total: None,
    *,
    maps: Mapping[str, Path] = MappingProxyType({}),
    mask: Mask | None = None,
) -> Outcome:
    """Write `job.target`, or raise with nothing written. `advance` is called for every page.

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
    if settings.nodata is not None:
        told = tuple(replace(page, nodata=settings.nodata) for page in picture.pages)
        picture = replace(picture, pages=told)
    target_dtype = settings.written_dtype(picture.pages[0].dtype)
    _check_nodata(job, picture, settings)
    check_holds(job.target, picture, target_dtype)
    for name, target in maps.items():
        if name == STD and target.suffix.lower() not in TIFF + NPY:
            raise InputError(f"--std-map {target}: holds floats; write .tif or .npy")
        check_holds(target, picture, np.dtype(np.float32) if name == STD else target_dtype)
    start = time.perf_counter()
    try:
        denoise = _denoise_volumes if settings.volume else _denoise_pages
        results = denoise(picture, settings, advance, mask, detect=OUTLIERS in maps)
    except (ValueError, TypeError) as error:
        raise InputError(f"{job.source}: {one_line(error)}") from error
    except InputError as error:
        raise InputError(f"{job.source}: {error}") from error
    seconds = time.perf_counter() - start
    dtypes = [settings.written_dtype(page.dtype) for page in picture.pages]
    together = list(zip(results, picture.pages, dtypes, strict=True))
    white = settings.white
    clipped = [clipped_share(found.values, page.dtype, dtype) for found, page, dtype in together]
    pages = tuple(_finished(page, found, dtype, white) for found, page, dtype in together)
    written = [(job.target, replace(picture, pages=pages))]
    for name, target in maps.items():
        drawn = tuple(
            map_page(name, found.maps[name], page, dtype) for found, page, dtype in together
        )
        told = replace(picture, pages=drawn, icc_profile=None, exif=None, chunks=())
        written.insert(0, (target, told))
    _write_all(written, overwrite=settings.force)
    estimates = [found.estimate for found in results if found.estimate is not None]
    warnings = [*picture.notes, *(found.warning for found in results if found.warning)]
    if white is None:
        warnings += [_darkness(page, dtype) for _, page, dtype in together]
    return Outcome(
        settings.noise.describe(estimates),
        len(pages),
        seconds,
        float(np.mean(clipped)),
        tuple(filter(None, dict.fromkeys(warnings))),
    )


def _write_all(pictures: list[tuple[Path, Picture]], *, overwrite: bool) -> None:
    """All of the files or, where there was none before, none of them."""
    # On failure the target of a symbolic link is removed, and the link stays.
    new = [Path(os.path.realpath(path)) for path, _ in pictures if not path.exists()]
    with unfinished(*new):
        try:
            for path, picture in pictures:
                write_picture(path, picture, overwrite=overwrite)
        except BaseException:
            remove(*new)
            raise


def _check_nodata(job: Job, picture: Picture, settings: Settings) -> None:
    """Refuse a bit depth that cannot hold the value of missing pixels."""
    for page in picture.pages:
        dtype, number = settings.written_dtype(page.dtype), page.nodata
        if number is None or dtype.kind == "f" or dtype == page.dtype:
            continue
        bounds = np.iinfo(dtype)
        if not (np.isfinite(number) and number == int(number)) or not (
            bounds.min <= number <= bounds.max
        ):
            raise InputError(
                f"{job.source}: its missing pixels are {number:.9g}, which --bit-depth "
                f"{settings.bit_depth} cannot hold"
            )


def _darkness(page: Page, dtype: np.dtype) -> str | None:
    """Warn where a file of integers uses a part of their bits, and is scaled by all of them."""
    if page.dtype.kind == "f" or page.dtype.itemsize == 1 or dtype == page.dtype:
        return None
    brightest = int(page.pixels.max())
    bits = max(brightest.bit_length(), 8)
    bits += bits % 2
    if brightest < 1 or bits > 8 * page.dtype.itemsize - 2:
        return None
    return (
        f"its brightest sample is {brightest} of {full_scale(page.dtype):.0f}, and becomes as "
        f"dark in the output; --white {2**bits - 1} makes that white"
    )


def _finished(page: Page, found: Denoised, dtype: np.dtype, white: float | None) -> Page:
    pixels = to_dtype(found.values, page.dtype, dtype, white)
    if page.nodata is not None:
        pixels = _with_nodata(pixels, found.nodata, page.nodata)
    extra = None if page.extra is None else to_dtype(page.extra, page.dtype, dtype)
    return replace(page, pixels=pixels, extra=extra, source_dtype=page.dtype)


def _with_nodata(pixels: np.ndarray, absent: np.ndarray | None, number: int | float) -> np.ndarray:
    """Put the value of missing pixels back, and let no other pixel of integers have it."""
    if pixels.dtype.kind != "f":
        taken = equals(pixels, number)
        step = 1 if number < np.iinfo(pixels.dtype).max else -1
        pixels = np.where(taken, pixels + pixels.dtype.type(step), pixels)
    if absent is None:
        return pixels
    with np.errstate(over="ignore"):
        return np.where(absent, pixels.dtype.type(number), pixels)


def _denoise_pages(
    picture: Picture,
    settings: Settings,
    advance: Callable[[int, int], None],
    mask: Mask | None,
    *,
    detect: bool,
) -> list[Denoised]:
    results = []
    total = len(picture.pages)
    for number, page in enumerate(picture.pages):
        # Samplers tell of their steps too.
        _ADVANCE.to = partial(_advance_within, advance, number, total)
        advance(number, total)
        results.append(
            denoise_array(
                page.pixels,
                page.channel_axis,
                settings,
                nodata=page.nodata,
                mask=None if mask is None else mask.of(number, total, page.pixels.shape),
                detect=detect,
                callback=_ADVANCE,
                where=f" of page {number + 1}" if total > 1 else "",
            )
        )
    advance(total, total)
    return results


def _denoise_volumes(
    picture: Picture,
    settings: Settings,
    advance: Callable[[int, int], None],
    mask: Mask | None,
    *,
    detect: bool,
) -> list[Denoised]:
    results: dict[int, Denoised] = {}
    pages, stacks = picture.pages, volumes(picture)
    for done, numbers in enumerate(stacks):
        advance(done, len(stacks))
        first = pages[numbers[0]]
        stack = np.stack([pages[n].pixels for n in numbers])
        found = denoise_array(
            # Without a channel axis, a few slices could be channels.
            stack if first.channel_axis is not None else stack[..., None],
            -1,
            settings,
            nodata=first.nodata,
            mask=None
            if mask is None
            else np.stack([mask.of(n, len(pages), first.pixels.shape) for n in numbers]),
            detect=detect,
            where=f" of volume {done + 1}" if len(stacks) > 1 else "",
        )
        for place, number in enumerate(numbers):
            results[number] = found.slice(place, first.pixels.shape)
    advance(len(stacks), len(stacks))
    return [results[number] for number in range(len(pages))]


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
