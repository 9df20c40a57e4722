"""The structure of TIFF files: whether a file holds all that its headers promise."""

import struct
from collections.abc import Sequence
from math import ceil
from pathlib import Path

import numpy as np

from jaxdenoise.files import jpeg
from jaxdenoise.files.errors import InputError
from jaxdenoise.files.memory import check_memory

_GREY_LIKE = {0: "white is zero", 1: "black is zero", 3: "palette", 34892: "linear raw"}
_RGB, _PALETTE, _CMYK, _YCBCR = 2, 3, 5, 6
_OTHER_COLOURS = {
    **{4: "a transparency mask", _CMYK: "CMYK", 8: "CIELab", 9: "ICCLab", 10: "ITULab"},
    **{32803: "a mosaic of a colour filter", 32844: "LogL", 32845: "LogLuv", _YCBCR: "YCbCr"},
}
_GDAL_NODATA = 42113
_UNCOMPRESSED = 1
# Compressions whose decoders turn YCbCr into RGB.
_JPEG = (6, 7, 34892, 33007)
_NEW_JPEG = 7
_FAX = (2, 3, 4)
# Tags that say how samples lie in a file and what they mean.
_LAYOUT = frozenset(
    {256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339}
)


def count_pages(path: Path) -> int:
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


def check_tags(file, page, path: Path, where: str) -> None:
    """Raise if a tag that says how samples lie could not be read; tifffile takes a default then."""
    order, handle = file.byteorder, file.filehandle
    size = file.tiff.tagsize
    handle.seek(page.offset)
    (count,) = struct.unpack(file.tiff.tagnoformat, handle.read(file.tiff.tagnosize))
    entries = handle.read(count * size)
    codes = {struct.unpack_from(order + "H", entries, at)[0] for at in range(0, len(entries), size)}
    lost = sorted(code for code in codes & _LAYOUT if code not in page.tags)
    if lost:
        raise InputError(f"{path}: damaged TIFF, tag {lost[0]} of {where} cannot be read")


def check_pages(sources: Sequence, path: Path, max_pixels: float | None) -> None:
    """Refuse pages that are too large, damaged or of colours that are not read.

    Nothing is decoded. `sources` are tifffile's pages.
    """
    for number, page in enumerate(sources, start=1):
        sizes = [page.imagewidth, page.imagelength, page.imagedepth, page.samplesperpixel]
        if page.is_tiled:
            sizes += [page.tilewidth, page.tilelength, page.tiledepth]
        if page.dtype is None or min(sizes) < 1:  # types of tags may be signed
            raise InputError(f"{path}: damaged TIFF, page {number} has no pixels or no known dtype")
    pixels = sum(page.imagewidth * page.imagelength * page.imagedepth for page in sources)
    check_memory(
        path,
        f"{len(sources)} page(s)",
        pixels,
        samples=max(page.samplesperpixel for page in sources),
        dtype=max((page.dtype for page in sources), key=lambda dtype: dtype.itemsize),
        max_pixels=max_pixels,
    )
    size = path.stat().st_size
    for number, page in enumerate(sources, start=1):
        where = f"page {number}"
        _check_colours(page, path, where)
        _check_segments(page, path, where, size)


def _check_colours(page, path: Path, where: str) -> None:
    kind, samples, extra = int(page.photometric), page.samplesperpixel, len(page.extrasamples)
    if kind in _OTHER_COLOURS and not (kind == _YCBCR and page.compression in _JPEG):
        name = _OTHER_COLOURS[kind]
        raise InputError(f"{path}: {where} is {name}, which is not supported; convert to RGB")
    if kind not in (*_GREY_LIKE, _RGB, _YCBCR):
        raise InputError(f"{path}: damaged or unsupported TIFF, {where} has photometric {kind}")
    if page.compression in _FAX:  # decoders show rows that are damaged or missing as blank
        raise InputError(f"{path}: {where} has fax compression, which is not supported")
    if page.compression in _JPEG and page.bitspersample not in (8, 12, 16):
        raise InputError(f"{path}: damaged TIFF, {where} is JPEG of {page.bitspersample} bits")
    if kind == _PALETTE and np.shape(page.colormap) != (3, 2**page.bitspersample):
        raise InputError(f"{path}: damaged TIFF, the palette of {where} is missing or incomplete")
    colours = samples - extra
    if colours < 1 or (kind in (_RGB, _YCBCR) and colours != 3):
        raise InputError(
            f"{path}: damaged TIFF, {where} has {samples} sample(s), and {extra} of them extra"
        )


def _check_segments(page, path: Path, where: str, size: int) -> None:
    """Every strip or tile lies in the file and can hold its rows."""
    offsets, counts = page.dataoffsets, page.databytecounts
    expected = _segments(page)
    if len(offsets) < expected or len(counts) < expected:
        raise InputError(
            f"{path}: damaged TIFF, {where} needs {expected} strips or tiles, has {len(offsets)}"
        )
    bounds = list(zip(offsets[:expected], counts[:expected], strict=True))
    sparse = _GDAL_NODATA in page.tags  # GDAL leaves out tiles without data
    for offset, count in bounds:
        if (offset <= 0 or count <= 0) and not (sparse and offset == count == 0):
            raise InputError(
                f"{path}: damaged TIFF, {where} has a strip or tile at offset {offset} of {count} "
                f"bytes"
            )
    if max((offset + count for offset, count in bounds), default=0) > size:
        raise InputError(f"{path}: truncated TIFF, {where} is incomplete")
    if page.compression == _UNCOMPRESSED and not sparse:
        # One strip may be told of several that lie side by side, so their sum counts.
        held, needed = sum(counts[:expected]), _uncompressed_size(page)
        if held < needed:
            raise InputError(f"{path}: truncated TIFF, {where} has {held} of {needed} bytes")


def check_jpeg(page, file, path: Path) -> None:
    """Raise unless the data of every JPEG strip or tile last to its last block."""
    if page.compression != _NEW_JPEG or page.bitspersample != 8:
        return
    tables = page.jpegtables
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        if count:
            file.filehandle.seek(offset)
            data = file.filehandle.read(count)
            jpeg.check_complete(path, tables[:-2] + data[2:] if tables else data)


def _segments(page) -> int:
    """Count the strips or tiles that the size of a page asks for."""
    planes = page.samplesperpixel if page.planarconfig == 2 else 1
    if page.is_tiled:
        sides = zip(
            (page.imagelength, page.imagewidth, page.imagedepth),
            (page.tilelength, page.tilewidth, page.tiledepth),
            strict=True,
        )
        return planes * int(np.prod([ceil(a / max(b, 1)) for a, b in sides], dtype=object))
    rows = min(max(page.rowsperstrip, 1), page.imagelength)
    return planes * page.imagedepth * ceil(page.imagelength / rows)


def _uncompressed_size(page) -> int:
    planar = page.planarconfig == 2
    bits = page.bitspersample * (1 if planar else page.samplesperpixel)
    planes = page.samplesperpixel if planar else 1
    return page.imagelength * page.imagedepth * planes * ceil(page.imagewidth * bits / 8)
