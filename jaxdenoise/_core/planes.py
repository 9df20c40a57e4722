"""Planes: the internal layout of an image, channels first and always there, (C, *spatial)."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike


def native(value: Any) -> Any:
    """The same numbers as JAX takes them without a loss.

    NumPy arrays get the machine's byte order, 64-bit integers become float32 before JAX cuts them
    to 32 bits, and masked entries become NaN, a missing pixel. Anything else stays as it is.
    """
    if not isinstance(value, np.ndarray | np.generic):
        return value
    dtype = value.dtype
    if dtype.kind in "iu" and (dtype.itemsize > 4 or np.ma.is_masked(value)):
        dtype = np.dtype(np.float32)
    elif dtype.kind == "f":
        dtype = np.dtype(np.float64) if dtype.itemsize > 8 else dtype.newbyteorder("=")
    elif dtype.kind in "iu":
        dtype = dtype.newbyteorder("=")
    value = value.astype(dtype, copy=False)
    if isinstance(value, np.ma.MaskedArray):
        value = value.filled(np.nan) if np.ma.is_masked(value) else value.data
    return value


def float_dtype(image: ArrayLike) -> jnp.dtype:
    """The dtype of a result: the image's own if it is floating, else float32."""
    dtype = jnp.result_type(native(image))
    return dtype if jnp.issubdtype(dtype, jnp.floating) else jnp.dtype(jnp.float32)


def compute_dtype(image: ArrayLike) -> jnp.dtype:
    """Half precision is computed in float32: sums over a window need more than 11 bits."""
    dtype = float_dtype(image)
    return jnp.dtype(jnp.float32) if dtype.itemsize < 4 else dtype


def as_float(image: ArrayLike) -> Array:
    image = native(image)
    return jnp.asarray(image).astype(compute_dtype(image))


def spatial_shape(image: ArrayLike, channel_axis: int | None) -> tuple[int, ...]:
    """The image's shape without its channel axis."""
    shape = list(jnp.shape(image))
    if channel_axis is not None:
        del shape[channel_axis]
    return tuple(shape)


def spatial_axes(planes: Array) -> tuple[int, ...]:
    """All axes of (C, *spatial) but the first."""
    return tuple(range(1, planes.ndim))


def to_planes(image: ArrayLike, channel_axis: int | None) -> Array:
    planes = as_float(image)
    return planes[None] if channel_axis is None else jnp.moveaxis(planes, channel_axis, 0)


def from_planes(planes: Array, image: ArrayLike, channel_axis: int | None) -> Array:
    """Back to the layout and dtype of `image`."""
    out = planes[0] if channel_axis is None else jnp.moveaxis(planes, 0, channel_axis)
    return out.astype(float_dtype(image))


def map_to_planes(value: ArrayLike, image: ArrayLike, channel_axis: int | None) -> Array:
    """A parameter per pixel in the layout of `to_planes`; a scalar stays a scalar."""
    value = jnp.asarray(value).astype(compute_dtype(image))
    if value.ndim == 0:
        return value
    return to_planes(jnp.broadcast_to(value, jnp.shape(image)), channel_axis)
