"""Noise models without photons: draw, score, variance; Gaussian noise and impulses."""

import math
from dataclasses import field
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, PRNGKeyArray

from jaxdenoise._core.checks import (
    check_choice,
    check_finite,
    check_nonnegative,
    check_real,
    known,
)
from jaxdenoise._core.planes import as_float
from jaxdenoise._core.pytree import pytree_dataclass
from jaxdenoise._core.safe import safe_divide


def as_real_float(image: ArrayLike) -> Array:
    check_real(image, name="image")
    return as_float(image)


def normal_log_density(residual: Array, variance: Array) -> Array:
    """Without noise a point mass: infinite where the residual is 0, minus infinity elsewhere."""
    noisy = variance > 0
    v = jnp.where(noisy, variance, 1)
    density = -0.5 * (residual * residual / v + jnp.log(2 * math.pi * v))
    return jnp.where(noisy, density, jnp.where(residual == 0, jnp.inf, -jnp.inf))


@pytree_dataclass
class Gaussian:
    """Additive white Gaussian noise, y = x + sigma n with n ~ N(0, 1).

    **Arguments:**

    - `sigma`: standard deviation in the units of the image; a scalar or a noise map that
        broadcasts to it.
    """

    sigma: ArrayLike

    def __post_init__(self):
        check_real(self.sigma, name="sigma")
        check_nonnegative(self.sigma, name="sigma")

    def sample(self, key: PRNGKeyArray, image: ArrayLike) -> Float[Array, "..."]:
        """A noisy image, neither clipped nor rounded."""
        x = as_real_float(image)
        return x + jnp.asarray(self.sigma, x.dtype) * jax.random.normal(key, x.shape, x.dtype)

    def log_likelihood(self, noisy: ArrayLike, image: ArrayLike) -> Float[Array, ""]:
        """log p(noisy | image), summed over the pixels."""
        residual = as_real_float(noisy) - as_real_float(image)
        return jnp.sum(normal_log_density(residual, self.variance(image)))

    def variance(self, image: ArrayLike) -> Float[Array, "..."]:
        """sigma^2 at every pixel."""
        x = as_real_float(image)
        return jnp.broadcast_to(jnp.square(jnp.asarray(self.sigma, x.dtype)), x.shape)

    def stabilise(self, noisy: ArrayLike) -> Float[Array, "..."]:
        """noisy / sigma, whose noise has standard deviation 1."""
        y = as_real_float(noisy)
        return safe_divide(y, jnp.broadcast_to(jnp.asarray(self.sigma, y.dtype), y.shape))

    def unstabilise(self, denoised: ArrayLike) -> Float[Array, "..."]:
        """denoised * sigma, the inverse of `stabilise`."""
        d = as_real_float(denoised)
        return d * jnp.asarray(self.sigma, d.dtype)


@pytree_dataclass
class Impulse:
    """Dead and hot pixels in Gaussian noise: with probability `rate` a pixel is lost.

    **Arguments:**

    - `rate`: probability of an impulse, in [0, 1].
    - `low`, `high`: the values of impulses, or their range.
    - `sigma`: standard deviation of the Gaussian noise on the other pixels.
    - `values`: `"extremes"` (salt and pepper: `low` or `high`, equally often) or `"uniform"`
        (random-valued: uniform in [low, high]). Static.

    No transform makes this noise Gaussian, so there is no `stabilise`.
    """

    rate: ArrayLike
    low: ArrayLike
    high: ArrayLike
    sigma: ArrayLike
    values: Literal["extremes", "uniform"] = field(default="extremes", metadata={"static": True})

    def __post_init__(self):
        for name in ("rate", "low", "high", "sigma"):
            check_real(getattr(self, name), name=name)
        check_nonnegative(self.rate, name="rate")
        check_nonnegative(self.sigma, name="sigma")
        check_finite(self.low, name="low")
        check_finite(self.high, name="high")
        check_choice(self.values, ("extremes", "uniform"), name="values")
        if known(self.rate) and np.any(np.asarray(self.rate) > 1):
            raise ValueError(f"rate must be a probability, got {self.rate}")

    def sample(self, key: PRNGKeyArray, image: ArrayLike) -> Float[Array, "..."]:
        """A noisy image; the Gaussian part is not clipped to [low, high]."""
        x = as_real_float(image)
        low, high = jnp.asarray(self.low, x.dtype), jnp.asarray(self.high, x.dtype)
        gaussian_key, where_key, value_key = jax.random.split(key, 3)
        level = jax.random.uniform(value_key, x.shape, x.dtype)
        # Not low + level (high - low), which rounding may keep from `high` itself.
        extreme = jnp.where(level > 0.5, high, low)
        impulse = extreme if self.values == "extremes" else low + level * (high - low)
        hit = jax.random.uniform(where_key, x.shape, x.dtype) < jnp.asarray(self.rate, x.dtype)
        return jnp.where(hit, impulse, Gaussian(self.sigma).sample(gaussian_key, x))

    def log_likelihood(self, noisy: ArrayLike, image: ArrayLike) -> Float[Array, ""]:
        """log p(noisy | image), summed over the pixels.

        With `values="extremes"` the density is with respect to Lebesgue measure plus a unit mass
        at `low` and at `high`: a pixel at one of them is an impulse almost surely. At a rate of 0
        there are no impulses, and the density is that of the Gaussian noise everywhere.
        """
        y, x = as_real_float(noisy), as_real_float(image)
        low, high = jnp.asarray(self.low, x.dtype), jnp.asarray(self.high, x.dtype)
        rate = jnp.asarray(self.rate, x.dtype)
        some, all_lost = rate > 0, rate >= 1
        log_rate = jnp.log(jnp.where(some, rate, 1))
        log_rest = jnp.where(all_lost, -jnp.inf, jnp.log1p(-jnp.where(all_lost, 0, rate)))
        gaussian = log_rest + normal_log_density(y - x, Gaussian(self.sigma).variance(x))
        if self.values == "extremes":
            impulse = some & ((y == low) | (y == high))
            return jnp.sum(jnp.where(impulse, log_rate - math.log(2), gaussian))
        impulse = some & (y >= low) & (y <= high)
        log_density = log_rate - jnp.log(high - low)
        mixture = jnp.logaddexp(gaussian, jnp.where(impulse, log_density, gaussian))
        return jnp.sum(jnp.where(impulse, mixture, gaussian))

    def variance(self, image: ArrayLike) -> Float[Array, "..."]:
        """Var(noisy) given the image, impulses included."""
        x = as_real_float(image)
        low, high = jnp.asarray(self.low, x.dtype), jnp.asarray(self.high, x.dtype)
        rate, sigma = jnp.asarray(self.rate, x.dtype), jnp.asarray(self.sigma, x.dtype)
        centre, spread = (low + high) / 2, jnp.square(high - low)
        impulse_variance = spread / (4 if self.values == "extremes" else 12)
        return (
            (1 - rate) * sigma * sigma
            + rate * impulse_variance
            + rate * (1 - rate) * jnp.square(x - centre)
        )
