"""Noise models of photon counts, and the transforms that make their noise Gaussian."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.scipy.special import gammaln
from jax.typing import ArrayLike
from jaxtyping import Float, PRNGKeyArray

from jaxdenoise._core.checks import check_nonnegative, check_positive, check_real
from jaxdenoise._core.pytree import pytree_dataclass
from jaxdenoise._core.safe import safe_sqrt
from jaxdenoise.noise.models import Gaussian, as_real_float, normal_log_density


def _draw_photons(key: PRNGKeyArray, rate: Array) -> Array:
    """Counts of a rate; the sampler itself would turn NaN into a number."""
    known = ~jnp.isnan(rate)
    counts = jax.random.poisson(key, jnp.maximum(jnp.where(known, rate, 0), 0))
    return jnp.where(known, counts.astype(rate.dtype), jnp.nan)


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


@jax.jit
def _anscombe(y: Array, gain: ArrayLike, sigma: ArrayLike) -> Array:
    gain, sigma = jnp.asarray(gain, y.dtype), jnp.asarray(sigma, y.dtype)
    stabilised = 2 * safe_sqrt(y / gain + 3 / 8 + jnp.square(sigma / gain))
    return jnp.where(jnp.isfinite(y), stabilised, jnp.nan)


@jax.jit
def _unbiased_inverse(d: Array, gain: ArrayLike, sigma: ArrayLike) -> Array:
    gain, sigma = jnp.asarray(gain, d.dtype), jnp.asarray(sigma, d.dtype)
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
        check_real(self.gain, name="gain")
        check_real(self.sigma, name="sigma")
        check_positive(self.gain, name="gain")
        check_nonnegative(self.sigma, name="sigma")

    def sample(self, key: PRNGKeyArray, image: ArrayLike) -> Float[Array, "..."]:
        """A noisy image, neither clipped nor rounded; negative intensities count as 0."""
        x = as_real_float(image)
        gain = jnp.asarray(self.gain, x.dtype)
        photon_key, read_out_key = jax.random.split(key)
        photons = _draw_photons(photon_key, x / gain)
        return Gaussian(self.sigma).sample(read_out_key, gain * photons)

    def log_likelihood(self, noisy: ArrayLike, image: ArrayLike) -> Float[Array, ""]:
        """log p(noisy | image), summed over the pixels.

        The exact density is an infinite sum; this is the normal density with the
        signal-dependent variance of `variance` (Foi, Trimeche, Katkovnik & Egiazarian, IEEE TIP
        2008), good from a few photons a pixel upwards.
        """
        residual = as_real_float(noisy) - as_real_float(image)
        floor = jnp.square(jnp.asarray(self.gain, residual.dtype)) * 1e-3
        return jnp.sum(normal_log_density(residual, jnp.maximum(self.variance(image), floor)))

    def variance(self, image: ArrayLike) -> Float[Array, "..."]:
        """gain * max(image, 0) + sigma^2."""
        x = as_real_float(image)
        gain, sigma = jnp.asarray(self.gain, x.dtype), jnp.asarray(self.sigma, x.dtype)
        return gain * jnp.maximum(x, 0) + sigma * sigma

    def mean_photons(self, noisy: Array) -> Array:
        """The mean of the known pixels in photons, read-out noise counted by its variance."""
        gain, sigma = jnp.asarray(self.gain, noisy.dtype), jnp.asarray(self.sigma, noisy.dtype)
        return jnp.maximum(jnp.nanmean(noisy / gain), 0) + jnp.mean(jnp.square(sigma / gain))

    def of_sums(self, of_bins: Callable[[Any], Any], pixels: Array) -> "PoissonGaussian":
        """The noise of sums over bins of so many pixels; `of_bins` averages a map over them."""
        variance = of_bins(jnp.square(jnp.asarray(self.sigma, pixels.dtype)))
        return PoissonGaussian(of_bins(self.gain), safe_sqrt(pixels * variance))

    def stabilise(self, noisy: ArrayLike) -> Float[Array, "..."]:
        """The generalised Anscombe transform; its result has noise of standard deviation 1.

        NaN where a pixel is not finite: an infinite one is missing, not black or white.
        """
        return _anscombe(as_real_float(noisy), self.gain, self.sigma)

    def unstabilise(self, denoised: ArrayLike) -> Float[Array, "..."]:
        """The exact unbiased inverse: E[y] as a function of E[stabilise(y)]."""
        return _unbiased_inverse(as_real_float(denoised), self.gain, self.sigma)


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
        check_real(self.peak, name="peak")
        check_positive(self.peak, name="peak")

    @property
    def _noiseless_read_out(self) -> PoissonGaussian:
        return PoissonGaussian(1 / jnp.asarray(self.peak), 0.0)

    def sample(self, key: PRNGKeyArray, image: ArrayLike) -> Float[Array, "..."]:
        """A noisy image; negative intensities count as 0."""
        x = as_real_float(image)
        peak = jnp.asarray(self.peak, x.dtype)
        return _draw_photons(key, peak * x) / peak

    def log_likelihood(self, noisy: ArrayLike, image: ArrayLike) -> Float[Array, ""]:
        """log P(peak * noisy photons | image), summed over the pixels.

        Minus infinity where photons came from an intensity that is not positive.
        """
        y, x = as_real_float(noisy), as_real_float(image)
        peak = jnp.asarray(self.peak, x.dtype)
        count, rate = peak * y, peak * x
        lit = rate > 0
        dark = jnp.where(count > 0, -jnp.inf, 0.0)
        found = _poisson_log_probability(count, jnp.where(lit, rate, 1))
        return jnp.sum(jnp.where(lit, found, dark.astype(x.dtype)))

    def variance(self, image: ArrayLike) -> Float[Array, "..."]:
        """max(image, 0) / peak."""
        return self._noiseless_read_out.variance(image)

    def mean_photons(self, noisy: Array) -> Array:
        """The mean of the known pixels in photons."""
        return self._noiseless_read_out.mean_photons(noisy)

    def of_sums(self, of_bins: Callable[[Any], Any], pixels: Array) -> PoissonGaussian:
        """The noise of sums over bins of so many pixels; `of_bins` averages a map over them."""
        return self._noiseless_read_out.of_sums(of_bins, pixels)

    def stabilise(self, noisy: ArrayLike) -> Float[Array, "..."]:
        """The Anscombe transform; its result has noise of standard deviation 1.

        Raises `ValueError` for counts below 0.
        """
        if not isinstance(noisy, Tracer) and np.any(np.asarray(noisy) < 0):
            raise ValueError(
                f"noisy must hold no counts below 0 with Poisson noise, got "
                f"{np.nanmin(np.asarray(noisy)):g}; add the background back, or take "
                f"PoissonGaussian, which knows read-out noise"
            )
        return self._noiseless_read_out.stabilise(noisy)

    def unstabilise(self, denoised: ArrayLike) -> Float[Array, "..."]:
        """The exact unbiased inverse: E[y] as a function of E[stabilise(y)]."""
        return self._noiseless_read_out.unstabilise(denoised)
