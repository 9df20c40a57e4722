"""Mean squared error and peak signal-to-noise ratio."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxdenoise._core.checks import check_positive_scalar, check_real, check_same_shape
from jaxdenoise._core.planes import compute_dtype


def mse(a: ArrayLike, b: ArrayLike) -> Float[Array, ""]:
    """Mean squared error, mean((a - b)^2).

    **Arguments:**

    - `a`, `b`: images of the same shape. Integers are compared as numbers, nothing wraps.

    **Returns:** a scalar in squared units of the images.

    **Raises:** `ValueError` if the shapes differ; `TypeError` for complex images.
    """
    a, b = check_real(a, name="a"), check_real(b, name="b")
    check_same_shape(a, b, ("a", "b"))
    dtype = jnp.promote_types(compute_dtype(a), compute_dtype(b))
    return jnp.mean(jnp.square(jnp.asarray(a).astype(dtype) - jnp.asarray(b).astype(dtype)))


def psnr(a: ArrayLike, b: ArrayLike, *, data_range: ArrayLike) -> Float[Array, ""]:
    """Peak signal-to-noise ratio, 10 log10(data_range^2 / mse(a, b)), in decibels.

    **Arguments:**

    - `a`, `b`: images of the same shape.
    - `data_range`: the difference of the largest and the smallest possible value (1 for an image
        in [0, 1], 255 for 8 bits). There is no default: guessing it is the classical mistake.

    **Returns:** a scalar in dB; infinity for equal images, with gradient 0 there.

    **Raises:** `ValueError` if the shapes differ or `data_range` is not positive.
    """
    data_range = check_positive_scalar(data_range, name="data_range")
    error = mse(a, b)
    differ = error != 0
    ratio = jnp.square(jnp.asarray(data_range, error.dtype)) / jnp.where(differ, error, 1)
    return jnp.where(differ, 10 * jnp.log10(ratio), jnp.inf)
