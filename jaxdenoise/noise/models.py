"""Noise models: draw, score, variance, and the transforms that make the noise Gaussian."""

import math
from dataclasses import field
from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import gammaln
from jax.typing import ArrayLike
from jaxtyping import Float, PRNGKeyArray

from jaxdenoise._core.checks import check_choice, check_nonnegative, check_positive, check_real
from jaxdenoise._core.planes import as_float
from jaxdenoise._core.pytree import pytree_dataclass
from jaxdenoise._core.safe import safe_divide, safe_sqrt


def _as_float(image: ArrayLike) -> Array:
    check_real(image, name="image")
    return as_float(image)


def _poisson_log_probability(count: Array, rate: Array) -> Array:
    """count log(rate) - rate - log(count!), for a positive rate.

    Of many photons by the distance from rate = count, where Stirling's series has the value: what
    the three terms nearly cancel to would be lost in single precision.
    """
    many = count > 16
    few, n = jnp.where(many, 1, count), jnp.where(many, count, 17)
    excess = (rate - n) / n
    near = excess > -0.5
    log_ratio = jnp.where(near, jnp.log1p(jnp.where(near, excess, 0)), jnp.log(rate) - jnp.log(n))
    stirling = -jnp.log(2 * math.pi * n) / 2 - 1 / (12 * n) + 1 / (360 * n**3)
    of_many = n * (log_ratio - excess) + stirling
    return jnp.where(many, of_many, few * jnp.log(rate) - rate - gammaln(few + 1))


def _normal_log_density(residual: Array, variance: Array) -> Array:
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
        check_nonnegative(self.sigma, name="sigma")

    def sample(self, key: PRNGKeyArray, image: ArrayLike) -> Float[Array, "..."]:
        """A noisy image, neither clipped nor rounded."""
        x = _as_float(image)
        return x + jnp.asarray(self.sigma, x.dtype) * jax.random.normal(key, x.shape, x.dtype)

    def log_likelihood(self, noisy: ArrayLike, image: ArrayLike) -> Float[Array, ""]:
        """log p(noisy | image), summed over the pixels."""
        residual = _as_float(noisy) - _as_float(image)
        return jnp.sum(_normal_log_density(residual, self.variance(image)))

    def variance(self, image: ArrayLike) -> Float[Array, "..."]:
        """sigma^2 at every pixel."""
        x = _as_float(image)
        return jnp.broadcast_to(jnp.square(jnp.asarray(self.sigma, x.dtype)), x.shape)

    def stabilise(self, noisy: ArrayLike) -> Float[Array, "..."]:
        """noisy / sigma, whose noise has standard deviation 1."""
        y = _as_float(noisy)
        return safe_divide(y, jnp.broadcast_to(jnp.asarray(self.sigma, y.dtype), y.shape))

    def unstabilise(self, denoised: ArrayLike) -> Float[Array, "..."]:
        """denoised * sigma, the inverse of `stabilise`."""
        d = _as_float(denoised)
        return d * jnp.asarray(self.sigma, d.dtype)


