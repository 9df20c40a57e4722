"""Regularisation by denoising."""

from collections.abc import Callable
from dataclasses import field

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxdenoise._core.checks import check_nonnegative, check_real
from jaxdenoise._core.planes import as_float
from jaxdenoise._core.pytree import pytree_dataclass
from jaxdenoise._core.safe import positive_floor
from jaxdenoise.posterior.prior import Prior
from jaxdenoise.risk.denoising import find


@pytree_dataclass
class RED(Prior):
    r"""A denoiser as a prior: images are likely that it leaves as they are.

    $$E(x) = \frac{1}{2 \sigma^2}\, x^T (x - f(x, \sigma))$$

    Its gradient is that of the energy, by automatic differentiation. It is $(x - f(x)) / \sigma^2$
    only for denoisers that are homogeneous and have a symmetric Jacobian, as few do (Reehorst &
    Schniter); the energy need not be convex, and can be negative. Scale it: `0.2 * jd.RED(...)`.

    **Arguments:**

    - `denoiser`: f, called as `denoiser(image, sigma)`, such as `jd.nlm`, or the name of a method.
        Static.
    - `sigma`: the noise that it is told, in units of the image; a scalar or a map.

    **References:** Romano, Elad & Milanfar, "The little engine that could: regularization by
    denoising (RED)", SIAM Journal on Imaging Sciences 2017, equation 19. Reehorst & Schniter,
    "Regularization by denoising: clarifications and new interpretations", IEEE TCI 2019.
    """

    denoiser: str | Callable[..., Array] = field(metadata={"static": True})
    sigma: ArrayLike

    def __post_init__(self):
        find(self.denoiser)
        check_real(self.sigma, name="sigma")
        check_nonnegative(self.sigma, name="sigma")

    def energy(self, image: ArrayLike) -> Float[Array, ""]:
        x = as_float(image)
        sigma = positive_floor(jnp.asarray(self.sigma, x.dtype), x)
        change = x - find(self.denoiser)(x, sigma).astype(x.dtype)
        return jnp.sum(x * change / jnp.square(jnp.broadcast_to(sigma, x.shape))) / 2
