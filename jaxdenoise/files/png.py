"""The structure of PNG files: chunks, and whether the data hold every row of the header."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxdenoise.files.errors import InputError, one_line

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# The last chunk's name and checksum; some writers add bytes behind it.
_END = b"IEND\xaeB`\x82"
# Chunks that stay true when the pixels change: colour, resolution, text. The ICC profile and EXIF
# are kept by `Picture` itself.
_KEPT = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"tEXt", b"zTXt", b"iTXt")
_PALETTE = 3
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Chunks that the pixels depend on.
_CHECKED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"fdAT")
# Chunks that decoders need; others may make libpng write warnings to stderr.
_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
# First row and column, and their steps, of the passes of Adam7.
_ADAM7 = (
    *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)),
    *((2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
)
# Bytes inflated at a time, so that a bomb takes no memory.
_STEP = 1 << 20


class Header(NamedTuple):
    """The chunk IHDR."""

    width: int
    height: int
    bits: int
    colour: int
    compression: int
    filter: int
    interlaced: int

    @property
    def samples(self) -> int:
        """Samples of a pixel once palettes are colours."""
        return 4 if self.colour == _PALETTE else _SAMPLES[self.colour]


def read_header(path: Path) -> Header:
    """Read the header alone."""
    with open(path, "rb") as file:
        head = file.read(29)
    if len(head) < 29 or head[12:16] != b"IHDR":
        raise InputError(f"{path}: truncated PNG, its header is incomplete")
    header = Header(*struct.unpack(">IIBBBBB", head[16:29]))
    known = header.colour in _SAMPLES and header[4:6] == (0, 0) and header.interlaced in (0, 1)
    if not (known and header.width and header.height):
        raise InputError(f"{path}: damaged PNG, its header is impossible")
    return header


def read_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Yield name and content of every whole chunk, and whether its checksum is right."""
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        if at + 12 + size > len(data):
            return
        name, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        (checksum,) = struct.unpack_from(">I", data, at + 8 + size)
        yield name, content, checksum == zlib.crc32(name + content)
        at += 12 + size


def make_chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def kept_chunks(data: bytes) -> tuple[bytes, ...]:
    """Return the ancillary chunks that a copy keeps, whole."""
    return tuple(make_chunk(n, x) for n, x, right in read_chunks(data) if right and n in _KEPT)


def with_chunks(data: bytes, chunks: tuple[bytes, ...]) -> bytes:
    """Insert chunks behind the header."""
    behind = len(SIGNATURE) + 25
    return data[:behind] + b"".join(chunks) + data[behind:]


def check_complete(path: Path, data: bytes, header: Header) -> None:
    """Raise unless the compressed data of every frame hold all of its rows.

    Decoders fill missing rows with black and raise no error.
    """
    sizes = [(header.width, header.height)]
    if header.colour == _PALETTE and not any(n == b"PLTE" for n, _, _ in read_chunks(data)):
        raise InputError(f"{path}: damaged PNG, its palette is missing")
    frames: list[list[bytes]] = [[]]
    for name, content, right in read_chunks(data):
        if name in _CHECKED and not right:
            raise InputError(f"{path}: damaged PNG, the checksum of {name.decode()} is wrong")
        if name == b"fcTL" and frames[0] and len(content) >= 12:
            sizes.append(struct.unpack_from(">II", content, 4))
            frames.append([])
        elif name == b"IDAT":
            frames[0].append(content)
        elif name == b"fdAT":
            frames[-1].append(content[4:])
    for number, ((width, height), parts) in enumerate(zip(sizes, frames, strict=True), start=1):
        where = f" in frame {number}" if len(frames) > 1 else ""
        expected = _inflated_size(header, width, height)
        try:
            found = _inflate(parts, expected + 1)
        except zlib.error as error:
            raise InputError(f"{path}: damaged PNG, its data do not inflate{where}") from error
        if found > expected and header.bits == 16:  # libpng would write a warning to stderr
            raise InputError(f"{path}: damaged PNG, its data hold more than {expected} bytes")
        if found < expected:
            kind = "damaged" if _END in data else "truncated"
            raise InputError(
                f"{path}: {kind} PNG, its data hold {found} of {expected} bytes{where}"
            )


def _inflated_size(header: Header, width: int, height: int) -> int:
    """Every row of every pass is one byte for the filter and its samples."""
    bits = header.bits * _SAMPLES[header.colour]
    passes = _ADAM7 if header.interlaced else ((0, 0, 1, 1),)
    total = 0
    for row, column, down, right in passes:
        rows, columns = -(-(height - row) // down), -(-(width - column) // right)
        if rows > 0 and columns > 0:
            total += rows * (1 + -(-columns * bits // 8))
    return total


def _inflate(parts: list[bytes], expected: int) -> int:
    """Count the bytes that the data inflate to, up to what is expected."""
    inflater, found = zlib.decompressobj(), 0
    for part in parts:
        while part and found < expected and not inflater.eof:
            found += len(inflater.decompress(part, _STEP))
            part = inflater.unconsumed_tail
    return found if found >= expected else found + len(inflater.flush())


def decode16(path: Path, data: bytes) -> np.ndarray:
    """Decode 16 bits a sample to (rows, columns, samples); Pillow would cut colours to 8 bits."""
    import imagecodecs

    if _END not in data:
        raise InputError(f"{path}: truncated PNG, its end is missing")
    try:
        needed = (make_chunk(n, x) for n, x, _ in read_chunks(data) if n in _NEEDED)
        samples = imagecodecs.png_decode(SIGNATURE + b"".join(needed))
    except Exception as error:  # whatever a damaged file makes the decoder stumble on
        raise InputError(f"{path}: damaged PNG: {one_line(error)}") from error
    return np.atleast_3d(samples)


def describing_chunks(
    icc_profile: bytes | None, dpi: tuple[float, float] | None, exif: bytes | None
) -> list[bytes]:
    """Return the chunks that hold these facts."""
    chunks = []
    if icc_profile:
        chunks.append(make_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc_profile)))
    if dpi:
        per_metre = [min(max(round(x / 0.0254), 1), 2**31 - 1) for x in dpi]
        chunks.append(make_chunk(b"pHYs", struct.pack(">IIB", *per_metre, 1)))
    if exif:
        chunks.append(make_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")))
    return chunks
