"""16-bit PNG against OpenCV, and against an encoder that goes byte by byte."""

import struct
import zlib

import cv2
import numpy as np
import pytest

from jaxdenoise.files.errors import InputError
from jaxdenoise.files.pages import Page, Picture
from jaxdenoise.files.pictures import read_picture, write_picture

_ADAM7 = [
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
]


def _image(rows, columns, samples, seed=0):
    smooth = np.add.outer(np.arange(rows), np.arange(columns))[..., None] * 900
    noise = np.random.default_rng(seed).integers(0, 5000, (rows, columns, samples))
    return ((smooth + noise) % 65536).astype(np.uint16)


def read_png16(path):
    """All samples of a file, (rows, columns, samples), and its colour profile."""
    picture = read_picture(path)
    page = picture.pages[0]
    parts = [np.atleast_3d(page.pixels)] + ([] if page.extra is None else [page.extra])
    return np.concatenate(parts, axis=-1), picture.icc_profile


def write_png16(path, image, profile):
    samples = image[..., 0] if image.shape[-1] in (1, 2) else image[..., :3]
    extra = image[..., -1:] if image.shape[-1] in (2, 4) else None
    page = Page(samples, extra, () if extra is None else (2,))
    write_picture(path, Picture((page,), icc_profile=profile), overwrite=True)


def _filtered(image, first_filter):
    """PNG's filters as section 9 words them, the type changing from line to line."""
    bpp = 2 * image.shape[2]
    lines = image.astype(">u2").tobytes()
    width = image.shape[1] * bpp
    out = bytearray()
    for r in range(image.shape[0]):
        kind = (r + first_filter) % 5
        out.append(kind)
        for i in range(width):
            x = lines[r * width + i]
            a = lines[r * width + i - bpp] if i >= bpp else 0
            b = lines[(r - 1) * width + i] if r else 0
            c = lines[(r - 1) * width + i - bpp] if r and i >= bpp else 0
            p = a + b - c
            nearest = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            out.append((x - (0, a, b, (a + b) // 2, nearest)[kind]) % 256)
    return bytes(out)


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _encode(path, image, *, first_filter=0, interlaced=False, extra=b""):
    rows, columns, samples = image.shape
    passes = [image[r::dr, c::dc] for r, c, dr, dc in _ADAM7] if interlaced else [image]
    stream = b"".join(_filtered(p, first_filter) for p in passes if p.size)
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[samples]
    header = struct.pack(">IIBBBBB", columns, rows, 16, colour, 0, 0, int(interlaced))
    packed = zlib.compress(stream)
    half = len(packed) // 2
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + extra
        + _chunk(b"IDAT", packed[:half])
        + _chunk(b"IDAT", packed[half:])
        + _chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("samples", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (9, 14), (14, 9)])
@pytest.mark.parametrize("interlaced", [False, True])
def test_reads_every_filter_and_layout(tmp_path, samples, size, interlaced):
    image = _image(*size, samples)
    for first_filter in range(5):
        _encode(tmp_path / "a.png", image, first_filter=first_filter, interlaced=interlaced)
        assert np.array_equal(read_png16(tmp_path / "a.png")[0], image)


@pytest.mark.parametrize("samples", [1, 3, 4])
def test_agrees_with_opencv_both_ways(tmp_path, samples):
    image = _image(33, 21, samples)
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[samples]
    cv2.imwrite(str(tmp_path / "theirs.png"), image[..., order])
    assert np.array_equal(read_png16(tmp_path / "theirs.png")[0], image)
    write_png16(tmp_path / "ours.png", image, None)
    read = np.atleast_3d(cv2.imread(str(tmp_path / "ours.png"), cv2.IMREAD_UNCHANGED))
    assert np.array_equal(read[..., order], image)


def test_grey_with_alpha_and_profile_round_trip(tmp_path):
    image = _image(12, 10, 2)
    write_png16(tmp_path / "a.png", image, b"a profile")
    read, profile = read_png16(tmp_path / "a.png")
    assert np.array_equal(read, image)
    assert profile == b"a profile"


def test_transparent_colour_becomes_alpha(tmp_path):
    image = _image(6, 5, 3)
    key = struct.pack(">HHH", *map(int, image[2, 3]))
    _encode(tmp_path / "a.png", image, extra=_chunk(b"tRNS", key))
    read, _ = read_png16(tmp_path / "a.png")
    assert np.array_equal(read[..., :3], image)
    assert np.argwhere(read[..., 3] == 0).tolist() == [[2, 3]]


def test_damage_is_found(tmp_path):
    path = tmp_path / "a.png"
    write_png16(path, _image(20, 20, 3), None)
    whole = path.read_bytes()
    for end in (40, len(whole) // 2, len(whole) - 4):
        path.write_bytes(whole[:end])
        with pytest.raises(InputError, match=r"a\.png: truncated"):
            read_png16(path)
    path.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    with pytest.raises(InputError, match=r"a\.png: damaged"):
        read_png16(path)
    header = struct.pack(">IIBBBBB", 20, 20, 16, 2, 0, 0, 0)
    short = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"12")) + _chunk(b"IEND", b"")
    path.write_bytes(whole[:8] + short)
    with pytest.raises(InputError, match=r"a\.png: damaged"):
        read_png16(path)