@pytree_dataclass
class PoissonGaussian:
    r"""Photon noise with read-out noise, y = gain * Poisson(x / gain) + sigma n.

    **Arguments:**

    - `gain`: image units per photon, positive.
    - `sigma`: standard deviation of the read-out noise in the units of the image.

    The generalised Anscombe transform f(y) = 2 sqrt(y/gain + 3/8 + (sigma/gain)^2) makes the noise
    nearly Gaussian with standard deviation 1; `unstabilise` is the closed-form approximation of
    its exact unbiased inverse (Makitalo & Foi, "Optimal inversion of the generalized Anscombe
    transformation for Poisson-Gaussian noise", IEEE TIP 2013, equations 2 and 10).
    """

    gain: ArrayLike
    sigma: ArrayLike

    def __post_init__(self):
        check_positive(self.gain, name="gain")
        check_nonnegative(self.sigma, name="sigma")

    def sample(self, key: PRNGKeyArray, image: ArrayLike) -> Float[Array, "..."]:
        """A noisy image, neither clipped nor rounded; negative intensities count as 0."""
        x = _as_float(image)
        gain = jnp.asarray(self.gain, x.dtype)
        photon_key, read_out_key = jax.random.split(key)
        photons = jax.random.poisson(photon_key, jnp.maximum(x / gain, 0)).astype(x.dtype)
        return Gaussian(self.sigma).sample(read_out_key, gain * photons)

    def log_likelihood(self, noisy: ArrayLike, image: ArrayLike) -> Float[Array, ""]:
        """log p(noisy | image), summed over the pixels.

        The exact density is an infinite sum; this is the normal density with the
        signal-dependent variance of `variance` (Foi, Trimeche, Katkovnik & Egiazarian, IEEE TIP
        2008), good from a few photons a pixel upwards.
        """
        residual = _as_float(noisy) - _as_float(image)
        floor = jnp.square(jnp.asarray(self.gain, residual.dtype)) * 1e-3
        return jnp.sum(_normal_log_density(residual, jnp.maximum(self.variance(image), floor)))

    def variance(self, image: ArrayLike) -> Float[Array, "..."]:
        """gain * max(image, 0) + sigma^2."""
        x = _as_float(image)
        gain, sigma = jnp.asarray(self.gain, x.dtype), jnp.asarray(self.sigma, x.dtype)
        return gain * jnp.maximum(x, 0) + sigma * sigma

    def stabilise(self, noisy: ArrayLike) -> Float[Array, "..."]:
        """The generalised Anscombe transform; its result has noise of standard deviation 1.

        NaN where a pixel is not finite: an infinite one is missing, not black or white.
        """
        y = _as_float(noisy)
        gain, sigma = jnp.asarray(self.gain, y.dtype), jnp.asarray(self.sigma, y.dtype)
        stabilised = 2 * safe_sqrt(y / gain + 3 / 8 + jnp.square(sigma / gain))
        return jnp.where(jnp.isfinite(y), stabilised, jnp.nan)

    def unstabilise(self, denoised: ArrayLike) -> Float[Array, "..."]:
        """The exact unbiased inverse: E[y] as a function of E[stabilise(y)]."""
        d = _as_float(denoised)
        gain, sigma = jnp.asarray(self.gain, d.dtype), jnp.asarray(self.sigma, d.dtype)
        # Below the transform of a zero count no intensity is left: 2 sqrt(3/8).
        d = jnp.maximum(d, 2 * math.sqrt(3 / 8))
        photons = (
            d**2 / 4
            + math.sqrt(3 / 2) / 4 / d
            - 11 / 8 / d**2
            + 5 / 8 * math.sqrt(3 / 2) / d**3
            - 1 / 8
        )
        return gain * jnp.maximum(photons - jnp.square(sigma / gain), 0)


