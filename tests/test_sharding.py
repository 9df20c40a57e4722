"""The devices of a mesh agree with one device."""

import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdenoise as jd
from tests.denoisers import DENOISERS


@pytest.fixture
def noisy(photograph) -> np.ndarray:
    return photograph[:40, :50] + 0.1 * np.random.default_rng(0).normal(size=(40, 50))


@pytest.fixture
def small_tiles(monkeypatch):
    jax.clear_caches()
    monkeypatch.setattr("jaxdenoise._core.grid._TILE", (2, 3))
    monkeypatch.setattr("jaxdenoise._core.tiles._AREA", {2: 200})
    monkeypatch.setattr("jaxdenoise._core.tiles._SIDE", {2: 20})
    monkeypatch.setattr(sys.modules["jaxdenoise.filters.tv"], "_TILE_SIDE", {2: 30})
    yield
    jax.clear_caches()


@pytest.mark.parametrize("entry", DENOISERS.values(), ids=DENOISERS.keys())
def test_tiles_of_one_image(entry, noisy, small_tiles):
    given = {"iterations": 5} if entry.method == "tv" else {}

    def result_and_gradients(denoiser, image, sigma):
        def loss(image, sigma):
            out = denoiser(image, sigma, **given)
            return jnp.sum(jnp.square(out)), out

        (_, out), gradients = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(image, sigma)
        return out, gradients

    alone = jax.jit(partial(result_and_gradients, entry.denoiser))(noisy, 0.1)
    shared = jax.jit(partial(result_and_gradients, jd.shard(entry.denoiser)))(noisy, 0.1)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9), shared, alone)


@pytest.mark.parametrize("method", ["bm3d", "subspace"])
def test_equal_to_the_bit(method, noisy, small_tiles):
    """Rounding that differed would show, where two patches are about as similar, as another one."""
    denoiser, noisy = getattr(jd, method), noisy.astype(np.float32)
    sigma = np.float32(0.1)
    np.testing.assert_array_equal(jd.shard(denoiser)(noisy, sigma), denoiser(noisy, sigma))


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
