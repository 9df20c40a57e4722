"""The coordinates in which photon noise, or else the noise, has a standard deviation of about 1.

In them the likelihood has about the same curvature in every direction, and photon noise has no
border: every u is the coordinate of an intensity.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxdenoise._core.pytree import pytree_dataclass
from jaxdenoise._core.safe import positive_floor, safe_sqrt
from jaxdenoise.noise import Gaussian, Impulse, NoiseModel, Poisson, PoissonGaussian

# Of a photon: the least intensity that a pilot is taken to show, and the least with a coordinate.
_DARK = 0.01
_LEAST = 1e-12


@pytree_dataclass
class Linear:
    """x = origin + unit u, for noise that is the same at all intensities."""

    unit: ArrayLike
    origin: ArrayLike = 0.0

    def of(self, image: Array) -> Array:
        unit, origin = self._maps(image)
        return (image - origin) / unit

    def of_pilot(self, image: Array) -> Array:
        return self.of(image)

    def image(self, u: Array) -> Array:
        unit, origin = self._maps(u)
        return origin + unit * u

    def log_slope(self, u: Array) -> Array:
        """log dx / du."""
        return jnp.log(self._maps(u)[0])

    def variance(self, noise: NoiseModel, image: Array) -> Array:
        """Of the noise, in these coordinates."""
        return _variance(noise, image) / jnp.square(self._maps(image)[0])

    def _maps(self, like: Array) -> tuple[Array, ...]:
        maps = (jnp.asarray(v, like.dtype) for v in (self.unit, self.origin))
        return tuple(jnp.broadcast_to(m, like.shape) for m in maps)


@pytree_dataclass
class Photons:
    """x = gain softplus(u)^2 / 4, for photons and read-out noise: a root that is never negative.

    Twice the root of the photons where these are many, as in Anscombe's transform, and the
    logarithm of the root where they are few: the likelihood of counts is log-concave in u.
    """

    gain: ArrayLike

    def of(self, image: Array) -> Array:
        root = 2 * safe_sqrt(jnp.maximum(image / self._gain(image), _LEAST))
        return root + jnp.log(-jnp.expm1(-root))

    def of_pilot(self, image: Array) -> Array:
        """Of an estimate: that a pixel shows no photon says little about where it is."""
        return self.of(jnp.maximum(image, _DARK * self._gain(image)))

    def image(self, u: Array) -> Array:
        return self._gain(u) * jnp.square(jax.nn.softplus(u)) / 4

    def log_slope(self, u: Array) -> Array:
        return jnp.log(self._gain(u) * jax.nn.softplus(u) / 2) + jax.nn.log_sigmoid(u)

    def variance(self, noise: NoiseModel, image: Array) -> Array:
        photons = jnp.maximum(image / self._gain(image), 1 / 4)
        return 1 + self._read_out(noise, image) / photons

    def _gain(self, like: Array) -> Array:
        return jnp.asarray(self.gain, like.dtype)

    def _read_out(self, noise: NoiseModel, like: Array) -> Array:
        sigma = noise.sigma if isinstance(noise, PoissonGaussian) else 0.0
        return jnp.square(jnp.asarray(sigma, like.dtype) / self._gain(like))


def coordinates(noise: NoiseModel, noisy: Array) -> Linear | Photons:
    """For priors: with one unit for all pixels."""
    if isinstance(noise, Poisson | PoissonGaussian):
        return _of_photons(noise, noisy)
    return Linear(positive_floor(safe_sqrt(jnp.mean(_variance(noise, noisy))), noisy))


def coordinates_of_pixels(noise: NoiseModel, noisy: Array) -> Linear | Photons:
    """For the posterior: a unit for every pixel, and the noisy image as the origin.

    So images are found to the last digit where there is next to no noise.
    """
    if isinstance(noise, Poisson | PoissonGaussian):
        return _of_photons(noise, noisy)
    return Linear(positive_floor(safe_sqrt(_variance(noise, noisy)), noisy), noisy)


def _of_photons(noise: Poisson | PoissonGaussian, noisy: Array) -> Photons:
    if isinstance(noise, Poisson):
        return Photons(1 / jnp.asarray(noise.peak, noisy.dtype))
    return Photons(noise.gain)


def _variance(noise: Any, noisy: Array) -> Array:
    """Of the noise without its impulses."""
    noise = Gaussian(noise.sigma) if isinstance(noise, Impulse) else noise
    return jnp.broadcast_to(noise.variance(noisy), noisy.shape)
