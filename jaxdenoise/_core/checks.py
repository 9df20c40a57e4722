"""Trace-time checks: one clear error that names the argument, what was expected and what came.

Checks of arrays return what JAX takes without a loss, see `native`. Values are checked wherever
they are known: in Python numbers, NumPy and JAX arrays. Under `jit` they are not, and there
`standardise` turns a result that rests on a bad number into NaN.
"""

from numbers import Integral
from typing import Any, TypeGuard

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from jaxdenoise._core.content import check_content, check_precision
from jaxdenoise._core.planes import native
from jaxdenoise._core.schedule import Schedule

_NUMBERS = (bool, int, float, complex, np.generic, jax.Array)
_LARGEST_COUNT = 2**31 - 1
# At most so many pixels long, beside axes of at least so many, an axis may be one of channels.
_FEW, _MANY = 4, 16


def check_image(
    image: Any,
    *,
    channel_axis: int | None = None,
    ndim: tuple[int, ...] = (2,),
    name: str = "image",
) -> ArrayLike:
    """Real, not empty, with one of `ndim` numbers of spatial axes beside the channel axis."""
    image = check_real(image, name=name)
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
    if channel_axis is None and len(shape) == 3:
        _check_volume(shape, name)
    return image


def _check_volume(shape: tuple[int, ...], name: str) -> None:
    """A small axis beside two large ones is a question."""
    for axis, others in ((-1, shape[:-1]), (0, shape[1:])):
        if shape[axis] <= _FEW and min(others) >= _MANY:
            count = shape[axis]
            raise ValueError(
                f"{name} has shape {shape}: {count} channels, or {count} slices of a volume? Give "
                f"channel_axis={axis} for channels, or {name}[..., None] and channel_axis=-1 for "
                f"a volume"
            )


def check_real(value: Any, *, name: str) -> ArrayLike:
    """A real number, or a NumPy or JAX array of them.

    Other containers are refused: units, coordinates and devices would be lost without a word.
    """
    kind = type(value)
    if kind not in (np.ndarray, np.memmap, np.ma.MaskedArray) and not (
        isinstance(value, _NUMBERS) or hasattr(value, "__jax_array__")
    ):
        package = kind.__module__.partition(".")[0]
        shown = kind.__name__ if package == "builtins" else f"{package} {kind.__name__}"
        advice = "; np.asarray makes it one, without units and coordinates"
        raise TypeError(
            f"{name} must be a number or a real NumPy or JAX array, got a {shown}"
            + (advice if hasattr(value, "__array__") else "")
        )
    if isinstance(value, int) and not -(2**31) <= value < 2**31:
        raise ValueError(f"{name} must be a float or an integer of 32 bits, got {value}")
    dtype = getattr(value, "dtype", None) or jnp.result_type(value)
    if not any(jnp.issubdtype(dtype, kind) for kind in (jnp.floating, jnp.integer, jnp.bool_)):
        advice = "; give its two parts as channels, [x.real, x.imag]"
        is_complex = jnp.issubdtype(dtype, jnp.complexfloating)
        raise TypeError(
            f"{name} must be a real array, got dtype {dtype}" + (advice if is_complex else "")
        )
    return native(value)


def known(value: Any) -> bool:
    """Whether the numbers can be looked at: neither traced nor on another host."""
    if isinstance(value, Tracer):
        return False
    if isinstance(value, jax.Array):
        return value.is_fully_addressable
    return isinstance(value, int | float | np.ndarray | np.generic)


