"""Damage small image files at random, read them, and count what comes of it.

    python benchmarks/fuzz.py --count 20000 --seed 0

Every file must be refused in one line that names it, or read as an image whose rows the file
holds. The images are noise, so a row of one value was made up by a decoder. Each file depends on
the seed and its number alone; `--only NUMBER --keep FILE` writes one of them.
"""

import argparse
import io
import re
import struct
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np

from jaxdenoise.files.errors import InputError
from jaxdenoise.files.pages import Picture
from jaxdenoise.files.pictures import read_picture

ROWS, COLUMNS = 26, 34
# Rows with fewer samples may be of one value by chance.
_FEWEST = 12
SLOW = 2.0
OUTCOMES = ("refused", "read", "no one line", "insane", "row made up", "raised", "slow")
GOOD = ("refused", "read")
Random = np.random.Generator


class Case(NamedTuple):
    """One damaged file."""

    name: str
    data: bytes


class Outcome(NamedTuple):
    """The outcome of one case, with the error message or the reason."""

    name: str
    kind: str
    words: str


def valid_files() -> dict[str, list[bytes]]:
    """Return small files of noise by the endings of their names."""
    rng = np.random.default_rng(0)

    def noise(*channels: int, dtype: type = np.uint8) -> np.ndarray:
        return rng.integers(1, np.iinfo(dtype).max, (ROWS, COLUMNS, *channels)).astype(dtype)

    return {
        "png": _png_files(noise),
        "tif": _tiff_files(noise),
        "jpg": _jpeg_files(noise),
        "npy": _npy_files(noise),
        "bmp": [_by_pillow(noise(3), "BMP"), _by_pillow(noise(), "BMP")],
        "webp": [
            _by_pillow(noise(3), "WEBP", lossless=True),
            _by_pillow(noise(3), "WEBP", quality=90),
            _by_pillow(noise(4), "WEBP", quality=90),
            _by_pillow(noise(3), "WEBP", also=[noise(3)], lossless=True),
        ],
    }


def damaged_files(seed: int, count: int, only: int | None = None) -> Iterator[Case]:
    """Yield damaged files, the formats in turn."""
    valid = valid_files()
    for number in range(count) if only is None else [only]:
        name = list(valid)[number % len(valid)]
        rng = np.random.default_rng([seed, number])
        data = valid[name][rng.integers(len(valid[name]))]
        damages = _ANY + _OWN.get(name, [])
        for _ in range(1 + (rng.random() < 0.2)):
            data = damages[rng.integers(len(damages))](data, rng)
        yield Case(name, data)


def judge(case: Case, path: Path) -> Outcome:
    """Write and read one case, and say what became of it."""
    path.write_bytes(case.data)
    start = perf_counter()
    try:
        picture = read_picture(path, max_pixels=2e7, channel_axis="none")
    except InputError as error:
        text = str(error)
        fine = text.startswith(f"{path}: ") and len(text.splitlines()) == 1 and len(text) < 500
        kind, words = "refused" if fine else "no one line", text
    except Exception as error:
        kind, words = "raised", repr(error)
    else:
        problem = _insanity(picture)
        # The bits of lossy WebP have no checksum, and may well say that a row is flat.
        made_up = None if case.name == "webp" else _made_up(picture, case.name)
        kind = "insane" if problem else "row made up" if made_up else "read"
        words = problem or made_up or ""
    if kind in GOOD and perf_counter() - start > SLOW:
        kind, words = "slow", f"{perf_counter() - start:.1f} s, {words}"
    return Outcome(case.name, kind, words.replace(str(path), path.name))


def _insanity(picture: Picture) -> str | None:
    for page in picture.pages:
        shape = page.pixels.shape
        if page.pixels.ndim not in (2, 3) or 0 in shape or page.dtype.kind not in "fiu":
            return f"pixels of shape {shape}, {page.dtype}"
        if page.extra is not None and page.extra.shape[:2] != shape[:2]:
            return f"extra of shape {page.extra.shape} beside {shape}"
        if len(page.extra_kinds) != (0 if page.extra is None else page.extra.shape[2]):
            return f"{len(page.extra_kinds)} kinds of extra samples"
    return None if picture.pages else "no pages"


