"""How much two masks overlap."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxdenoise._core.checks import check_real, check_same_shape
from jaxdenoise._core.planes import compute_dtype


def dice(a: ArrayLike, b: ArrayLike) -> Float[Array, ""]:
    r"""The Dice coefficient of two masks, $2 \sum a b / (\sum a + \sum b)$.

    From 0, nothing in common, to 1. Of masks of 0 and 1 it is the F1 score; of shares between them
    it is soft, and differentiable.

    **Arguments:**

    - `a`, `b`: masks of the same shape: booleans, or numbers from 0 to 1.

    **Returns:** a scalar; 1 where both masks are empty.

    **Raises:** `ValueError` if the shapes differ; `TypeError` for complex masks.

    **References:** Dice, "Measures of the amount of ecologic association between species", Ecology
    1945. Milletari, Navab & Ahmadi, "V-Net", 3DV 2016 (as a loss).
    """
    common, total = _common_and_total(a, b)
    return _share(2 * common, total)


def iou(a: ArrayLike, b: ArrayLike) -> Float[Array, ""]:
    r"""Intersection over union, Jaccard's index: $\sum a b / (\sum a + \sum b - \sum a b)$.

    Arguments, result and errors as those of `dice`, of which it is D / (2 - D).
    """
    common, total = _common_and_total(a, b)
    return _share(common, total - common)


def _common_and_total(a: ArrayLike, b: ArrayLike) -> tuple[Array, Array]:
    check_same_shape(a, b, ("a", "b"))
    check_real(a, name="a")
    check_real(b, name="b")
    dtype = jnp.promote_types(compute_dtype(a), compute_dtype(b))
    x, y = (jnp.asarray(mask).astype(dtype) for mask in (a, b))
    return jnp.sum(x * y), jnp.sum(x) + jnp.sum(y)


def _share(part: Array, whole: Array) -> Array:
    some = whole != 0
    return jnp.where(some, part / jnp.where(some, whole, 1), 1)
