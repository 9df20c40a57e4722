"""The devices of a mesh agree with one device; tiles do by a law."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType

import jaxdenoise as jd
from tests.schedules import TINY


@pytest.fixture
def noisy(photograph) -> np.ndarray:
    return photograph[:30, :40] + 0.1 * np.random.default_rng(0).normal(size=(30, 40))


@pytest.mark.parametrize("method", ["bm3d", "subspace"])
def test_equal_to_the_bit(method, noisy):
    """Rounding that differed would show, where two patches are about as similar, as another one."""
    denoiser, noisy = partial(getattr(jd, method), schedule=TINY), noisy.astype(np.float32)
    sigma = np.float32(0.1)
    np.testing.assert_array_equal(jd.shard(denoiser)(noisy, sigma), denoiser(noisy, sigma))


def test_gradient_through_the_tiles_of_several_devices(noisy):
    def loss(image, sigma, denoiser):
        return jnp.sum(jnp.square(denoiser(image, sigma, window_size=5, schedule=TINY)))

    one, eight = (
        jax.grad(loss, argnums=(0, 1))(noisy, 0.1, denoiser)
        for denoiser in (jd.bilateral, jd.shard(jd.bilateral))
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9), eight, one)


@pytest.mark.parametrize("sigma", [0.1, np.linspace(0.05, 0.2, 8)])
def test_images_of_a_batch(noisy, sigma):
    images = jnp.stack([noisy[:20, :20] + k for k in range(8)])
    out = jd.shard(jd.bilateral, batch=True)(images, sigma, window_size=5)
    for k, image in enumerate(images):
        each = sigma if np.ndim(sigma) == 0 else sigma[k]
        np.testing.assert_allclose(out[k], jd.bilateral(image, each, window_size=5), atol=1e-12)


def test_mesh_of_some_devices(noisy):
    mesh = jax.make_mesh((2, 2), ("a", "b"), devices=jax.devices()[:4])
    out = jd.shard(jd.bilateral, mesh)(noisy, 0.1, window_size=5)
    assert len(out.sharding.device_set) == 4
    np.testing.assert_allclose(out, jd.bilateral(noisy, 0.1, window_size=5), atol=1e-12)


def test_uneven_batch(noisy):
    with pytest.raises(ValueError, match="a batch of 3 images cannot be shared evenly by 8"):
        jd.shard(jd.bilateral, batch=True)(jnp.stack([noisy] * 3), 0.1)


def test_arguments_of_different_length(noisy):
    with pytest.raises(ValueError, match=r"equally many, got \[8, 16\]"):
        jd.shard(jd.bilateral, batch=True)(jnp.stack([noisy] * 8), np.full(16, 0.1))


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
def test_inside_a_mesh_of_the_caller(noisy, kind):
    """Its automatic axes share the tiles; explicit ones, JAX's default, are left to the caller."""
    alone = jd.bilateral(noisy, 0.1, window_size=5)
    images = jnp.stack([noisy] * 8)
    denoiser = partial(jd.bilateral, window_size=5, schedule=TINY)
    with jax.set_mesh(jax.make_mesh((8,), ("x",), axis_types=(kind,))):
        inside = denoiser(noisy, 0.1)
        shared = jd.shard(denoiser)(noisy, 0.1)
        batch = jd.shard(denoiser, batch=True)(images, 0.1)
    for out in (inside, shared, batch[3]):
        np.testing.assert_allclose(out, alone, atol=1e-12)


def test_batch_compiles_once(noisy):
    traced = []

    def denoiser(image, sigma):
        traced.append(sigma)
        return jd.bilateral(image, sigma, window_size=5)

    shared = jd.shard(denoiser, batch=True)
    images = jnp.stack([noisy[:20, :20]] * 8)
    shared(images, 0.1)
    once = len(traced)
    shared(images, 0.2)
    assert len(traced) == once


def test_bad_sigma_is_refused(noisy):
    with pytest.raises(ValueError, match="sigma must be finite and not negative"):
        jd.shard(jd.subspace)(noisy, -0.1)
