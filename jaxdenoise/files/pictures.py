"""Read and write image files of every format, whole or not at all."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from jaxdenoise.files.errors import InputError, one_line
from jaxdenoise.files.npy import as_array, read_npy
from jaxdenoise.files.pages import DEPTHS, Picture
from jaxdenoise.files.png import SIGNATURE
from jaxdenoise.files.raster import (
    interleaved,
    read_bmp,
    read_jpeg,
    read_png,
    read_webp,
    write_jpeg,
    write_png,
)
from jaxdenoise.files.tiff.reading import read_tiff
from jaxdenoise.files.tiff.writing import write_tiff
from jaxdenoise.files.turning import swaps_sides, upright
from jaxdenoise.files.unfinished import unfinished

PNG, TIFF, JPEG, NPY = (".png",), (".tif", ".tiff"), (".jpg", ".jpeg"), (".npy",)
# Extensions that can be written, and those that can be read.
EXTENSIONS = PNG + TIFF + JPEG + NPY
READ_ONLY = (".bmp", ".webp")
READABLE = EXTENSIONS + READ_ONLY
# How the names of files begin that are not whole yet.
TEMPORARY = ".jaxdenoise-"
# First bytes of formats that are not read, to name them.
_OTHERS = {b"SIMPLE  =": "FITS", b"GIF8": "GIF", b"\x80": "pickle", b"PK\3\4": "ZIP or NPZ"}


def read_picture(
    path: Path,
    *,
    max_pixels: float | None = None,
    channel_axis: int | str | None = None,
    volume: bool = False,
) -> Picture:
    """Read the pages of a file, whose format is told by its first bytes, not by its name.

    `max_pixels=None` limits the size by the memory that is available. `channel_axis` is for NPY: an
    axis, `"none"` (there are no channels), or `None` (not told).
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not an image")
    with open(path, "rb") as file:
        head = file.read(16)
    if not head:
        raise InputError(f"{path}: the file is empty")
    if head[:8] == SIGNATURE:
        return read_png(path, max_pixels)
    if head[:3] == b"\xff\xd8\xff":
        return read_jpeg(path, max_pixels)
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return read_tiff(path, max_pixels)
    if head[:6] == b"\x93NUMPY":
        return read_npy(path, max_pixels, channel_axis, volume)
    if head[:2] == b"BM":
        return read_bmp(path, max_pixels)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return read_webp(path, max_pixels)
    other = next((f" but {name}" for start, name in _OTHERS.items() if head.startswith(start)), "")
    raise InputError(f"{path}: not a PNG, TIFF, JPEG, NPY, BMP or WebP file{other}")


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
                array = as_array([interleaved(page) for page in picture.pages], picture)
                np.save(file, array, allow_pickle=False)
        else:
            write = write_png if extension in PNG else write_jpeg
            write(temporary, _standing(picture))


def _standing(picture: Picture) -> Picture:
    """Turn the pixels of a TIFF page upright, for formats whose pixels are."""
    page = picture.pages[0]
    if page.orientation == 1:
        return picture
    extra = None if page.extra is None else upright(page.extra, page.orientation)
    turned = replace(page, pixels=upright(page.pixels, page.orientation), extra=extra)
    dpi = picture.dpi
    if dpi and swaps_sides(page.orientation):
        dpi = dpi[1], dpi[0]
    return replace(picture, pages=(turned,), dpi=dpi)


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
