import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdenoise as jd
from tests.gradients import check_grads


@pytest.fixture
def noisy(photograph) -> np.ndarray:
    return photograph[:24, :30] + 0.1 * np.random.default_rng(0).normal(size=(24, 30))


def test_best_is_better(photograph):
    noisy = photograph + 0.1 * np.random.default_rng(0).normal(size=photograph.shape)
    fast, best = (jd.subspace(noisy, 0.1, profile=profile) for profile in ("fast", "best"))
    assert jd.psnr(best, photograph, data_range=1) > jd.psnr(fast, photograph, data_range=1)


def test_halftone_of_little_noise(rng):
    """The pilot of a group of rank one, a thousand times stronger than the noise."""
    clean = np.tile(rng.integers(0, 2, (4, 4)) * 0.8 + 0.1, (10, 10)).astype(np.float32)
    noisy = clean + np.float32(1 / 255) * rng.normal(size=clean.shape).astype(np.float32)
    out = jd.subspace(noisy, np.float32(1 / 255))
    assert jd.psnr(out, clean, data_range=1) > jd.psnr(noisy, clean, data_range=1) + 10


def test_smooth_image_without_the_noise_that_is_claimed():
    y, x = np.mgrid[:48, :48] / 48
    image = np.exp(-10 * ((x - 0.5) ** 2 + (y - 0.4) ** 2))
    for sigma in (0.1, 0.01, 0.001):
        np.testing.assert_allclose(jd.subspace(image, sigma), image, atol=2 * sigma)


@pytest.mark.parametrize("level", [0.1, np.linspace(0.05, 0.2, 40)])
def test_pure_noise_becomes_flat(level):
    noise = np.random.default_rng(0).normal(size=(40, 40)) * level
    assert np.std(np.asarray(jd.subspace(noise, level)) / level) < 0.12


def test_pixel_of_any_noise(noisy):
    """One that tells nothing changes nothing elsewhere."""
    noise_map = np.full(noisy.shape, 0.1)
    results = []
    for sigma in (2.0, 1e6, 1e200):
        noise_map[3, 4] = sigma
        results.append(jd.subspace(noisy, noise_map))
    for out in results[1:]:
        np.testing.assert_allclose(out, results[0], atol=1e-12)


def test_gradients_of_colours_by_a_noise_map(noisy):
    colours = np.stack([noisy, noisy**2, 1 - noisy], axis=-1)[:12, :15]
    noise_map = 0.05 + 0.1 * np.random.default_rng(1).random((12, 15, 1))

    def denoise(image, sigma):
        return jd.subspace(image, sigma, channel_axis=-1)

    check_grads(
        denoise, (colours, noise_map), order=1, modes=["rev"], atol=1e-3, rtol=1e-3, eps=1e-8
    )


def test_degrees_of_freedom(noisy):
    """Few where patches are alike, one where nothing is shared, and within these bounds."""
    found = jd.degrees_of_freedom(noisy, 0.1)
    assert found.shape == noisy.shape
    assert ((found > 0) & (found <= 1 + 1e-9)).all()
    flat = jd.degrees_of_freedom(0.1 * np.random.default_rng(0).normal(size=(24, 30)), 0.1)
    assert jnp.mean(flat) < 0.5 * jnp.mean(found)
    sure = jax.jit(lambda sigma: jnp.mean(jd.degrees_of_freedom(noisy, sigma)))
    assert sure(0.05) > sure(0.1) > sure(0.4)
