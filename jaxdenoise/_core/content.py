"""Checks of what an image holds, for arrays that are in the host's memory anyway."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

# The fewest steps of float32 that the range of an image must have.
_LEVELS = 64


def check_precision(image: Any) -> None:
    """Differences of numbers that are wider than float32 must be left in it, if JAX computes so."""
    if not isinstance(image, np.ndarray) or not _is_narrowed(image.dtype):
        return
    numbers = image[np.isfinite(image)]
    if not numbers.size:
        return
    low, high = float(numbers.min()), float(numbers.max())
    step = float(np.spacing(np.float32(max(abs(low), abs(high)))))
    if 0 < high - low < _LEVELS * step:
        raise ValueError(
            f"image ranges from {low:.12g} to {high:.12g}, of which float32 keeps steps of "
            f"{step:g}; subtract an offset, or use float64 and jax_enable_x64"
        )


def _is_narrowed(dtype: np.dtype) -> bool:
    if dtype.kind == "f":
        return dtype.itemsize > 4 and jax.dtypes.canonicalize_dtype(dtype) == np.float32
    return dtype.kind in "iu" and dtype.itemsize > 2


def check_content(image: Any, channel_axis: int | None) -> None:
    """Something must be known of every channel."""
    floating = isinstance(image, np.ndarray) and jnp.issubdtype(image.dtype, jnp.floating)
    if floating and (unknown := unknown_channel(image, channel_axis)):
        raise ValueError(f"{unknown} has no finite pixel: nothing is known of it")


def unknown_channel(image: np.ndarray, channel_axis: int | None) -> str | None:
    """Name a channel without a finite pixel, or the image if it has no channels."""
    spatial = tuple(range(image.ndim))
    if channel_axis is not None:
        spatial = tuple(np.delete(spatial, channel_axis).tolist())
    empty = ~np.any(np.isfinite(image), axis=spatial)
    if not np.any(empty):
        return None
    return "image" if channel_axis is None else f"channel {np.argmax(empty)}"