def check_channel_axis(channel_axis: object, ndim: int, *, name: str = "image") -> None:
    if not _is_integer(channel_axis) or not -ndim <= channel_axis < ndim:
        raise ValueError(
            f"channel_axis must be None or an axis of {name}, which has {ndim} axes, "
            f"got {_shown(channel_axis)}"
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


def check_finite(value: Any, *, name: str) -> None:
    if known(value) and not np.all(np.isfinite(np.asarray(value))):
        shown = value if np.ndim(value) == 0 else "an array with non-finite values"
        raise ValueError(f"{name} must be finite, got {shown}")


def check_nonnegative(value: Any, *, name: str = "sigma") -> None:
    _check_each(value, lambda x: x >= 0, "not negative", "negative", name)


def check_positive(value: Any, *, name: str) -> None:
    _check_each(value, lambda x: x > 0, "positive", "non-positive", name)


def _check_each(value: Any, holds: Any, wanted: str, unwanted: str, name: str) -> None:
    if not known(value):
        return
    numbers = np.asarray(value)
    if np.ma.is_masked(value) or not np.all(np.isfinite(numbers) & holds(numbers)):
        shown = value if np.ndim(value) == 0 else f"an array with {unwanted} or non-finite values"
        raise ValueError(f"{name} must be finite and {wanted}, got {shown}")


def check_scalar(value: Any, *, name: str) -> ArrayLike:
    value = check_real(value, name=name)
    if np.ndim(value):
        raise ValueError(f"{name} must be a scalar, got shape {np.shape(value)}")
    check_nonnegative(value, name=name)
    return value


def check_share(value: Any, *, name: str) -> ArrayLike:
    """A scalar from 0 to 1, without 1."""
    value = check_scalar(value, name=name)
    if known(value) and not value < 1:
        raise ValueError(f"{name} must be below 1, got {value}")
    return value


def check_mask(mask: Any, image: ArrayLike, channel_axis: int | None) -> ArrayLike:
    """Booleans or integers that broadcast to the image, or to it without its channel axis."""
    mask = check_real(mask, name="mask")
    if jnp.issubdtype(jnp.result_type(mask), jnp.floating):
        raise TypeError(f"mask must be of booleans or integers, got dtype {jnp.result_type(mask)}")
    shape = np.shape(image)
    if channel_axis is None or np.ndim(mask) == len(shape):
        check_broadcasts(mask, image, name="mask")
    elif np.shape(mask) != (spatial := tuple(np.delete(shape, channel_axis).tolist())):
        raise ValueError(f"mask must have shape {spatial} or {shape}, got {np.shape(mask)}")
    return mask


def check_positive_scalar(value: Any, *, name: str) -> ArrayLike:
    value = check_scalar(value, name=name)
    check_positive(value, name=name)
    return value


def _shown(value: object) -> str:
    """On one line, arrays by their shapes."""
    if isinstance(value, np.ndarray | jax.Array) and value.ndim:
        return f"an array of shape {value.shape}"
    return " ".join(repr(value).split())


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_odd(size: object, *, name: str) -> None:
    if not _is_integer(size) or not 1 <= size <= _LARGEST_COUNT or size % 2 == 0:
        raise ValueError(f"{name} must be an odd positive integer, got {_shown(size)}")


def check_sizes(
    size: Any, default: dict[int, int], image: ArrayLike, channel_axis: int | None, *, name: str
) -> tuple[int, ...]:
    """An odd size along every spatial axis: one for all, one for each, or `None` for the default.

    The default depends on the number of axes: in a volume a window holds many more pixels.
    """
    axes = np.ndim(image) - (channel_axis is not None)
    sizes = default[axes] if size is None else size
    sizes = sizes if isinstance(sizes, tuple | list) else (sizes,) * axes
    if len(sizes) != axes:
        raise ValueError(f"{name} must be one odd integer or {axes} of them, got {_shown(size)}")
    for each in sizes:
        check_odd(each, name=name)
    return tuple(map(int, sizes))


def check_count(count: object, *, name: str) -> None:
    if not _is_integer(count) or count < 1:
        raise ValueError(f"{name} must be a positive integer, got {_shown(count)}")
    if count > _LARGEST_COUNT:
        raise ValueError(f"{name} must be at most {_LARGEST_COUNT}, got {count}")


def check_schedule(schedule: object) -> None:
    """A `Schedule` of positive integers, or `None` for that of the platform."""
    if schedule is None:
        return
    if not isinstance(schedule, Schedule):
        raise TypeError(f"schedule must be a Schedule or None, got {_shown(schedule)}")
    for name, size in schedule._asdict().items():
        check_count(size, name=f"{name} of schedule")


def check_choice(choice: object, choices: tuple, *, name: str) -> None:
    is_one = isinstance(choice, str) or _is_integer(choice)
    if not is_one or choice not in choices:
        raise ValueError(
            f"{name} must be one of {', '.join(map(repr, choices))}, got {_shown(choice)}"
        )


def check_flag(flag: object, *, name: str) -> None:
    if not isinstance(flag, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {_shown(flag)}")


def check_parameter(value: Any, image: ArrayLike, *, name: str) -> Any:
    """A nonnegative scalar or map; `None` stands for the default rule."""
    if value is None:
        return None
    value = check_real(value, name=name)
    check_broadcasts(value, image, name=name)
    check_nonnegative(value, name=name)
    return value


def check_denoiser_input(
    image: Any, sigma: Any, *, channel_axis: int | None, ndim: tuple[int, ...]
) -> tuple[Any, Any]:
    check_precision(image)
    image = check_image(image, channel_axis=channel_axis, ndim=ndim)
    if sigma is None:
        raise ValueError("sigma must be a number or a map, got None; `denoise` estimates it")
    check_content(image, channel_axis)
    return image, check_parameter(sigma, image, name="sigma")
