"""Metadata of TIFF pages: kept where they stay true, corrected where they do not."""

import json
import re
from collections.abc import Sequence

import numpy as np

from jaxdenoise.files.pages import Page, Tag

DESCRIPTION, RESOLUTION_UNIT, GDAL_METADATA, GDAL_NODATA = 270, 296, 42112, 42113
X_RESOLUTION, Y_RESOLUTION, ORIENTATION, SOFTWARE = 282, 283, 274, 305
_LONG8 = 16
_KEPT = {
    DESCRIPTION,
    X_RESOLUTION,
    Y_RESOLUTION,
    RESOLUTION_UNIT,
    ORIENTATION,
    SOFTWARE,
    GDAL_METADATA,
    GDAL_NODATA,
    # Document, make, model, page, positions, page number, date, artist, host, copyright.
    *(269, 271, 272, 285, 286, 287, 297, 306, 315, 316, 33432),
    # White point and primaries; XMP, IPTC, Photoshop.
    *(318, 319, 700, 33723, 34377),
    # GeoTIFF.
    *(33550, 33922, 34264, 34735, 34736, 34737),
    # Microscopes: Zeiss SEM, FEI, ImageJ (two), Micro-Manager.
    *(34118, 34680, 34682, 50838, 50839, 51123),
}
# Facts of a page that are not copied.
_DROPPED = {34665: "EXIF", 34853: "GPS"}
# ImageJ's binary metadata hold the display ranges.
_IMAGEJ_BINARY = (50838, 50839)
_OME_TYPES = {"f2": "float", "f4": "float", "f8": "double"}


def kept_tags(page, file) -> tuple[Tag, ...]:
    """Read the tags that a copy keeps from tifffile's page and file."""
    tags = []
    for tag in page.tags:
        if tag.code in _KEPT and int(tag.dtype) < _LONG8:
            file.filehandle.seek(tag.valueoffset)
            data = file.filehandle.read(tag.valuebytecount)
            tags.append(Tag(tag.code, int(tag.dtype), tag.count, data))
    return tuple({tag.code: tag for tag in reversed(tags)}.values())


def dropped(page) -> list[str]:
    """Name the metadata of a page that its copy loses."""
    return [name for code, name in _DROPPED.items() if code in page.tags]


def nodata_of(tags: Sequence[Tag]) -> float | int | None:
    """Return the number in GDAL's tag of missing pixels."""
    for tag in tags:
        if tag.code == GDAL_NODATA:
            text = tag.data.split(b"\0")[0].decode("ascii", "replace").strip().replace(",", ".")
            try:
                return int(text)
            except ValueError:
                pass
            try:
                return float(text)
            except ValueError:
                return None
    return None


def dpi_of(page) -> tuple[float, float] | None:
    """Return the resolution in pixels per inch, if the page tells it in inches or centimetres."""
    factor = {2: 1.0, 3: 2.54}.get(int(page.tags.valueof(RESOLUTION_UNIT, 2)))
    found = [page.tags.valueof(code) for code in (X_RESOLUTION, Y_RESOLUTION)]
    if factor is None or not all(isinstance(value, tuple) and all(value) for value in found):
        return None
    x, y = (factor * value[0] / value[1] for value in found)
    return x, y


def axes_of(file, sources: Sequence) -> tuple[str, tuple[int, ...]]:
    """Return names and lengths of the axes that the pages run through.

    Axes of the pages themselves (rows, columns, samples) are not among them. Several series of
    equal shape run through an axis R; pages of series that differ are told apart by R alone.
    """
    if len(sources) == 1 and len(file.pages) == 1:
        axes, lengths, _ = _leading(file.series[0], sources[0])
        return axes, lengths
    wanted = {page.index for page in sources}
    found = [_leading(series, sources[0]) for series in file.series]
    found = [lead for lead in found if wanted & set(lead[2])]
    axes, lengths, _ = found[0]
    if [index for lead in found for index in lead[2]] != sorted(wanted):
        return "R", (len(sources),)
    if len(found) == 1:
        return axes, lengths
    if all(len(lead[2]) == 1 for lead in found):
        return "I", (len(sources),)
    if all(lead[:2] == (axes, lengths) for lead in found):
        return f"R{axes}", (len(found), *lengths)
    return "R", (len(sources),)


def _leading(series, page) -> tuple[str, tuple[int, ...], list[int]]:
    """Return names and lengths of a series' axes before those of its pages, and the pages."""
    lead = len(series.shape) - len(page.shape)
    indices = [-1 if each is None else int(each.index) for each in series.pages]
    return series.axes[:lead], tuple(int(n) for n in series.shape[:lead]), indices


def corrected(page: Page, axes: str, lengths: tuple[int, ...]) -> list[Tag]:
    """Return the tags of a page as they are true of its pixels."""
    changed = page.source_dtype not in (None, page.dtype)
    found = []
    for tag in page.tags:
        if tag.code in _IMAGEJ_BINARY and changed:
            continue
        if tag.code == DESCRIPTION:
            text = tag.data.rstrip(b"\0").decode("utf-8", "surrogateescape")
            text = _corrected_description(text, page, changed, axes, lengths)
            tag = _text_tag(tag, text)
        elif tag.code == GDAL_METADATA:
            text = tag.data.rstrip(b"\0").decode("utf-8", "surrogateescape")
            tag = _text_tag(tag, re.sub(r'\s*<Item name="STATISTICS_[^<]*</Item>', "", text))
        found.append(tag)
    return found


def _text_tag(tag: Tag, text: str) -> Tag:
    data = text.encode("utf-8", "surrogateescape") + b"\0"
    return tag._replace(length=len(data), data=data)


def _corrected_description(
    text: str, page: Page, changed: bool, axes: str, lengths: tuple[int, ...]
) -> str:
    if text.startswith("ImageJ=") and changed:
        # The range that is displayed is in the old units.
        return re.sub(r"(?m)^(min|max)=.*\n?", "", text)
    if text.lstrip().startswith("<") and "<OME" in text[:2000]:
        text = re.sub(r"<UUID\b[^>]*>[^<]*</UUID>|<UUID\b[^>]*/>", "", text)  # another file's name
        return _with_ome_type(text, page.dtype) if changed else text
    if text.startswith("{") and '"shape"' in text:
        return _with_shape(text, page, axes, lengths)
    return text


def _with_ome_type(text: str, dtype: np.dtype) -> str:
    name = _OME_TYPES.get(dtype.str[1:], dtype.name)

    def pixels(match: re.Match[str]) -> str:
        inside = re.sub(r'\s(SignificantBits|BigEndian)="[^"]*"', "", match.group(0))
        return re.sub(r'\sType="[^"]*"', f' Type="{name}"', inside)

    return re.sub(r"<(?:\w+:)?Pixels\b[^>]*>", pixels, text)


def _with_shape(text: str, page: Page, axes: str, lengths: tuple[int, ...]) -> str:
    """Tell tifffile's shape anew: channels are written last, palettes as RGB."""
    try:
        facts = json.loads(text)
    except ValueError:
        return text
    if not isinstance(facts, dict):
        return text
    channels = page.pixels.shape[2:]
    if page.extra is not None:
        channels = ((channels or (1,))[0] + page.extra.shape[-1],)
    facts.pop("truncated", None)
    facts["shape"] = [*lengths, *page.pixels.shape[:2], *channels]
    if "axes" in facts:
        facts["axes"] = axes + "YXS"[: 2 + len(channels)]
    return json.dumps(facts)
