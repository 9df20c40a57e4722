"""Pixels that are NaN or infinite: where they are, and what to put there."""

import numpy as np

from jaxdenoise.files.errors import InputError

# Samples gathered at a time, so that a large hole does not need a large table.
_GATHERED = 1 << 22


def describe_nonfinite(image: np.ndarray, shown: int = 3) -> str | None:
    """How many samples are not finite and where the first are; `None` if all are finite."""
    bad = np.argwhere(~np.isfinite(image))
    if not len(bad):
        return None
    first = ", ".join(str(tuple(int(i) for i in index)) for index in bad[:shown])
    noun = "value" if len(bad) == 1 else "values"
    return f"{len(bad)} non-finite {noun}, at index {first}" + (", ..." if len(bad) > shown else "")


def finite(
    image: np.ndarray, channel_axis: int | None, *, fill: bool = False, where: str = ""
) -> np.ndarray:
    """The image if all of it is finite; else repaired if `fill` is set, else an error."""
    problem = describe_nonfinite(image)
    if problem is None:
        return image
    if fill:
        return fill_with_median(image, channel_axis)
    raise InputError(f"{problem}{where}; --fill-nonfinite median repairs them")


def fill_with_median(image: np.ndarray, channel_axis: int | None) -> np.ndarray:
    """Each non-finite pixel becomes the median of the finite ones in the smallest window with any.

    Windows are squares (cubes) of odd side around the pixel, cut at the border, and every channel
    is repaired by itself.
    """
    if channel_axis is None:
        return _fill(image)
    planes = np.moveaxis(image, channel_axis, 0)
    return np.moveaxis(np.stack([_fill(plane) for plane in planes]), 0, channel_axis)


def _fill(plane: np.ndarray) -> np.ndarray:
    reached = np.isfinite(plane)
    if not reached.any():
        raise InputError("no finite pixel to fill the others from")
    filled = plane.copy()
    radius = 0
    while not reached.all():
        radius += 1
        wider = _dilate(reached)
        holes = np.argwhere(wider & ~reached)
        filled[tuple(holes.T)] = _shell_medians(plane, holes, radius)
        reached = wider
    return filled


def _dilate(mask: np.ndarray) -> np.ndarray:
    for axis in range(mask.ndim):
        grown = mask.copy()
        ahead, behind = [slice(None)] * mask.ndim, [slice(None)] * mask.ndim
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        grown[tuple(ahead)] |= mask[tuple(behind)]
        grown[tuple(behind)] |= mask[tuple(ahead)]
        mask = grown
    return mask


def _shell_medians(plane: np.ndarray, centres: np.ndarray, radius: int) -> np.ndarray:
    """Medians over the windows' outermost layer: a smaller window held nothing finite."""
    cube = np.indices((2 * radius + 1,) * plane.ndim).reshape(plane.ndim, -1).T - radius
    shell = cube[np.abs(cube).max(axis=1) == radius]
    step = max(1, _GATHERED // len(shell))
    parts = [
        _medians(plane, centres[i : i + step, None, :] + shell)
        for i in range(0, len(centres), step)
    ]
    return np.concatenate(parts)


def _medians(plane: np.ndarray, indices: np.ndarray) -> np.ndarray:
    limit = np.array(plane.shape) - 1
    inside = ((indices >= 0) & (indices <= limit)).all(axis=-1)
    values = plane[tuple(np.moveaxis(np.clip(indices, 0, limit), -1, 0))]
    finite = inside & np.isfinite(values)
    ordered = np.sort(np.where(finite, values, np.inf), axis=1)
    count = finite.sum(axis=1)
    rows = np.arange(len(ordered))
    low, high = ordered[rows, (count - 1) // 2], ordered[rows, count // 2]
    return 0.5 * low + 0.5 * high
