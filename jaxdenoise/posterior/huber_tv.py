"""Total variation that is smooth at 0."""

from dataclasses import field

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxdenoise._core.checks import check_positive_scalar, check_scalar
from jaxdenoise._core.differences import forward_difference
from jaxdenoise._core.planes import as_float
from jaxdenoise._core.pytree import pytree_dataclass
from jaxdenoise._core.safe import huber
from jaxdenoise.posterior.prior import Prior


@pytree_dataclass
class HuberTV(Prior):
    r"""Isotropic total variation with Huber's function of the gradient's length.

    $$E(x) = w \sum_i \rho_\delta(|\nabla x_i|), \qquad
    \rho_\delta(t) = t^2 / (2 \delta) \text{ for } t \le \delta, \text{ else } t - \delta / 2$$

    with forward differences along all axes of the image but that of its channels, over which the
    length runs too.

    **Arguments:**

    - `weight`: w, per unit of the image. For Gaussian noise and grey 0.8 / sigma is about that of
        `jd.tv`.
    - `delta`: in units of the image, positive: gradients below it are smoothed, not sharpened.
    - `channel_axis`: the axis of the channels. Static.

    **Raises:** `ValueError` for a weight or delta out of range.

    **References:** Rudin, Osher & Fatemi, Physica D 1992. Huber, "Robust estimation of a location
    parameter", Annals of Mathematical Statistics 1964.
    """

    weight: ArrayLike
    delta: ArrayLike
    channel_axis: int | None = field(default=None, metadata={"static": True})

    def __post_init__(self):
        check_scalar(self.weight, name="weight")
        check_positive_scalar(self.delta, name="delta")

    def energy(self, image: ArrayLike) -> Float[Array, ""]:
        x = as_float(image)
        x = x[None] if self.channel_axis is None else jnp.moveaxis(x, self.channel_axis, 0)
        squares = jnp.zeros_like(x[0])
        for axis in range(1, x.ndim):
            squares += jnp.sum(jnp.square(forward_difference(x, axis)), axis=0)
        delta = jnp.asarray(self.delta, x.dtype)
        return jnp.asarray(self.weight, x.dtype) * jnp.sum(huber(squares, delta))
