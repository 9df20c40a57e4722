"""A noisy image, and priors small enough to compile fast."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdenoise as jd

SIGMA = 0.1
SMALL = {"patch_size": 3, "members": 8, "stride": 2, "window_size": 7}


@pytest.fixture
def clean(photograph) -> np.ndarray:
    return photograph[20:34, 20:38]


@pytest.fixture
def noisy(clean) -> np.ndarray:
    return clean + SIGMA * np.random.default_rng(1).normal(size=clean.shape)


@pytest.fixture
def counts(clean) -> np.ndarray:
    return np.random.default_rng(2).poisson(4 * clean) / 4


def small_prior(pilot, noise=SIGMA, **given):
    return 0.5 * jd.TracePrior.learn(jnp.asarray(pilot), noise, floor=0.05, **(SMALL | given))


def hessian_of(prior, shape) -> np.ndarray:
    """Of a quadratic energy, (pixels, pixels)."""
    size = int(np.prod(shape))
    slope = jax.grad(prior.energy)
    columns = jax.jit(lambda units: jax.lax.map(slope, units))(jnp.eye(size).reshape(-1, *shape))
    at_zero = slope(jnp.zeros(shape))
    return np.asarray(columns - at_zero[None]).reshape(size, size)
