"""Read and write image files: PNG, TIFF, JPEG and NPY, whole or not at all."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from jaxdenoise.files.errors import InputError, one_line
from jaxdenoise.files.pages import DEPTHS, Page, Picture, checked
from jaxdenoise.files.png16 import (
    SIGNATURE,
    open_with_pillow,
    png_header,
    read_png16,
    write_png16,
)
from jaxdenoise.files.tiff import read_tiff, write_tiff
from jaxdenoise.files.unfinished import unfinished

PNG, TIFF, JPEG, NPY = (".png",), (".tif", ".tiff"), (".jpg", ".jpeg"), (".npy",)
EXTENSIONS = PNG + TIFF + JPEG + NPY
# How the names of files begin that are not whole yet.
TEMPORARY = ".jaxdenoise-"
_UNASSOCIATED_ALPHA = 2


def read_picture(
    path: Path,
    *,
    max_pixels: float = 1e9,
    channel_axis: int | str | None = None,
    volume: bool = False,
) -> Picture:
    """The pages of a file, told by its first bytes, not by its name.

    `channel_axis` is for NPY: an axis, `"none"` (there are no channels), or `None` (unsaid).
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not an image")
    with open(path, "rb") as file:
        head = file.read(8)
    if not head:
        raise InputError(f"{path}: the file is empty")
    if head == SIGNATURE:
        return _read_png(path, max_pixels)
    if head[:3] == b"\xff\xd8\xff":
        return _read_with_pillow(path, max_pixels)
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return read_tiff(path, max_pixels)
    if head[:6] == b"\x93NUMPY":
        return _read_npy(path, max_pixels, channel_axis, volume)
    raise InputError(f"{path}: not a PNG, TIFF, JPEG or NPY file")


def check_holds(path: Path, picture: Picture, dtype: np.dtype) -> None:
    """Refuse, before any work, a format that cannot hold what would be written."""
    extension = path.suffix.lower()
    if extension in NPY:
        if len({(page.pixels.shape, page.dtype, page.extra_kinds) for page in picture.pages}) > 1:
            raise InputError(
                f"{path}: NPY cannot hold pages of different shapes or dtypes; use .tif"
            )
        return
    if extension in TIFF:
        if dtype.kind == "f" and dtype.itemsize > 8:
            raise InputError(f"{path}: TIFF cannot hold {dtype}; use .npy")
        return
    name, depths, alphas = ("PNG", ("8", "16"), 1) if extension in PNG else ("JPEG", ("8",), 0)
    if dtype not in [DEPTHS[depth] for depth in depths]:
        raise InputError(
            f"{path}: {name} cannot hold {dtype}; give --bit-depth {' or '.join(depths)}, "
            f"or write .tif or .npy"
        )
    page = picture.pages[0]
    channels = page.pixels.shape[-1] if page.pixels.ndim == 3 else 1
    if len(picture.pages) > 1:
        raise InputError(f"{path}: {name} cannot hold {len(picture.pages)} pages; use .tif or .npy")
    if len(page.extra_kinds) > alphas:
        raise InputError(f"{path}: {name} cannot hold the image's alpha or extra channels")
    if channels not in (1, 3):
        raise InputError(f"{path}: {name} cannot hold {channels} channels; use .tif or .npy")


def write_picture(path: Path, picture: Picture, *, overwrite: bool = False) -> None:
    """Write by the extension of `path`; the pages' dtype is the file's."""
    extension = path.suffix.lower()
    with atomic_path(path, overwrite=overwrite) as temporary:
        if extension in TIFF:
            write_tiff(temporary, picture)
        elif extension in NPY:
            with open(temporary, "wb") as file:
                np.save(file, _as_array(picture), allow_pickle=False)
        elif extension in PNG and picture.pages[0].dtype.itemsize == 2:
            samples = _interleaved(picture.pages[0])
            write_png16(temporary, np.atleast_3d(samples), picture.icc_profile)
        else:
            _write_with_pillow(temporary, picture)


