"""PNG with 16 bits a sample, which Pillow would cut to 8 bits in colour.

After the PNG specification, third edition (W3C, 2025): sections 5 (chunks), 8 (interlacing),
9 (filtering).
"""

import struct
import zlib
from pathlib import Path

import numpy as np

from jaxdenoise.app.errors import AppError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SAMPLES = {0: 1, 2: 3, 4: 2, 6: 4}
_COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}
_NONE, _SUB, _UP, _AVERAGE, _PAETH = range(5)
# First row, first column, row step, column step of the seven passes of an interlaced image.
_PASSES = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)


def png_header(path: Path) -> tuple[int, int, int, int]:
    """(width, height, bits a sample, colour type), before anything is decoded."""
    with open(path, "rb") as file:
        head = file.read(33)
    if len(head) < 33 or head[12:16] != b"IHDR":
        raise AppError(f"{path}: truncated PNG, its header is incomplete")
    width, height, bits, colour = struct.unpack(">IIBB", head[16:26])
    return width, height, bits, colour


def read_png16(path: Path) -> tuple[np.ndarray, bytes | None]:
    """(rows, columns, samples) as uint16, and the colour profile. Transparency becomes alpha."""
    chunks = _chunks(path)
    width, height, _, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    samples = _SAMPLES[colour]
    passes = _PASSES if interlaced else ((0, 0, 1, 1),)
    sizes = [(-(-(height - r) // dr), -(-(width - c) // dc)) for r, c, dr, dc in passes]
    sizes = [(max(rows, 0), max(columns, 0)) for rows, columns in sizes]
    lengths = [rows * (1 + columns * 2 * samples) if columns else 0 for rows, columns in sizes]
    stream = _inflate(chunks.get(b"IDAT", b""), sum(lengths), path)

    image = np.empty((height, width, samples), np.uint16)
    start = 0
    for (r, c, dr, dc), (rows, columns), length in zip(passes, sizes, lengths, strict=True):
        if length:
            lines = np.frombuffer(stream, np.uint8, length, start).reshape(rows, -1)
            bytes_ = _unfilter(lines, columns, 2 * samples, path)
            image[r::dr, c::dc] = bytes_.view(">u2")
        start += length
    if b"tRNS" in chunks and samples in (1, 3):
        key = np.frombuffer(chunks[b"tRNS"], ">u2")
        alpha = np.where((image == key).all(axis=-1), 0, 65535).astype(np.uint16)
        image = np.concatenate([image, alpha[..., None]], axis=-1)
    return image, _colour_profile(chunks.get(b"iCCP"))


def write_png16(path: Path, image: np.ndarray, icc_profile: bytes | None) -> None:
    """(rows, columns, samples), uint16, every line under the Paeth filter."""
    height, width, samples = image.shape
    bpp = 2 * samples
    bytes_ = np.ascontiguousarray(image, ">u2").view(np.uint8).reshape(height, width, bpp)
    padded = np.zeros((height + 1, width + 1, bpp), np.uint8)
    padded[1:, 1:] = bytes_
    guess = _paeth(padded[1:, :-1], padded[:-1, 1:], padded[:-1, :-1])
    lines = np.empty((height, 1 + width * bpp), np.uint8)
    lines[:, 0] = _PAETH
    lines[:, 1:] = (bytes_ - guess).reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPE[samples], 0, 0, 0)
    with open(path, "wb") as file:
        file.write(SIGNATURE + _chunk(b"IHDR", header))
        if icc_profile:
            file.write(_chunk(b"iCCP", b"profile\0\0" + zlib.compress(icc_profile)))
        file.write(_chunk(b"IDAT", zlib.compress(lines.tobytes(), 6)) + _chunk(b"IEND", b""))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _chunks(path: Path) -> dict[bytes, bytes]:
    """The file's chunks by kind, those of one kind joined; the checksums hold."""
    data = path.read_bytes()
    parts: dict[bytes, list[bytes]] = {}
    at = len(SIGNATURE)
    while b"IEND" not in parts:
        if at + 12 > len(data):
            raise AppError(f"{path}: truncated PNG")
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length
        if at > len(data):
            raise AppError(f"{path}: truncated PNG")
        if struct.unpack_from(">I", data, at - 4)[0] != zlib.crc32(kind + body):
            raise AppError(f"{path}: damaged PNG, a checksum is wrong")
        parts.setdefault(kind, []).append(body)
    return {kind: b"".join(bodies) for kind, bodies in parts.items()}


def _inflate(data: bytes, expected: int, path: Path) -> bytes:
    """Never more than the header promised: a small file can unpack to any size."""
    try:
        stream = zlib.decompressobj().decompress(data, expected)
    except zlib.error as error:
        raise AppError(f"{path}: damaged PNG, {error}") from error
    if len(stream) < expected:
        raise AppError(f"{path}: truncated PNG")
    return stream


def _unfilter(lines: np.ndarray, columns: int, bpp: int, path: Path) -> np.ndarray:
    """Undo the line filters along anti-diagonals.

    A byte depends on its neighbours to the left, above and above left only, so all bytes of an
    anti-diagonal are independent: rows + columns vector steps in place of a loop over bytes.
    """
    rows = len(lines)
    kinds = lines[:, 0]
    if kinds.max() > _PAETH:
        raise AppError(f"{path}: damaged PNG, unknown filter {kinds.max()}")
    coded = np.ascontiguousarray(lines[:, 1:]).reshape(rows * columns, bpp)
    stride = columns + 1
    out = np.zeros(((rows + 1) * stride, bpp), np.uint8)
    for d in range(rows + columns - 1):
        first, last = max(0, d - columns + 1), min(rows - 1, d)
        here = _diagonal(first * columns + d - first, last - first + 1, columns - 1)
        at = (first + 1) * stride + d - first + 1
        count = last - first + 1
        left = out[_diagonal(at - 1, count, columns)]
        up = out[_diagonal(at - stride, count, columns)]
        corner = out[_diagonal(at - stride - 1, count, columns)]
        guess = _guess(kinds[first : last + 1], left, up, corner)
        out[_diagonal(at, count, columns)] = coded[here] + guess
    return np.ascontiguousarray(out.reshape(rows + 1, stride, bpp)[1:, 1:])


def _diagonal(start: int, count: int, stride: int) -> slice:
    stride = max(stride, 1)
    return slice(start, start + (count - 1) * stride + 1, stride)


def _guess(kinds, left, up, corner) -> np.ndarray:
    guess = np.zeros_like(left)
    for kind in np.unique(kinds):
        rows = slice(None) if (kinds == kind).all() else kinds == kind
        a, b = left[rows], up[rows]
        if kind == _SUB:
            guess[rows] = a
        elif kind == _UP:
            guess[rows] = b
        elif kind == _AVERAGE:
            guess[rows] = ((a.astype(np.int16) + b) // 2).astype(np.uint8)
        elif kind == _PAETH:
            guess[rows] = _paeth(a, b, corner[rows])
    return guess


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Whichever neighbour is nearest to left + up - corner; ties in that order."""
    a, b, c = (x.astype(np.int16) for x in (left, up, corner))
    to_left, to_up, to_corner = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    take_left = (to_left <= to_up) & (to_left <= to_corner)
    return np.where(take_left, left, np.where(to_up <= to_corner, up, corner))


def _colour_profile(chunk: bytes | None) -> bytes | None:
    if chunk is None:
        return None
    _, _, packed = chunk.partition(b"\0")
    try:
        return zlib.decompressobj().decompress(packed[1:], 1 << 24)
    except zlib.error:
        return None  # a broken profile is no reason to refuse the pixels
