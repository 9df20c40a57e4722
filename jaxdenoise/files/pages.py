"""An image file in memory: pages of samples, and what a change of bit depth does to them."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from jaxdenoise.files.errors import InputError

DEPTHS = {"8": np.dtype(np.uint8), "16": np.dtype(np.uint16), "32f": np.dtype(np.float32)}


class Tag(NamedTuple):
    """A TIFF tag as it lies in the file: `data` is `length` values in the file's byte order."""

    code: int
    dtype: int
    length: int
    data: bytes


@dataclass(frozen=True)
class Page:
    """One image, channels last.

    - `pixels`: (rows, columns) or (rows, columns, channels), in the file's own numbers.
    - `extra`: (rows, columns, n) samples that are carried along untouched, such as alpha.
    - `extra_kinds`: TIFF's code for each: 0 unspecified, 1 premultiplied alpha, 2 alpha.
    - `nodata`: the value of pixels that are missing, if the file names one.
    - `orientation`: EXIF's code of the turn that makes the pixels upright. Only TIFF keeps it.
    - `tags`: TIFF tags that a copy of the page keeps.
    - `source_dtype`: the dtype that `tags` describe, if the pixels were converted since.
    """

    pixels: np.ndarray
    extra: np.ndarray | None = None
    extra_kinds: tuple[int, ...] = ()
    nodata: int | float | None = None
    orientation: int = 1
    tags: tuple[Tag, ...] = ()
    source_dtype: np.dtype | None = None

    @property
    def channel_axis(self) -> int | None:
        return -1 if self.pixels.ndim == 3 else None

    @property
    def dtype(self) -> np.dtype:
        return self.pixels.dtype


@dataclass(frozen=True)
class Picture:
    """The pages of a file and the facts about it that its copy should keep.

    - `stacked`: the file has a page axis, even if it holds one page.
    - `channel_axis`: where the array of a NPY file has its channels.
    - `axes`, `lengths`: names and lengths of the axes that the pages run through, the last one
      fastest: T times, Z slices, C channels, I or Q unnamed. Empty if the file does not say.
    - `dpi`: pixels per inch, horizontally and vertically.
    - `exif`: EXIF data without an orientation; the pixels stand upright.
    - `chunks`: ancillary PNG chunks that stay true, such as gamma and text.
    - `byteorder`: of `Page.tags`.
    - `notes`: what the reader left out.
    """

    pages: tuple[Page, ...]
    stacked: bool = False
    channel_axis: int | None = None
    icc_profile: bytes | None = None
    compressed: bool = False
    axes: str = ""
    lengths: tuple[int, ...] = ()
    dpi: tuple[float, float] | None = None
    exif: bytes | None = None
    chunks: tuple[bytes, ...] = ()
    byteorder: Literal["<", ">"] = "<"
    notes: tuple[str, ...] = ()


def full_scale(dtype: np.dtype) -> float:
    """White: 255, 65535, ... for integers, 1 for floats."""
    return 1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max)


def checked(array: np.ndarray, path) -> np.ndarray:
    """In the machine's byte order, with a dtype that can be denoised."""
    if array.dtype.kind == "b":
        array = array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind == "c":
        raise InputError(f"{path}: complex numbers; only real images can be denoised")
    if array.dtype.kind not in "fiu":
        raise InputError(f"{path}: holds {array.dtype}, not numbers of an image")
    if 0 in array.shape:
        raise InputError(f"{path}: the image is empty, its shape is {array.shape}")
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


def as_float(array: np.ndarray) -> np.ndarray:
    """The same numbers in a dtype that the library keeps: no rescaling."""
    if array.dtype.kind == "f":
        return array.astype(np.float64) if array.dtype.itemsize > 8 else array
    return array.astype(np.float32)


def to_dtype(
    values: np.ndarray, source: np.dtype, target: np.dtype, white: float | None = None
) -> np.ndarray:
    """Numbers in units of `source` as `target`, full scale to full scale, rounded and clipped.

    `white` is the full scale of `source`, if it is not that of the dtype.
    """
    if values.dtype == source == target and target.kind != "f":
        return values
    wide = max(source.itemsize, target.itemsize, values.dtype.itemsize) > 4 or (
        target.kind != "f" and target.itemsize > 2
    )
    work = values.astype(np.float64 if wide else np.float32)
    if source != target:
        work *= full_scale(target) / (white or full_scale(source))
    if target.kind == "f":
        return work.astype(target)
    low, high = np.iinfo(target).min, np.iinfo(target).max
    top = float(high)
    if top > high:  # 2^63 - 1 has no float64: the next one up would wrap to a negative number
        top = np.nextafter(top, 0.0)
    return np.clip(np.rint(work), float(low), top).astype(target)


def clipped_share(values: np.ndarray, source: np.dtype, target: np.dtype) -> float:
    """The share of a float image that an integer file cuts off at black or white."""
    if source.kind != "f" or target.kind == "f":
        return 0.0
    low = 0.0 if target.kind == "u" else -1.0
    return float(np.mean((values < low) | (values > 1.0)))
