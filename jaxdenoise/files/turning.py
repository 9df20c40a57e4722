"""Turn pixels upright, as the orientation of EXIF and TIFF tells."""

import numpy as np

# The tag of EXIF and TIFF.
ORIENTATION = 0x0112


def upright(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Return (rows, columns, ...) as they are to be looked at; unknown codes change nothing."""
    if orientation in (5, 6, 7, 8):
        samples = np.swapaxes(samples, 0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return np.ascontiguousarray(samples)


def swaps_sides(orientation: int) -> bool:
    """Whether width and height change places."""
    return orientation in (5, 6, 7, 8)
