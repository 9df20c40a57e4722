"""Write TIFF files through tifffile."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdenoise.files.pages import Page, Picture, Tag
from jaxdenoise.files.tiff.metadata import (
    DESCRIPTION,
    GDAL_NODATA,
    RESOLUTION_UNIT,
    SOFTWARE,
    X_RESOLUTION,
    Y_RESOLUTION,
    corrected,
)

# Tags that tifffile takes as arguments.
_ARGUMENTS = (DESCRIPTION, SOFTWARE, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT)
_INCH = 2


def write_tiff(path: Path, picture: Picture) -> None:
    """Write every page with the tags that it keeps."""
    import tifffile

    size = sum(p.pixels.nbytes + (0 if p.extra is None else p.extra.nbytes) for p in picture.pages)
    compression = "zlib" if picture.compressed else None
    with tifffile.TiffWriter(path, bigtiff=size > 4e9, byteorder=picture.byteorder) as file:
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
                **_facts(page, picture),
            )


def _facts(page: Page, picture: Picture) -> dict[str, Any]:
    tags = {tag.code: tag for tag in corrected(page, picture.axes, picture.lengths)}
    if page.nodata is not None and GDAL_NODATA not in tags:
        text = f"{page.nodata!r}".encode() + b"\0"
        tags[GDAL_NODATA] = Tag(GDAL_NODATA, 2, len(text), text)
    facts: dict[str, Any] = {"software": False}
    if DESCRIPTION in tags:
        facts["description"] = tags[DESCRIPTION].data.rstrip(b"\0")
    if SOFTWARE in tags:
        facts["software"] = tags[SOFTWARE].data.rstrip(b"\0")
    facts |= _resolution(tags, picture)
    facts["extratags"] = [(*tag, False) for code, tag in tags.items() if code not in _ARGUMENTS]
    return facts


def _resolution(tags: dict[int, Tag], picture: Picture) -> dict[str, Any]:
    if X_RESOLUTION not in tags or Y_RESOLUTION not in tags:
        return {} if picture.dpi is None else {"resolution": picture.dpi, "resolutionunit": _INCH}
    order: Sequence = ("big", "little")[picture.byteorder == "<"]
    x, y = (_rational(tags[code].data, order) for code in (X_RESOLUTION, Y_RESOLUTION))
    if not (x[1] and y[1]):
        return {}
    unit = tags.get(RESOLUTION_UNIT)
    number = _INCH if unit is None else int.from_bytes(unit.data[:2], order)
    return {"resolution": (x, y), "resolutionunit": number if number in (1, 2, 3) else 1}


def _rational(data: bytes, order) -> tuple[int, int]:
    return int.from_bytes(data[:4], order), int.from_bytes(data[4:8], order)