def _made_up(picture: Picture, name: str) -> str | None:
    """Name a row of one value."""
    for page in picture.pages:
        rows = page.pixels.reshape(len(page.pixels), page.pixels.shape[1], -1)
        if rows.shape[1] < _FEWEST:
            continue
        flat = (rows == rows[:, :1]).all(axis=(1, 2))
        if name == "jpg":  # what is missing is grey; damaged blocks may be black or white
            flat &= (np.abs(rows[:, 0] - 128.0) < 2).all(axis=1)
        if flat.any():
            return f"row {int(flat.argmax())} of {page.pixels.shape}"
    return None


def _by_pillow(image: np.ndarray, kind: str, also: list[np.ndarray] | None = None, **how) -> bytes:
    from PIL import Image

    memory = io.BytesIO()
    if also:
        how |= {"save_all": True, "append_images": [Image.fromarray(x) for x in also]}
    Image.fromarray(image).save(memory, kind, **how)
    return memory.getvalue()


def _png_files(noise: Callable[..., np.ndarray]) -> list[bytes]:
    import imagecodecs
    from PIL import Image

    palette = io.BytesIO()
    Image.fromarray(noise(3)).quantize(32).save(palette, "PNG")
    return [
        _by_pillow(noise(), "PNG"),
        _by_pillow(noise(3), "PNG"),
        _by_pillow(noise(4), "PNG"),
        palette.getvalue(),
        _by_pillow(noise() > 127, "PNG"),
        bytes(imagecodecs.png_encode(noise(dtype=np.uint16))),
        bytes(imagecodecs.png_encode(noise(3, dtype=np.uint16))),
        _by_pillow(noise(3), "PNG", also=[noise(3)]),
    ]


def _tiff_files(noise: Callable[..., np.ndarray]) -> list[bytes]:
    import tifffile

    def write(image: np.ndarray, **how) -> bytes:
        memory = io.BytesIO()
        options = {k: how.pop(k) for k in ("byteorder", "bigtiff", "imagej") if k in how}
        with tifffile.TiffWriter(memory, **options) as file:
            file.write(image, **how)
        return memory.getvalue()

    palette = np.random.default_rng(1).integers(0, 2**16, (3, 256)).astype(np.uint16)
    grey, deep = {"photometric": "minisblack"}, np.stack([noise(dtype=np.uint16)] * 4)
    return [
        write(noise(), rowsperstrip=8, **grey),
        write(noise(3), photometric="rgb", compression="zlib", rowsperstrip=8),
        # Whole tiles: their padding would pass for rows.
        write(np.tile(noise(), (2, 2))[:32, :48], compression="lzw", tile=(16, 16), **grey),
        write(deep, byteorder=">", **grey),
        write(deep.reshape(2, 2, ROWS, COLUMNS), imagej=True, metadata={"axes": "ZCYX"}),
        write(noise().astype(np.float32), bigtiff=True, compression="packbits", **grey),
        write(noise(4), photometric="rgb", extrasamples=["unassalpha"], rowsperstrip=13),
        write(np.moveaxis(noise(3), -1, 0), photometric="rgb", planarconfig="separate"),
        write(noise(), photometric="palette", colormap=palette),
        write(noise(3), photometric="rgb", compression="jpeg"),
    ]


def _jpeg_files(noise: Callable[..., np.ndarray]) -> list[bytes]:
    return [
        _by_pillow(noise(), "JPEG"),
        _by_pillow(noise(3), "JPEG", quality=90),
        _by_pillow(noise(3), "JPEG", progressive=True),
        _by_pillow(noise(3), "JPEG", restart_marker_blocks=2),
        _by_pillow(noise(3), "MPO", also=[noise(3)]),
    ]


def _npy_files(noise: Callable[..., np.ndarray]) -> list[bytes]:
    arrays = [noise(), noise(3, dtype=np.uint16), noise().astype(np.float32), noise().astype(">f8")]
    files = []
    for array in arrays:
        memory = io.BytesIO()
        np.save(memory, array)
        files.append(memory.getvalue())
    return files


def _flip(data: bytes, rng: Random) -> bytes:
    found = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        found[rng.integers(len(found))] = rng.choice([0, 255, rng.integers(256)])
    return bytes(found)


