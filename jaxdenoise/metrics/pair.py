"""Two images to compare, checked, as planes."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxdenoise._core.checks import check_image, check_positive_scalar, check_same_shape
from jaxdenoise._core.planes import to_planes


def planes_of_pair(
    a: ArrayLike,
    b: ArrayLike,
    data_range: ArrayLike,
    channel_axis: int | None,
    *,
    ndim: tuple[int, ...],
    smallest: int = 1,
) -> tuple[Array, Array, Array]:
    """The planes of both and `data_range`, in one dtype; no side is shorter than `smallest`."""
    check_same_shape(a, b, ("a", "b"))
    check_image(a, channel_axis=channel_axis, ndim=ndim, name="a")
    check_image(b, channel_axis=channel_axis, ndim=ndim, name="b")
    data_range = check_positive_scalar(data_range, name="data_range")
    x, y = to_planes(a, channel_axis), to_planes(b, channel_axis)
    if min(x.shape[1:]) < smallest:
        raise ValueError(
            f"a and b must be at least {smallest} pixels a side, got shape {jnp.shape(a)}"
        )
    dtype = jnp.promote_types(x.dtype, y.dtype)
    return x.astype(dtype), y.astype(dtype), jnp.asarray(data_range, dtype)
