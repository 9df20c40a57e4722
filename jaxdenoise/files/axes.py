"""Axes of a stack: which of its pages are the slices of one volume."""

import numpy as np

from jaxdenoise.files.errors import InputError
from jaxdenoise.files.pages import Picture

# Axes along which pages are images of their own, by the letters of tifffile and OME.
_APART = {"T": "times", "C": "channels", "S": "samples", "R": "images", "P": "phases"}
_DEPTH = "Z"


def volumes(picture: Picture) -> list[list[int]]:
    """Return the numbers of the pages of every volume, slice by slice.

    Pages of other times and channels are other volumes. Pages whose axis has no name are the
    slices of one.
    """
    count = len(picture.pages)
    if count < 2:
        raise InputError("--volume needs several pages, and the file has one")
    if len({(page.pixels.shape, page.dtype) for page in picture.pages}) > 1:
        raise InputError("--volume needs pages of one shape and bit depth")
    lengths = dict(enumerate(picture.lengths)) if picture.axes else {0: count}
    names = picture.axes or "I"
    long = [axis for axis, length in lengths.items() if length > 1]
    depth = [axis for axis in long if names[axis] == _DEPTH]
    depth = depth or [axis for axis in long if names[axis] not in _APART]
    if len(depth) != 1:
        shown = " x ".join(f"{lengths[axis]} {_APART.get(names[axis], '?')}" for axis in long)
        raise InputError(
            f"--volume needs one axis of slices (Z), and its {count} pages are {shown}; save them "
            f"as an ImageJ or OME stack that names its axes"
        )
    numbers = np.arange(count).reshape(tuple(lengths.values()))
    return np.moveaxis(numbers, depth[0], -1).reshape(-1, lengths[depth[0]]).tolist()