def _flip_early(data: bytes, rng: Random) -> bytes:
    head = min(200, len(data))
    return _flip(data[:head], rng) + data[head:]


def _cut(data: bytes, rng: Random) -> bytes:
    return data[: rng.integers(len(data))]


def _cut_before_the_end(data: bytes, rng: Random) -> bytes:
    """Leave the marker that ends a file."""
    tail = int(rng.choice([2, 4, 12]))
    return data[: rng.integers(8, max(9, len(data) - tail))] + data[-tail:]


def _drop(data: bytes, rng: Random) -> bytes:
    start = rng.integers(len(data))
    return data[:start] + data[start + rng.integers(1, 200) :]


def _repeat(data: bytes, rng: Random) -> bytes:
    start = rng.integers(len(data))
    return data[:start] + data[start : start + 60] + data[start:]


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    at, found = 8, []
    while at + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


def _png(data: bytes, chunks: list[tuple[bytes, bytes]]) -> bytes:
    parts = [data[:8]]
    for name, content in chunks:
        checksum = struct.pack(">I", zlib.crc32(name + content))
        parts += [struct.pack(">I", len(content)), name, content, checksum]
    return b"".join(parts)


def _png_header(data: bytes, rng: Random) -> bytes:
    """Rewrite a field of the header, with the right checksum."""
    chunks = _chunks(data)
    if not chunks or len(chunks[0][1]) != 13:
        return data
    fields = list(struct.unpack(">IIBBBBB", chunks[0][1]))
    place = int(rng.choice([0, 1, 1, 1, 2, 3, 6]))
    sizes = [fields[place] + 1, 2 * fields[place], 1, 50_000, 2**31]
    kinds = [0, 1, 2, 3, 4, 6, 8, 16]
    fields[place] = int(rng.choice(sizes if place < 2 else kinds))
    return _png(data, [(chunks[0][0], struct.pack(">IIBBBBB", *fields)), *chunks[1:]])


def _png_drop(data: bytes, rng: Random) -> bytes:
    chunks = _chunks(data)
    if len(chunks) > 1:
        del chunks[rng.integers(1, len(chunks))]
    return _png(data, chunks)


def _png_short(data: bytes, rng: Random) -> bytes:
    """Cut the data of a chunk, with the right checksum."""
    chunks = _chunks(data)
    if not chunks:
        return data
    number = rng.integers(len(chunks))
    name, content = chunks[number]
    chunks[number] = name, content[: rng.integers(len(content) + 1)]
    return _png(data, chunks)


def _tiff_entry(data: bytes, rng: Random) -> bytes:
    """Rewrite the type, count or value of a tag on the first page."""
    order = "<" if data[:2] == b"II" else ">"
    if len(data) < 16 or data[2:4] in (b"+\0", b"\0+"):  # BigTIFF
        return _flip_early(data, rng)
    (at,) = struct.unpack_from(order + "I", data, 4)
    if at + 2 > len(data):
        return data
    (count,) = struct.unpack_from(order + "H", data, at)
    entry = at + 2 + 12 * int(rng.integers(max(count, 1)))
    if entry + 12 > len(data):
        return data
    found = bytearray(data)
    (value,) = struct.unpack_from(order + "I", data, entry + 8)
    values = [0, 1, 2, value + 1, 2 * value, 6, 8, 30_000, 65_535, 2**32 - 1]
    which = rng.random()
    if which < 0.6:
        struct.pack_into(order + "I", found, entry + 8, int(rng.choice(values)) % 2**32)
    elif which < 0.8:
        struct.pack_into(order + "I", found, entry + 4, int(rng.choice(values)) % 2**32)
    elif which < 0.9:
        struct.pack_into(order + "H", found, entry + 2, int(rng.integers(20)))
    else:  # the tag is gone
        found[entry : entry + 2] = struct.pack(order + "H", 60_000)
    return bytes(found)


