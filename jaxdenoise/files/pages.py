"""An image file in memory: pages of samples, and what a change of bit depth does to them."""

from dataclasses import dataclass

import numpy as np

from jaxdenoise.files.errors import InputError

DEPTHS = {"8": np.dtype(np.uint8), "16": np.dtype(np.uint16), "32f": np.dtype(np.float32)}


@dataclass(frozen=True)
class Page:
    """One image, channels last.

    - `pixels`: (rows, columns) or (rows, columns, channels), in the file's own numbers.
    - `extra`: (rows, columns, n) samples that are carried along untouched, such as alpha.
    - `extra_kinds`: TIFF's code for each: 0 unspecified, 1 premultiplied alpha, 2 alpha.
    """

    pixels: np.ndarray
    extra: np.ndarray | None = None
    extra_kinds: tuple[int, ...] = ()

    @property
    def channel_axis(self) -> int | None:
        return -1 if self.pixels.ndim == 3 else None

    @property
    def dtype(self) -> np.dtype:
        return self.pixels.dtype


@dataclass(frozen=True)
class Picture:
    """The pages of a file and the few things about it that its copy should keep.

    - `stacked`: the file has a page axis, even if it holds one page.
    - `channel_axis`: where the array of a NPY file has its channels.
    """

    pages: tuple[Page, ...]
    stacked: bool = False
    channel_axis: int | None = None
    icc_profile: bytes | None = None
    compressed: bool = False


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


def to_dtype(values: np.ndarray, source: np.dtype, target: np.dtype) -> np.ndarray:
    """Numbers in units of `source` as `target`, full scale to full scale, rounded and clipped."""
    wide = max(source.itemsize, target.itemsize, values.dtype.itemsize) > 4 or (
        target.kind != "f" and target.itemsize > 2
    )
    work = values.astype(np.float64 if wide else np.float32)
    if source != target:
        work *= full_scale(target) / full_scale(source)
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
