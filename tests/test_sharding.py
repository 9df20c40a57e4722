"""The devices of a mesh agree with one device."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdenoise as jd


@pytest.fixture
def noisy(photograph) -> np.ndarray:
    return photograph[:40, :50] + 0.1 * np.random.default_rng(0).normal(size=(40, 50))


@pytest.fixture
def small_tiles(monkeypatch):
    jax.clear_caches()
    monkeypatch.setattr("jaxdenoise._core.patches._TILE", (2, 3))
    yield
    jax.clear_caches()


def test_tiles_of_one_image(noisy, small_tiles):
    shared = jd.shard(jd.subspace)

    def loss(denoiser):
        return lambda image, sigma: jnp.sum(jnp.square(denoiser(image, sigma)))

    alone = jd.subspace(noisy, 0.1)
    out = shared(noisy, 0.1)
    np.testing.assert_allclose(out, alone, atol=1e-10)
    np.testing.assert_allclose(jax.jit(shared)(noisy, 0.1), alone, atol=1e-10)
    expected = jax.grad(loss(jd.subspace), argnums=(0, 1))(noisy, 0.1)
    gradient = jax.grad(loss(shared), argnums=(0, 1))(noisy, 0.1)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-8), gradient, expected)


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
