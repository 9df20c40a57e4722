"""PNG with 16 bits a sample, which Pillow would cut to 8 bits in colour; imagecodecs does not."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from jaxdenoise.files.errors import InputError, one_line

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# The last chunk's name and checksum; some writers add bytes behind it.
_END = b"IEND\xaeB`\x82"
# The signature and the IHDR chunk: length, name, 13 bytes, checksum.
_HEADER_SIZE = 33


def png_header(path: Path) -> tuple[int, int, int]:
    """(width, height, bits a sample), before anything is decoded."""
    with open(path, "rb") as file:
        head = file.read(_HEADER_SIZE)
    if len(head) < _HEADER_SIZE or head[12:16] != b"IHDR":
        raise InputError(f"{path}: truncated PNG, its header is incomplete")
    return struct.unpack(">IIB", head[16:25])


@contextmanager
def open_with_pillow(path: Path) -> Iterator:
    """Pillow's image, without its limit of pixels: --max-megapixels is the one that counts."""
    from PIL import Image

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(path) as image:
            yield image
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def read_png16(path: Path) -> tuple[np.ndarray, bytes | None]:
    """(rows, columns, samples) as uint16, and the colour profile."""
    import imagecodecs

    data = path.read_bytes()
    if _END not in data:
        raise InputError(f"{path}: truncated PNG, its end is missing")
    try:
        samples = imagecodecs.png_decode(data)
        with open_with_pillow(path) as image:
            profile = image.info.get("icc_profile")
    except Exception as error:  # whatever a damaged file makes the decoders stumble on
        raise InputError(f"{path}: damaged PNG: {one_line(error)}") from error
    return np.atleast_3d(samples), profile


def write_png16(path: Path, image: np.ndarray, icc_profile: bytes | None) -> None:
    """Write (rows, columns, samples) of uint16."""
    import imagecodecs

    samples = image[..., 0] if image.shape[-1] == 1 else image
    data = imagecodecs.png_encode(np.ascontiguousarray(samples))
    if icc_profile:
        body = b"iCCP" + b"ICC profile\0\0" + zlib.compress(icc_profile)
        chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        data = data[:_HEADER_SIZE] + chunk + data[_HEADER_SIZE:]
    path.write_bytes(data)