@contextmanager
def atomic_path(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A path beside `path` that takes its name once the block has ended without an error.

    A symbolic link stays, and the file that it points to is replaced.
    """
    final = Path(os.path.realpath(path))
    # Not tempfile: its files are private to the user, and a picture should have usual permissions.
    temporary = final.with_name(f"{TEMPORARY}{secrets.token_hex(6)}{path.suffix}")
    with unfinished(temporary):
        try:
            yield temporary
            if not overwrite and os.path.lexists(path):
                raise InputError(f"{path}: exists; --force overwrites it")
            os.replace(temporary, final)
        except OSError as error:
            if error.filename not in (None, str(temporary)):  # it is about another file
                raise
            raise _about(path, error) from error
        finally:
            temporary.unlink(missing_ok=True)


def _about(path: Path, error: OSError) -> Exception:
    """The error of a writer with the name of the output."""
    number = error.errno
    # NumPy and Pillow tell no reason.
    if number is None and shutil.disk_usage(path.resolve().parent).free == 0:
        number = errno.ENOSPC
    if number is None:
        return InputError(f"{path}: cannot be written: {one_line(error)}")
    return OSError(number, os.strerror(number), str(path))


def _check_pixels(path: Path, width: int, height: int, max_pixels: float) -> None:
    if width * height > max_pixels:
        raise InputError(
            f"{path}: claims {width} x {height} pixels ({width * height / 1e6:.6g} megapixels), "
            f"over the limit of {max_pixels / 1e6:.6g}; --max-megapixels raises it"
        )


def _read_png(path: Path, max_pixels: float) -> Picture:
    width, height, bits = png_header(path)
    _check_pixels(path, width, height, max_pixels)
    if bits != 16:
        return _read_with_pillow(path, max_pixels)
    image, profile = read_png16(path)
    return Picture((_split_alpha(image),), icc_profile=profile)


def _read_with_pillow(path: Path, max_pixels: float) -> Picture:
    from PIL import ImageOps

    try:
        with open_with_pillow(path) as image:
            _check_pixels(path, image.width, image.height, max_pixels)
            # Of the pixels as they are written: a profile of CMYK does not fit the RGB it becomes.
            profile = None if image.mode == "CMYK" else image.info.get("icc_profile")
            # The copy carries no orientation tag, so its pixels must stand upright themselves.
            upright = ImageOps.exif_transpose(image)
            samples = np.asarray(upright.convert(_plain_mode(upright)))
    except InputError:
        raise
    except Exception as error:  # Pillow raises many kinds for damaged files
        raise InputError(f"{path}: damaged or unsupported image: {one_line(error)}") from error
    return Picture((_split_alpha(np.atleast_3d(samples)),), icc_profile=profile)


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


def _write_with_pillow(path: Path, picture: Picture) -> None:
    from PIL import Image

    samples = _interleaved(picture.pages[0])
    image = Image.fromarray(samples[..., 0] if samples.shape[2:] == (1,) else samples)
    if path.suffix.lower() in JPEG:
        # 4:4:4 at 95: a denoised image should not get the noise of its compression instead.
        image.save(path, quality=95, subsampling=0, icc_profile=picture.icc_profile)
    else:
        image.save(path, icc_profile=picture.icc_profile)


def _interleaved(page: Page) -> np.ndarray:
    if page.extra is None:
        return page.pixels
    colours = page.pixels if page.pixels.ndim == 3 else page.pixels[..., None]
    return np.concatenate([colours, page.extra], axis=-1)


def _read_npy(
    path: Path, max_pixels: float, channel_axis: int | str | None, volume: bool
) -> Picture:
    try:
        # Mapped, so that the header is checked before the numbers are read.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header ends in whatever its parser stumbles on
        if "Python objects" in str(error):
            raise InputError(f"{path}: holds Python objects, not numbers of an image") from error
        raise InputError(f"{path}: damaged or unsupported NPY: {one_line(error)}") from error
    channels = 1 if isinstance(channel_axis, str | None) else _channels(path, array, channel_axis)
    if array.size / channels > max_pixels:
        raise InputError(
            f"{path}: holds {array.size / channels / 1e6:.6g} megapixels, over the limit of "
            f"{max_pixels / 1e6:.6g}; --max-megapixels raises it"
        )
    array = checked(np.asarray(array), path)
    axis = channel_axis if isinstance(channel_axis, int) else None
    spatial = array.ndim - (axis is not None)
    if spatial not in (2, 3):
        raise InputError(
            f"{path}: an array of shape {array.shape} is no image; 2 axes, 3 for pages or a "
            f"volume, and one more with --channel-axis"
        )
    if channel_axis is None and spatial == 3 and array.shape[-1] in (3, 4) and not volume:
        raise InputError(
            f"{path}: shape {array.shape} may be colour or pages; give --channel-axis -1 or "
            f"--channel-axis none"
        )
    if axis is not None:
        array = np.moveaxis(array, axis, -1)
    stacked = spatial == 3
    pages = tuple(Page(np.ascontiguousarray(a)) for a in (array if stacked else array[None]))
    return Picture(pages, stacked=stacked, channel_axis=axis)


def _channels(path: Path, array: np.ndarray, axis: int) -> int:
    if not -array.ndim <= axis < array.ndim:
        raise InputError(f"{path}: --channel-axis {axis} is no axis of shape {array.shape}")
    return max(array.shape[axis], 1)


def _as_array(picture: Picture) -> np.ndarray:
    pages = [_interleaved(page) for page in picture.pages]
    array = np.stack(pages) if picture.stacked else pages[0]
    return array if picture.channel_axis is None else np.moveaxis(array, -1, picture.channel_axis)
