"""TIFF files, page by page, through tifffile."""

import logging
import struct
from pathlib import Path

import numpy as np

from jaxdenoise.files.errors import InputError, one_line
from jaxdenoise.files.pages import Page, Picture, checked


def read_tiff(path: Path, max_pixels: float) -> Picture:
    """Every page as an image; palettes become RGB and white-is-zero is turned round."""
    import tifffile

    # tifffile reports oddities on a logger; what makes a page unreadable is raised below.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        try:
            listed = _count_pages(path)
        except struct.error as error:
            raise InputError(f"{path}: truncated TIFF") from error
        with tifffile.TiffFile(path) as file:
            found = len(file.pages)
            if found < listed:
                raise InputError(f"{path}: truncated TIFF, {found} of {listed} pages can be read")
            sources = [file.pages[i].aspage() for i in range(found)]
            _check_size(sources, path, max_pixels)
            pages = _imagej_stack(file, sources[0], path) or tuple(
                _read_page(source, path) for source in sources
            )
            profile = sources[0].iccprofile
            compressed = int(sources[0].compression) != 1
    except InputError:
        raise
    except Exception as error:  # tifffile raises whatever a damaged file makes it stumble on
        raise InputError(f"{path}: damaged or unsupported TIFF: {one_line(error)}") from error
    return Picture(pages, stacked=len(pages) > 1, icc_profile=profile, compressed=compressed)


def write_tiff(path: Path, picture: Picture) -> None:
    import tifffile

    size = sum(p.pixels.nbytes + (0 if p.extra is None else p.extra.nbytes) for p in picture.pages)
    compression = "zlib" if picture.compressed else None
    with tifffile.TiffWriter(path, bigtiff=size > 4e9) as file:
        for page in picture.pages:
            samples = page.pixels
            if page.extra is not None:
                colours = samples if samples.ndim == 3 else samples[..., None]
                samples = np.concatenate([colours, page.extra], axis=-1)
            is_rgb = page.pixels.ndim == 3 and page.pixels.shape[-1] == 3
            kinds = page.extra_kinds
            if page.pixels.ndim == 3 and not is_rgb:
                kinds = (0,) * (page.pixels.shape[-1] - 1) + kinds
            file.write(
                samples,
                photometric="rgb" if is_rgb else "minisblack",
                planarconfig="contig" if samples.ndim == 3 else None,
                extrasamples=kinds or None,
                compression=compression,
                iccprofile=picture.icc_profile,
                metadata=None,
                contiguous=False,
            )


def _count_pages(path: Path) -> int:
    """Follow the chain of pages, which a cut file leads out of itself.

    tifffile stops at the break without an error, so pages would be lost unseen.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(16)
        order = "<" if head[:2] == b"II" else ">"
        big = struct.unpack_from(order + "H", head, 2)[0] == 43
        entry, count_code, offset_code = (20, "Q", "Q") if big else (12, "H", "I")
        (offset,) = struct.unpack_from(order + offset_code, head, 8 if big else 4)
        seen: set[int] = set()
        while offset and offset not in seen:
            seen.add(offset)
            count_size = struct.calcsize(count_code)
            if offset + count_size > size:
                raise InputError(f"{path}: truncated TIFF, page {len(seen)} lies beyond its end")
            file.seek(offset)
            (count,) = struct.unpack(order + count_code, file.read(count_size))
            after = offset + count_size + count * entry
            if after + struct.calcsize(offset_code) > size:
                raise InputError(f"{path}: truncated TIFF, page {len(seen)} lies beyond its end")
            file.seek(after)
            (offset,) = struct.unpack(order + offset_code, file.read(struct.calcsize(offset_code)))
    return len(seen)


def _check_size(sources, path: Path, max_pixels: float) -> None:
    pixels = sum(page.imagewidth * page.imagelength for page in sources)
    if pixels > max_pixels:
        raise InputError(
            f"{path}: claims {pixels / 1e6:.6g} megapixels in {len(sources)} page(s), over the "
            f"limit of {max_pixels / 1e6:.6g}; --max-megapixels raises it"
        )
    size = path.stat().st_size
    for number, page in enumerate(sources, start=1):
        ends = (o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False))
        if max(ends, default=0) > size:
            raise InputError(f"{path}: truncated TIFF, page {number} is incomplete")


def _imagej_stack(file, first, path: Path) -> tuple[Page, ...] | None:
    """ImageJ lists only the first page of a stack that is larger than 4 GB."""
    if not file.is_imagej or len(file.pages) > 1:
        return None
    stack = file.series[0]
    if stack.size <= first.size:
        return None
    frames = stack.asarray().reshape(-1, *first.shape)
    return tuple(_page_from(checked(frame, path), first, path) for frame in frames)


def _read_page(source, path: Path) -> Page:
    samples = source.asarray()
    if source.photometric == 3:
        return Page(_apply_palette(checked(samples, path), source.colormap))
    samples = checked(samples, path)
    if source.photometric == 0 and samples.dtype.kind == "u":
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
    if source.photometric == 5:
        raise InputError(f"{path}: CMYK images are not supported; convert to RGB first")
    split = samples.shape[-1] - len(kinds)
    colours = samples[..., 0] if split == 1 else samples[..., :split]
    extra = samples[..., split:] if kinds else None
    return Page(np.ascontiguousarray(colours), extra, kinds)
