"""Read TIFF files through tifffile, page by page."""

import logging
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from jaxdenoise.files.errors import InputError, one_line
from jaxdenoise.files.memory import check_memory
from jaxdenoise.files.pages import Page, Picture, checked
from jaxdenoise.files.tiff.metadata import (
    ORIENTATION,
    axes_of,
    dpi_of,
    dropped,
    kept_tags,
    nodata_of,
)
from jaxdenoise.files.tiff.structure import check_jpeg, check_pages, check_tags, count_pages

_WHITE_IS_ZERO, _PALETTE = 0, 3
# Bits of NewSubfileType.
_REDUCED, _MASK = 1, 4


def read_tiff(path: Path, max_pixels: float | None) -> Picture:
    """Every page as an image; palettes become RGB and white-is-zero is turned round.

    Pages that are reduced copies or masks of others are left out, with a note.
    """
    import tifffile

    # tifffile reports oddities on a logger; what makes a page unreadable is raised below.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        try:
            listed = count_pages(path)
        except struct.error as error:
            raise InputError(f"{path}: truncated TIFF") from error
        with tifffile.TiffFile(path) as file:
            found = len(file.pages)
            if found < listed:
                raise InputError(f"{path}: truncated TIFF, {found} of {listed} pages can be read")
            return _read(file, path, max_pixels)
    except InputError:
        raise
    except Exception as error:  # tifffile raises whatever a damaged file makes it stumble on
        raise InputError(f"{path}: damaged or unsupported TIFF: {one_line(error)}") from error


def _read(file, path: Path, max_pixels: float | None) -> Picture:
    listed = [file.pages[i].aspage() for i in range(len(file.pages))]
    sources = [page for page in listed if not int(page.subfiletype) & (_REDUCED | _MASK)]
    if not sources:
        raise InputError(f"{path}: all of its {len(listed)} page(s) are previews or masks")
    for number, page in enumerate(sources, start=1):
        check_tags(file, page, path, f"page {number}")
    check_pages(sources, path, max_pixels)
    for page in sources:
        check_jpeg(page, file, path)
    first = sources[0]
    axes, lengths = axes_of(file, sources)
    tags = [kept_tags(page, file) for page in sources]
    for source, kept in zip(sources, tags, strict=True):
        number = nodata_of(kept)
        # tifffile takes 0 for numbers with more digits than float32, GDAL's own among them.
        if number is not None and source.dtype.kind == "f":
            with np.errstate(over="ignore"):
                source.nodata = source.dtype.type(number)
    pages = _one_page_stack(file, sources, path, max_pixels) or [
        _read_page(source, path) for source in sources
    ]
    if len(pages) > len(sources):
        tags = [tags[0]] + [()] * (len(pages) - 1)
    pages = [
        replace(
            page,
            tags=kept,
            nodata=nodata_of(kept or tags[0]),
            orientation=int(first.tags.valueof(ORIENTATION, 1)),
        )
        for page, kept in zip(pages, tags, strict=True)
    ]
    return Picture(
        tuple(pages),
        stacked=len(pages) > 1,
        icc_profile=first.iccprofile,
        compressed=int(first.compression) != 1,
        axes=axes,
        lengths=lengths,
        dpi=dpi_of(first),
        byteorder=file.byteorder,
        notes=_notes(listed, sources),
    )


def _notes(listed: Sequence, sources: Sequence) -> tuple[str, ...]:
    notes = []
    if left := len(listed) - len(sources):
        notes.append(f"{left} page(s) that are previews or masks were left out")
    if any(page.subifds for page in sources):
        notes.append("reduced copies inside its pages (SubIFDs) were left out")
    names = dict.fromkeys(name for page in sources for name in dropped(page))
    if names:
        notes.append(f"its {' and '.join(names)} metadata were left out")
    return tuple(notes)


def _one_page_stack(
    file, sources: Sequence, path: Path, max_pixels: float | None
) -> list[Page] | None:
    """Read a stack whose file lists its first page alone, as ImageJ does above 4 GB."""
    first = sources[0]
    if len(file.pages) > 1 or len(file.series) != 1:
        return None
    stack = file.series[0]
    if stack.size <= first.size:
        return None
    count = stack.size // first.size
    pixels = first.imagewidth * first.imagelength * count
    samples = first.samplesperpixel
    size = f"{count} slices"
    check_memory(path, size, pixels, samples=samples, dtype=first.dtype, max_pixels=max_pixels)
    if stack.dataoffset is None or stack.dataoffset + stack.nbytes > path.stat().st_size:
        raise InputError(f"{path}: truncated TIFF, its {count} slices are incomplete")
    frames = stack.asarray().reshape(-1, *first.shape)
    return [_page_from(checked(frame, path), first, path) for frame in frames]


def _read_page(source, path: Path) -> Page:
    samples = checked(source.asarray(), path)
    if source.photometric == _PALETTE:
        return Page(_apply_palette(samples, source.colormap))
    if source.photometric == _WHITE_IS_ZERO and samples.dtype.kind == "u":
        samples = np.iinfo(samples.dtype).max - samples
    return _page_from(samples, source, path)


def _apply_palette(indices: np.ndarray, palette: np.ndarray) -> np.ndarray:
    colours = np.moveaxis(np.asarray(palette), 0, -1)[indices]
    # Palettes count to 65535; those of 8-bit files hold 8-bit colours in the upper byte.
    return (colours >> 8).astype(np.uint8)


def _page_from(samples: np.ndarray, source, path: Path) -> Page:
    axes = source.axes
    if axes not in ("YX", "YXS", "SYX"):
        raise InputError(f"{path}: TIFF pages with axes {axes} are not supported")
    if axes == "SYX":
        samples = np.ascontiguousarray(np.moveaxis(samples, 0, -1))
    if axes == "YX":
        return Page(samples)
    kinds = tuple(int(kind) for kind in source.extrasamples)
    # Grey with unspecified extra samples is how many-channel images are stored.
    if source.photometric in (0, 1):
        while kinds and kinds[0] == 0:
            kinds = kinds[1:]
    split = samples.shape[-1] - len(kinds)
    colours = samples[..., 0] if split == 1 else samples[..., :split]
    extra = samples[..., split:] if kinds else None
    return Page(np.ascontiguousarray(colours), extra, kinds)