@pytree_dataclass
class Poisson:
    """Photon noise, y = Poisson(peak * x) / peak.

    **Arguments:**

    - `peak`: expected number of photons where the image is 1; positive. For an image in [0, 1] it
        is the brightest pixel's photon count, for an image in photons it is 1.

    `stabilise` is the Anscombe transform 2 sqrt(peak * y + 3/8) and `unstabilise` the closed-form
    approximation of its exact unbiased inverse (Makitalo & Foi, "A closed-form approximation of
    the exact unbiased inverse of the Anscombe variance-stabilizing transformation", IEEE TIP 2011).
    """

    peak: ArrayLike

    def __post_init__(self):
        check_positive(self.peak, name="peak")

    @property
    def _noiseless_read_out(self) -> PoissonGaussian:
        return PoissonGaussian(1 / jnp.asarray(self.peak), 0.0)

    def sample(self, key: PRNGKeyArray, image: ArrayLike) -> Float[Array, "..."]:
        """A noisy image; negative intensities count as 0."""
        x = _as_float(image)
        peak = jnp.asarray(self.peak, x.dtype)
        return jax.random.poisson(key, jnp.maximum(peak * x, 0)).astype(x.dtype) / peak

    def log_likelihood(self, noisy: ArrayLike, image: ArrayLike) -> Float[Array, ""]:
        """log P(peak * noisy photons | image), summed over the pixels.

        Minus infinity where photons came from an intensity that is not positive.
        """
        y, x = _as_float(noisy), _as_float(image)
        peak = jnp.asarray(self.peak, x.dtype)
        count, rate = peak * y, peak * x
        lit = rate > 0
        dark = jnp.where(count > 0, -jnp.inf, 0.0)
        found = _poisson_log_probability(count, jnp.where(lit, rate, 1))
        return jnp.sum(jnp.where(lit, found, dark.astype(x.dtype)))

    def variance(self, image: ArrayLike) -> Float[Array, "..."]:
        """max(image, 0) / peak."""
        return self._noiseless_read_out.variance(image)

    def stabilise(self, noisy: ArrayLike) -> Float[Array, "..."]:
        """The Anscombe transform; its result has noise of standard deviation 1."""
        return self._noiseless_read_out.stabilise(noisy)

    def unstabilise(self, denoised: ArrayLike) -> Float[Array, "..."]:
        """The exact unbiased inverse: E[y] as a function of E[stabilise(y)]."""
        return self._noiseless_read_out.unstabilise(denoised)


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
        check_nonnegative(self.rate, name="rate")
        check_nonnegative(self.sigma, name="sigma")
        check_choice(self.values, ("extremes", "uniform"), name="values")
        if isinstance(self.rate, int | float) and self.rate > 1:
            raise ValueError(f"rate must be a probability, got {self.rate}")

    def sample(self, key: PRNGKeyArray, image: ArrayLike) -> Float[Array, "..."]:
        """A noisy image; the Gaussian part is not clipped to [low, high]."""
        x = _as_float(image)
        low, high = jnp.asarray(self.low, x.dtype), jnp.asarray(self.high, x.dtype)
        gaussian_key, where_key, value_key = jax.random.split(key, 3)
        level = jax.random.uniform(value_key, x.shape, x.dtype)
        if self.values == "extremes":
            level = jnp.round(level)
        hit = jax.random.uniform(where_key, x.shape, x.dtype) < jnp.asarray(self.rate, x.dtype)
        return jnp.where(
            hit, low + level * (high - low), Gaussian(self.sigma).sample(gaussian_key, x)
        )

    def log_likelihood(self, noisy: ArrayLike, image: ArrayLike) -> Float[Array, ""]:
        """log p(noisy | image), summed over the pixels.

        With `values="extremes"` the density is with respect to Lebesgue measure plus a unit mass
        at `low` and at `high`: a pixel at one of them is an impulse almost surely.
        """
        y, x = _as_float(noisy), _as_float(image)
        low, high = jnp.asarray(self.low, x.dtype), jnp.asarray(self.high, x.dtype)
        rate = jnp.asarray(self.rate, x.dtype)
        gaussian = jnp.log1p(-rate) + _normal_log_density(y - x, Gaussian(self.sigma).variance(x))
        if self.values == "extremes":
            return jnp.sum(jnp.where((y == low) | (y == high), jnp.log(rate / 2), gaussian))
        inside = (y >= low) & (y <= high)
        impulse = jnp.log(rate / (high - low))
        return jnp.sum(jnp.where(inside, jnp.logaddexp(gaussian, impulse), gaussian))

    def variance(self, image: ArrayLike) -> Float[Array, "..."]:
        """Var(noisy) given the image, impulses included."""
        x = _as_float(image)
        low, high = jnp.asarray(self.low, x.dtype), jnp.asarray(self.high, x.dtype)
        rate, sigma = jnp.asarray(self.rate, x.dtype), jnp.asarray(self.sigma, x.dtype)
        centre, spread = (low + high) / 2, jnp.square(high - low)
        impulse_variance = spread / (4 if self.values == "extremes" else 12)
        return (
            (1 - rate) * sigma * sigma
            + rate * impulse_variance
            + rate * (1 - rate) * jnp.square(x - centre)
        )
