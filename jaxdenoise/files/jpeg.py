"""The structure of JPEG files: whether the data hold every block of the image."""

import io
import struct
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxdenoise.files.errors import InputError, one_line

_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive: Huffman codes all
_ARITHMETIC = (0xC9, 0xCA)
_SCAN, _END, _RESTART_INTERVAL = 0xDA, 0xD9, 0xDD
# Bytes without a marker among them, long enough for some blocks.
_PADDING = np.random.default_rng(0).integers(0, 255, 4096).astype(np.uint8).tobytes()


class _Scan(NamedTuple):
    """One scan: its header's content, the restart interval, where its intervals of data end."""

    header: bytes
    interval: int
    ends: list[int]


def check_complete(path: Path, data: bytes) -> None:
    """Raise unless the data of every scan last to the last block.

    libjpeg fills missing blocks with grey and raises no error. What follows the data of a complete
    scan does not matter, so bytes inserted there must not change the image.
    """
    frame, scans, end = _parse(data)
    if frame is None or not scans:
        raise InputError(f"{path}: damaged JPEG, it has no image data")
    if end is None:
        raise InputError(f"{path}: damaged JPEG, truncated: its end is missing")
    kind, content = frame
    if kind in _ARITHMETIC:  # its data may end early by design
        return
    if kind == 0xC2:
        _check_progression(path, scans)
    for scan in scans:
        blocks = _units(content, scan.header)
        if scan.interval and len(scan.ends) < ceil(blocks / scan.interval):
            raise InputError(f"{path}: damaged JPEG, truncated: restart intervals are missing")
    ends = [0, *(at for scan in scans for at in scan.ends)]
    pieces = [data[a:b] for a, b in zip(ends, [*ends[1:], end], strict=True)]
    try:
        same = np.array_equal(_decode(b"".join(pieces)), _decode(_PADDING.join(pieces)))
    except Exception as error:  # whatever a damaged file makes the decoder stumble on
        raise InputError(f"{path}: damaged JPEG: {one_line(error)}") from error
    if not same:
        raise InputError(f"{path}: damaged JPEG, truncated: its data end before the image does")


def _decode(data: bytes) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        return np.asarray(image)


def _parse(data: bytes) -> tuple[tuple[int, bytes] | None, list[_Scan], int | None]:
    """Return the frame header's kind and content, the scans, and where the image ends."""
    frame, scans, interval = None, [], 0
    for kind, start, stop in _segments(data):
        content = data[start:stop]
        if kind in (*_FRAMES, *_ARITHMETIC):
            frame = kind, content
        elif kind == _RESTART_INTERVAL and len(content) >= 2:
            (interval,) = struct.unpack_from(">H", content)
        elif kind == _SCAN:
            scans.append(_Scan(content, interval, list(_interval_ends(data, stop))))
        elif kind == _END:
            return frame, scans, stop
    return frame, scans, None


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield every marker with the bounds of its content."""
    at = 2
    while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
        kind = data[at + 1]
        if kind in (0x00, 0x01, 0xFF) or 0xD0 <= kind <= 0xD8:  # stuffing, fill, no content
            at += 1 if kind == 0xFF else 2
            continue
        if kind == _END:
            yield kind, at + 2, at + 2
            return
        if at + 4 > len(data):
            return
        stop = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        yield kind, at + 4, stop
        at = stop


def _interval_ends(data: bytes, at: int) -> Iterator[int]:
    """Yield where the data between restart markers end, the last at the marker behind the scan."""
    while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
        kind = data[at + 1]
        if kind == 0xFF:
            at += 1
            continue
        if kind:
            yield at
            if not 0xD0 <= kind <= 0xD7:
                return
        at += 2


def _units(frame: bytes, scan: bytes) -> int:
    """Count the units that a scan codes: blocks of one component, or groups of all."""
    height, width, count = struct.unpack_from(">HHB", frame, 1)
    factors = {frame[6 + 3 * i]: divmod(frame[7 + 3 * i], 16) for i in range(count)}
    across = max((h for h, _ in factors.values()), default=1) or 1
    down = max((v for _, v in factors.values()), default=1) or 1
    if scan[0] != 1:
        return ceil(width / (8 * across)) * ceil(height / (8 * down))
    h, v = factors.get(scan[1], (1, 1))
    return ceil(width * h / (8 * across)) * ceil(height * v / (8 * down))


def _check_progression(path: Path, scans: list[_Scan]) -> None:
    """Raise if coefficients were sent in part alone: later scans refine them to the last bit."""
    low: dict[tuple[int, int], int] = {}
    for scan in scans:
        count = scan.header[0]
        first, last, bits = scan.header[1 + 2 * count : 4 + 2 * count]
        for component in scan.header[1 : 1 + 2 * count : 2]:
            for coefficient in range(first, min(last, 63) + 1):
                low[component, coefficient] = bits & 15
    if any(low.values()):
        raise InputError(f"{path}: damaged JPEG, truncated: its last scans are missing")
