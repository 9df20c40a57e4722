"""NPY files: arrays whose axes are pages, rows, columns and channels."""

from pathlib import Path

import numpy as np

from jaxdenoise.files.errors import InputError, one_line
from jaxdenoise.files.memory import check_memory
from jaxdenoise.files.pages import Page, Picture, checked

# Axes up to this length beside two longer ones may hold channels.
_FEW = 4


def read_npy(
    path: Path, max_pixels: float | None, channel_axis: int | str | None, volume: bool
) -> Picture:
    """Read an array. `channel_axis` is an axis, `"none"` (no channels), or `None` (not told)."""
    try:
        # Mapped, so that the header is checked before the numbers are read.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header ends in whatever its parser stumbles on
        if "Python objects" in str(error):
            raise InputError(f"{path}: holds Python objects, not numbers of an image") from error
        raise InputError(f"{path}: damaged or unsupported NPY: {one_line(error)}") from error
    _check_plain(path, array)
    axis = channel_axis if isinstance(channel_axis, int) else None
    channels = 1 if axis is None else _channels(path, array, axis)
    pixels = array.size // channels
    size = "shape " + " x ".join(map(str, array.shape))
    check_memory(path, size, pixels, samples=channels, dtype=array.dtype, max_pixels=max_pixels)
    array = checked(np.asarray(array), path)
    spatial = array.ndim - (axis is not None)
    if spatial not in (2, 3):
        raise InputError(
            f"{path}: an array of shape {array.shape} is no image; 2 axes, 3 for pages or a "
            f"volume, and one more with --channel-axis"
        )
    if channel_axis is None and spatial == 3:
        _ask_for_channels(path, array.shape, volume)
    if axis is not None:
        array = np.moveaxis(array, axis, -1)
    stacked = spatial == 3
    pages = tuple(Page(np.ascontiguousarray(a)) for a in (array if stacked else array[None]))
    return Picture(pages, stacked=stacked, channel_axis=axis)


def as_array(pages: list[np.ndarray], picture: Picture) -> np.ndarray:
    """Return the array that a NPY file of these pages holds."""
    array = np.stack(pages) if picture.stacked else pages[0]
    return array if picture.channel_axis is None else np.moveaxis(array, -1, picture.channel_axis)


def _check_plain(path: Path, array: np.ndarray) -> None:
    names = array.dtype.names
    if names is None:
        return
    if set(names) == {"_data", "_mask"}:  # numpy.ma.MaskedArray.toflex
        raise InputError(
            f"{path}: holds a masked array; save its data, and its mask to a file for --mask"
        )
    raise InputError(f"{path}: holds records of {', '.join(names)}, not numbers of an image")


def _ask_for_channels(path: Path, shape: tuple[int, ...], volume: bool) -> None:
    """Raise if the first or last axis may be channels; a volume may have few slices."""
    last = shape[2] <= _FEW < min(shape[:2])
    first = shape[0] <= _FEW < min(shape[1:]) and not volume
    if first or last:
        guess, other = (-1, shape[2]) if last else (0, shape[0])
        raise InputError(
            f"{path}: shape {shape} may be {other} channel(s), or pages; give --channel-axis "
            f"{guess} or --channel-axis none"
        )


def _channels(path: Path, array: np.ndarray, axis: int) -> int:
    if not -array.ndim <= axis < array.ndim:
        raise InputError(f"{path}: --channel-axis {axis} is no axis of shape {array.shape}")
    return max(array.shape[axis], 1)