def _tiff_strip(data: bytes, rng: Random) -> bytes:
    """Set an offset or a byte count of a strip to 0 or to another value."""
    import tifffile

    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            code = int(rng.choice([273, 279, 324, 325]))
            tag = file.pages.first.tags.get(code)
            if tag is None or tag.dtype not in (3, 4):
                return data
            size = {3: 2, 4: 4}[int(tag.dtype)]
            place = tag.valueoffset + size * int(rng.integers(max(tag.count, 1)))
    except Exception:  # it was damaged before
        return data
    order, found = "<" if data[:2] == b"II" else ">", bytearray(data)
    form = order + {2: "H", 4: "I"}[size]
    if place + size <= len(found):
        (value,) = struct.unpack_from(form, found, place)
        struct.pack_into(form, found, place, int(rng.choice([0, 0, 1, 10, value // 2])))
    return bytes(found)


def _jpeg_size(data: bytes, rng: Random) -> bytes:
    """Rewrite the height or width of the frame."""
    at = max(data.find(marker) for marker in (b"\xff\xc0", b"\xff\xc2"))
    if at < 0 or at + 9 > len(data):
        return data
    place = at + (5 if rng.random() < 0.7 else 7)
    (size,) = struct.unpack_from(">H", data, place)
    found = bytearray(data)
    sizes = [size + 8, 2 * size, 4000, max(size - 9, 1)]
    struct.pack_into(">H", found, place, min(int(rng.choice(sizes)), 65_535))
    return bytes(found)


def _jpeg_scan(data: bytes, rng: Random) -> bytes:
    """Cut the scan's data and put the end marker behind."""
    at = data.rfind(b"\xff\xda") if rng.random() < 0.5 else data.find(b"\xff\xda")
    if at < 0:
        return data
    end = rng.integers(at, len(data))
    return data[:end] + b"\xff\xd9"


def _npy_header(data: bytes, rng: Random) -> bytes:
    """Rewrite a number of the header."""
    head = data[:128]
    numbers = list(re.finditer(rb"\d+", head[10:]))
    if not numbers:
        return data
    number = numbers[rng.integers(len(numbers))]
    new = str(rng.choice([0, 1, 2, 3, 8, 27, 30_000, 10**12])).encode()
    start, stop = 10 + number.start(), 10 + number.end()
    return (head[:start] + new + head[stop:])[:127].ljust(127) + b"\n" + data[128:]


def _bmp_field(data: bytes, rng: Random) -> bytes:
    """Rewrite width, height, bits or compression."""
    if len(data) < 54:
        return data
    found = bytearray(data)
    place, form = [(18, "<i"), (22, "<i"), (28, "<H"), (30, "<I"), (10, "<I")][rng.integers(5)]
    value = int(rng.choice([0, 1, 2, 4, 8, 16, 24, 32, 27, 60, 4000]))
    struct.pack_into(form, found, place, value)
    return bytes(found)


Damage = Callable[[bytes, Random], bytes]
_ANY: list[Damage] = [_flip, _flip_early, _cut, _cut_before_the_end, _drop, _repeat]
_OWN: dict[str, list[Damage]] = {
    "png": [_png_header, _png_header, _png_drop, _png_short, _png_short],
    "tif": [*[_tiff_entry] * 6, _tiff_strip, _tiff_strip],
    "jpg": [_jpeg_size, _jpeg_scan, _jpeg_scan],
    "npy": [_npy_header, _npy_header],
    "bmp": [_bmp_field, _bmp_field],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="The number of one file.")
    parser.add_argument("--keep", type=Path, help="Write that file here.")
    options = parser.parse_args()
    table: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        cases = damaged_files(options.seed, options.count, options.only)
        for number, case in enumerate(cases):
            found = judge(case, Path(folder) / f"fuzz.{case.name}")
            table.setdefault(found.name, Counter())[found.kind] += 1
            if found.kind not in GOOD or options.only is not None:
                shown = number if options.only is None else options.only
                print(f"{shown}: {found.name}: {found.kind}: {found.words}", flush=True)
            if options.keep is not None:
                options.keep.write_bytes(case.data)
    print("format", *OUTCOMES, sep="\t")
    for name, counts in table.items():
        print(name, *(counts[kind] for kind in OUTCOMES), sep="\t")
    return int(any(counts[kind] for counts in table.values() for kind in OUTCOMES[2:]))


if __name__ == "__main__":
    sys.exit(main())
