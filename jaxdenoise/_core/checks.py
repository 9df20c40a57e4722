"""Trace-time checks: one clear error that names the argument, what was expected and what came."""

from numbers import Integral, Real
from typing import TypeGuard

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike


def check_image(
    image: ArrayLike,
    *,
    channel_axis: int | None = None,
    ndim: tuple[int, ...] = (2,),
    name: str = "image",
) -> None:
    """Real, not empty, with one of `ndim` numbers of spatial axes beside the channel axis."""
    check_real(image, name=name)
    shape = np.shape(image)
    spatial = len(shape)
    if channel_axis is not None:
        check_channel_axis(channel_axis, len(shape), name=name)
        spatial -= 1
    if spatial not in ndim:
        expected = " or ".join(map(str, ndim))
        beside = "" if channel_axis is None else f" beside channel_axis={channel_axis}"
        raise ValueError(
            f"{name} must have {expected} spatial axes{beside}, got shape {shape}"
            + ("" if channel_axis is not None else " (colour needs channel_axis)")
        )
    if 0 in shape:
        raise ValueError(f"{name} must not be empty, got shape {shape}")


def check_real(value: ArrayLike, *, name: str) -> None:
    try:
        dtype = jnp.result_type(value)
    except (TypeError, ValueError):
        kind = type(value).__name__
        raise TypeError(f"{name} must be a number or a real array, got a {kind}") from None
    real = (jnp.floating, jnp.integer, jnp.bool_)
    if not any(jnp.issubdtype(dtype, kind) for kind in real):
        raise TypeError(f"{name} must be a real array, got dtype {dtype}")


def check_channel_axis(channel_axis: object, ndim: int, *, name: str = "image") -> None:
    if not _is_integer(channel_axis) or not -ndim <= channel_axis < ndim:
        raise ValueError(
            f"channel_axis must be None or an axis of {name}, which has {ndim} axes, "
            f"got {channel_axis!r}"
        )


def check_same_shape(a: ArrayLike, b: ArrayLike, names: tuple[str, str]) -> None:
    if np.shape(a) != np.shape(b):
        raise ValueError(
            f"{names[0]} and {names[1]} must have the same shape, "
            f"got {np.shape(a)} and {np.shape(b)}"
        )


def check_broadcasts(value: ArrayLike, image: ArrayLike, *, name: str = "sigma") -> None:
    """`value` is a scalar or a map that broadcasts to the image."""
    shape = np.shape(image)
    try:
        fits = np.broadcast_shapes(np.shape(value), shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{name} must be a scalar or broadcast to the image's shape {shape}, "
            f"got shape {np.shape(value)}"
        )


def check_nonnegative(value: ArrayLike, *, name: str = "sigma") -> None:
    """Only values known at trace time can be checked: Python and NumPy numbers."""
    if isinstance(value, Real | np.ndarray) and not np.all(np.isfinite(value) & (value >= 0)):
        shown = value if np.ndim(value) == 0 else "an array with negative or non-finite values"
        raise ValueError(f"{name} must be finite and not negative, got {shown}")


def check_positive(value: ArrayLike, *, name: str) -> None:
    if isinstance(value, Real | np.ndarray) and not np.all(np.isfinite(value) & (value > 0)):
        shown = value if np.ndim(value) == 0 else "an array with values that are not"
        raise ValueError(f"{name} must be finite and positive, got {shown}")


def check_scalar(value: ArrayLike, *, name: str) -> None:
    check_real(value, name=name)
    if np.ndim(value):
        raise ValueError(f"{name} must be a scalar, got shape {np.shape(value)}")
    check_nonnegative(value, name=name)


def check_share(value: ArrayLike, *, name: str) -> None:
    """A scalar from 0 to 1, without 1."""
    check_scalar(value, name=name)
    if isinstance(value, Real | np.ndarray) and not value < 1:
        raise ValueError(f"{name} must be below 1, got {value}")


def check_mask(mask: ArrayLike, image: ArrayLike, channel_axis: int | None) -> None:
    """Booleans or integers that broadcast to the image, or to it without its channel axis."""
    check_real(mask, name="mask")
    if jnp.issubdtype(jnp.result_type(mask), jnp.floating):
        raise TypeError(f"mask must be of booleans or integers, got dtype {jnp.result_type(mask)}")
    shape = np.shape(image)
    if channel_axis is None or np.ndim(mask) == len(shape):
        check_broadcasts(mask, image, name="mask")
    elif np.shape(mask) != (spatial := tuple(np.delete(shape, channel_axis).tolist())):
        raise ValueError(f"mask must have shape {spatial} or {shape}, got {np.shape(mask)}")


def check_positive_scalar(value: ArrayLike, *, name: str) -> None:
    check_scalar(value, name=name)
    check_positive(value, name=name)


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_odd(size: object, *, name: str) -> None:
    if not _is_integer(size) or size < 1 or size % 2 == 0:
        raise ValueError(f"{name} must be an odd positive integer, got {size!r}")


def check_count(count: object, *, name: str) -> None:
    if not _is_integer(count) or count < 1:
        raise ValueError(f"{name} must be a positive integer, got {count!r}")


def check_choice(choice: object, choices: tuple, *, name: str) -> None:
    if choice not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {choice!r}")


def check_parameter(value: ArrayLike | None, image: ArrayLike, *, name: str) -> None:
    """A nonnegative scalar or map; `None` stands for the default rule."""
    if value is not None:
        check_real(value, name=name)
        check_broadcasts(value, image, name=name)
        check_nonnegative(value, name=name)


def check_denoiser_input(
    image: ArrayLike, sigma: ArrayLike | None, *, channel_axis: int | None, ndim: tuple[int, ...]
) -> None:
    check_image(image, channel_axis=channel_axis, ndim=ndim)
    if sigma is None:
        raise ValueError("sigma must be a number or a map, got None; `denoise` estimates it")
    check_parameter(sigma, image, name="sigma")
