"""PNG, JPEG, BMP and WebP: through Pillow, PNG of 16 bits through imagecodecs."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from jaxdenoise.files import jpeg, png
from jaxdenoise.files.errors import InputError, one_line
from jaxdenoise.files.memory import check_memory
from jaxdenoise.files.pages import Page, Picture
from jaxdenoise.files.turning import ORIENTATION, swaps_sides, upright

_UNASSOCIATED_ALPHA = 2
_EXIF_IFD, _EXIF_WIDTH, _EXIF_HEIGHT = 0x8769, 0xA002, 0xA003
_BYTE = np.dtype(np.uint8)
# JPEG files hold several pictures for other reasons than being a sequence: previews, gain maps.
_SEQUENCE = "Multi-Frame Image"


def read_png(path: Path, max_pixels: float | None) -> Picture:
    header = png.read_header(path)
    dtype, samples = np.dtype(np.uint16 if header.bits == 16 else np.uint8), header.samples
    size = f"{header.width} x {header.height} pixels"
    pixels = header.width * header.height
    check_memory(path, size, pixels, samples=samples, dtype=dtype, max_pixels=max_pixels)
    data = path.read_bytes()
    png.check_complete(path, data, header)
    chunks = png.kept_chunks(data)
    if header.bits != 16:
        return replace(_read_with_pillow(path, data, ("PNG",), max_pixels), chunks=chunks)
    samples = png.decode16(path, data)
    with _opened(path, data, ("PNG",)) as image:
        if getattr(image, "n_frames", 1) > 1:
            raise InputError(f"{path}: animated PNG of 16 bits is not supported")
        turn, facts = _facts(image)
    return replace(facts, pages=(_split_alpha(upright(samples, turn)),), chunks=chunks)


def read_jpeg(path: Path, max_pixels: float | None) -> Picture:
    return _read_with_pillow(path, path.read_bytes(), ("JPEG", "MPO"), max_pixels)


def read_bmp(path: Path, max_pixels: float | None) -> Picture:
    return _read_with_pillow(path, path.read_bytes(), ("BMP",), max_pixels)


def read_webp(path: Path, max_pixels: float | None) -> Picture:
    return _read_with_pillow(path, path.read_bytes(), ("WEBP",), max_pixels)


def write_png(path: Path, picture: Picture) -> None:
    import imagecodecs
    from PIL import Image

    samples = interleaved(picture.pages[0])
    if samples.ndim == 3 and samples.shape[-1] == 1:
        samples = samples[..., 0]
    if samples.dtype.itemsize == 2:
        data = bytes(imagecodecs.png_encode(np.ascontiguousarray(samples)))
    else:
        memory = io.BytesIO()
        Image.fromarray(samples).save(memory, "PNG")
        data = memory.getvalue()
    facts = png.describing_chunks(picture.icc_profile, picture.dpi, picture.exif)
    path.write_bytes(png.with_chunks(data, (*facts, *picture.chunks)))


def write_jpeg(path: Path, picture: Picture) -> None:
    from PIL import Image

    samples = interleaved(picture.pages[0])
    image = Image.fromarray(samples[..., 0] if samples.shape[2:] == (1,) else samples)
    facts = {"dpi": picture.dpi, "exif": picture.exif}
    # 4:4:4 at 95: a denoised image should not get the noise of its compression instead.
    image.save(
        path,
        "JPEG",
        quality=95,
        subsampling=0,
        icc_profile=picture.icc_profile,
        **{name: fact for name, fact in facts.items() if fact is not None},
    )


def interleaved(page: Page) -> np.ndarray:
    """Return the samples of a page with its alpha and extra channels behind the colours."""
    if page.extra is None:
        return page.pixels
    colours = page.pixels if page.pixels.ndim == 3 else page.pixels[..., None]
    return np.concatenate([colours, page.extra], axis=-1)


@contextmanager
def _opened(path: Path, data: bytes, formats: tuple[str, ...]) -> Iterator:
    """Open with Pillow, without its limit of pixels; every error becomes one line."""
    from PIL import Image

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of oddities that do not concern the pixels
            with Image.open(io.BytesIO(data), formats=formats) as image:
                yield image
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{path}: not enough memory to read it") from error
    except Exception as error:  # Pillow raises many kinds for damaged files
        text = one_line(error).partition(" <_io.")[0]
        raise InputError(f"{path}: damaged or unsupported image: {text}") from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _read_with_pillow(
    path: Path, data: bytes, formats: tuple[str, ...], max_pixels: float | None
) -> Picture:
    with _opened(path, data, formats) as image:
        count = getattr(image, "n_frames", 1)
        if any(tile[0] == "bmp_rle" for tile in image.tile):  # it may leave pixels undefined
            raise InputError(f"{path}: BMP with run-length coding is not supported")
        size = f"{image.width} x {image.height} pixels"
        size += f" in {count} frames" if count > 1 else ""
        pixels = image.width * image.height * count
        samples = 1 if image.mode in ("1", "L") else 4
        check_memory(path, size, pixels, samples=samples, dtype=_BYTE, max_pixels=max_pixels)
        numbers, notes = _wanted_frames(image, count)
        pages, facts = [], Picture(())
        for number in numbers:
            image.seek(number)
            if "JPEG" in formats:
                jpeg.check_complete(path, data[getattr(image, "offset", 0) :])
            _check_palette(path, image)
            turn, told = _facts(image)
            facts = facts if pages else told
            samples = np.asarray(image.convert(_plain_mode(image)))
            pages.append(_split_alpha(upright(np.atleast_3d(samples), turn)))
    return replace(facts, pages=tuple(pages), stacked=len(pages) > 1, notes=notes)


def _check_palette(path: Path, image) -> None:
    """Refuse pixels that are beyond the palette; Pillow shows them as black."""
    if image.mode == "P":
        colours = len(image.getpalette()) // 3
        brightest = int(np.asarray(image).max())
        if brightest >= colours:
            raise InputError(
                f"{path}: damaged image, its palette has {colours} colours and a pixel has number "
                f"{brightest}"
            )


def _wanted_frames(image, count: int) -> tuple[list[int], tuple[str, ...]]:
    """Return the numbers of the frames that are pages, and what is to be said of the others."""
    if image.format != "MPO":
        return list(range(count)), ()
    kinds = [entry["Attribute"]["MPType"] for entry in image.mpinfo[0xB002]]
    wanted = [0, *(i for i in range(1, count) if kinds[i].startswith(_SEQUENCE))]
    left = count - len(wanted)
    return wanted, (f"{left} preview or auxiliary picture(s) were left out",) if left else ()


def _facts(image) -> tuple[int, Picture]:
    """Return the orientation, and what to keep of an image that is upright."""
    exif = image.getexif()
    turn = exif.pop(ORIENTATION, 1)
    dpi = image.info.get("dpi")
    if swaps_sides(turn):
        dpi = dpi and dpi[::-1]
        details = exif.get_ifd(_EXIF_IFD)
        if {_EXIF_WIDTH, _EXIF_HEIGHT} <= set(details):
            details[_EXIF_WIDTH], details[_EXIF_HEIGHT] = (
                details[_EXIF_HEIGHT],
                details[_EXIF_WIDTH],
            )
    # A profile of CMYK does not fit the RGB that the pixels become.
    profile = None if image.mode == "CMYK" else image.info.get("icc_profile")
    if dpi is not None:
        dpi = (float(dpi[0]), float(dpi[1])) if min(dpi) > 0 else None
    return turn, Picture((), icc_profile=profile, dpi=dpi, exif=_as_bytes(exif))


def _as_bytes(exif) -> bytes | None:
    if not len(exif):
        return None
    try:
        return exif.tobytes()
    except Exception:  # entries of a damaged EXIF that Pillow read but cannot write
        return None


def _plain_mode(image) -> str:
    """Grey or RGB, with or without alpha: what palettes, 1-bit and CMYK images turn into."""
    transparent = image.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in image.info
    grey = image.mode in ("1", "L", "LA")
    return {(True, True): "LA", (True, False): "L", (False, True): "RGBA", (False, False): "RGB"}[
        (grey, transparent)
    ]


def _split_alpha(samples: np.ndarray) -> Page:
    """(rows, columns, 1 to 4 samples): the second or fourth is alpha."""
    colours, alpha = samples, None
    if samples.shape[-1] in (2, 4):
        colours, alpha = samples[..., :-1], samples[..., -1:]
    pixels = colours[..., 0] if colours.shape[-1] == 1 else colours
    kinds = () if alpha is None else (_UNASSOCIATED_ALPHA,)
    return Page(np.ascontiguousarray(pixels), alpha, kinds)
