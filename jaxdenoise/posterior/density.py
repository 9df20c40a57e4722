"""The posterior p(x | y), proportional to p(y | x) exp(-E(x)), that one engine climbs and others
sample."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

from jaxdenoise._core.checks import check_broadcasts, check_image, check_parameter
from jaxdenoise._core.planes import as_float
from jaxdenoise._core.pytree import pytree_dataclass
from jaxdenoise._core.safe import positive_floor
from jaxdenoise.noise import Gaussian, Impulse, NoiseModel, Poisson, PoissonGaussian
from jaxdenoise.posterior.coordinates import Linear, Photons, coordinates_of_pixels
from jaxdenoise.posterior.prior import check_prior


@pytree_dataclass
class Density:
    """In the coordinates u of `coordinates_of_pixels`."""

    noisy: Array
    noise: Any
    prior: Any
    coordinates: Linear | Photons

    def energy(self, u: Array) -> Array:
        """-log p(u | y), up to a constant."""
        image = self.coordinates.image(u)
        energy = self.prior.energy(image)
        if jnp.shape(energy):
            raise ValueError(f"prior.energy must be a scalar, got shape {jnp.shape(energy)}")
        return energy - self.noise.log_likelihood(self.noisy, image)


def density(noisy: ArrayLike, noise: ArrayLike | NoiseModel, prior: Any) -> Density:
    """Of a noisy image; a number or a map stands for Gaussian noise."""
    y = as_float(noisy)
    noise = noise if isinstance(noise, NoiseModel) else Gaussian(noise)
    if isinstance(noise, Gaussian | Impulse):
        # Without any noise the likelihood would be a point mass.
        noise = replace(noise, sigma=positive_floor(jnp.asarray(noise.sigma, y.dtype), y))
    return Density(y, noise, prior, coordinates_of_pixels(noise, y))


def check_posterior(noisy: ArrayLike, noise: Any, prior: Any) -> None:
    ndim = max(np.ndim(noisy), 1)
    check_image(noisy, ndim=(ndim,), name="noisy")
    check_noisy(noisy, noise)
    check_prior(prior)


def check_noisy(noisy: ArrayLike, noise: Any) -> None:
    """Pixels that such noise can leave, as far as they are known."""
    check_noise(noisy, noise, name="noisy")
    counted = isinstance(noise, Poisson) and not isinstance(noisy, Tracer)
    if counted and np.any(np.asarray(noisy) < 0):
        raise ValueError(f"noisy must hold no counts below 0, got {np.min(np.asarray(noisy))}")


def check_noise(image: ArrayLike, noise: Any, *, name: str) -> None:
    """Noise of an image, which is finite."""
    if noise is None:
        raise ValueError("noise must be a standard deviation or a noise model, got None")
    if isinstance(noise, Gaussian | Impulse | Poisson | PoissonGaussian):
        leaves = jax.tree.leaves(noise)
        for leaf in leaves:
            check_broadcasts(leaf, image, name="noise")
        if not any(isinstance(leaf, Tracer) for leaf in leaves):
            replace(jax.tree.map(np.asarray, noise))  # it checks its numbers, in arrays too
    elif not isinstance(noise, NoiseModel):
        known = noise if isinstance(noise, Tracer) else np.asarray(noise)
        check_parameter(known, image, name="noise")
    if isinstance(image, Tracer):
        return
    known = np.asarray(image)
    if not np.all(np.isfinite(known.astype(np.float32) if known.dtype.itemsize < 4 else known)):
        raise ValueError(f"{name} must be finite, got NaN or infinity")


def start(target: Density) -> Array:
    """The noisy image, where photons were counted at least a quarter of one."""
    at = target.noisy
    if isinstance(target.coordinates, Photons):
        at = jnp.maximum(at, jnp.asarray(target.coordinates.gain, at.dtype) / 4)
    return target.coordinates.of(at)
