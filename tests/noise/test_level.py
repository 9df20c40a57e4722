import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdenoise as jd


@pytest.fixture(scope="module")
def camera():
    from skimage import data

    return data.camera()[::2, ::2] / 255.0


@pytest.mark.parametrize(("sigma", "worst"), [(5, 0.15), (15, 0.05), (25, 0.05), (50, 0.05)])
def test_photograph(camera, sigma, worst):
    noisy = camera + np.random.default_rng(0).normal(size=camera.shape) * sigma / 255
    np.testing.assert_allclose(jd.estimate_sigma(noisy), sigma / 255, rtol=worst)


def test_pure_noise_of_every_layout(rng):
    noise = rng.normal(size=(12, 90, 100))
    assert abs(jd.estimate_sigma(noise) - 1) < 0.1
    assert abs(jd.estimate_sigma(noise[:3], channel_axis=0) - 1) < 0.1
    assert abs(jd.estimate_sigma(jnp.asarray(noise[0], jnp.float32)) - 1) < 0.1


def test_scales_and_shifts_with_the_image(camera, rng):
    noisy = camera + 0.1 * rng.normal(size=camera.shape)
    np.testing.assert_allclose(
        jd.estimate_sigma(255 * noisy + 7), 255 * jd.estimate_sigma(noisy), rtol=1e-6
    )


def test_clipped_sky_is_not_taken_for_clean(camera, rng):
    bright = np.where(np.arange(256)[:, None] < 100, 1.2, camera)
    noisy = np.clip(bright + 0.1 * rng.normal(size=camera.shape), 0, 1)
    assert jd.estimate_sigma(noisy) > 0.07


def test_constant_image_has_no_noise():
    assert jd.estimate_sigma(np.full((20, 20), 3.0)) < 1e-12


def test_large_image_looks_at_a_bounded_number_of_patches():
    from jaxdenoise.noise.level import _MOST_PATCHES, _patches

    for size in ((4096, 4096), (3, 1000, 9000)):
        out = jax.eval_shape(lambda x: _patches(x, 8), jax.ShapeDtypeStruct(size, jnp.float32))
        assert 0.3 * _MOST_PATCHES < out.shape[0] <= _MOST_PATCHES


def test_missing_pixels_do_not_hide_the_noise(camera, rng):
    noisy = camera + 0.1 * rng.normal(size=camera.shape)
    noisy[3:5, 40] = np.nan
    np.testing.assert_allclose(jd.estimate_sigma(noisy), 0.1, rtol=0.05)


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_gradient_is_finite_on_flat_images(level):
    assert np.isfinite(jax.grad(jd.estimate_sigma)(jnp.full((16, 16), level))).all()


def test_too_small():
    with pytest.raises(ValueError, match="at least 2 pixels"):
        jd.estimate_sigma(np.zeros((1, 5)))


@pytest.mark.parametrize("sigma", [1.0, 3.0])
def test_among_outliers_integers_are_no_spike(sigma):
    rng = np.random.default_rng(0)
    image = np.full((64, 64), 90.0) + sigma * rng.normal(size=(64, 64))
    image = np.where(rng.random(image.shape) < 0.1, 255, np.rint(image)).astype(np.uint8)
    np.testing.assert_allclose(jd.estimate_sigma(image, outliers=True), sigma, rtol=0.2)


def test_among_outliers_missing_pixels_do_not_count():
    image = 0.1 * np.random.default_rng(0).normal(size=(64, 64))
    image[:, :20] = np.nan
    np.testing.assert_allclose(jd.estimate_sigma(image, outliers=True), 0.1, rtol=0.05)
    with pytest.raises(ValueError, match="at least 4 pixels a side"):
        jd.estimate_sigma(image[:3], outliers=True)
