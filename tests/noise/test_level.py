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
    assert jd.estimate_sigma(np.full((20, 20), 3.0)) == 0


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


def flat_parts() -> dict[str, np.ndarray]:
    """White noise of 10, most of it, and parts that were never noisy."""
    rng = np.random.default_rng(1)
    noise = 10 * rng.normal(size=(128, 128))
    rows, columns = np.mgrid[:128, :128]
    centre = np.hypot(rows - 64, columns - 64)
    integers = np.rint(128 + noise).astype(np.uint8)
    extremes = noise.copy()
    extremes[60, 60], extremes[61, 62] = -500, 500
    return {
        "border": np.where(columns < 13, 0, noise),
        "letterbox": np.where((rows < 30) | (rows > 97), -90, extremes),
        "mask": np.where(centre > 50, -30, extremes),
        "caption": np.where((rows > 100) & (rows < 115) & (columns > 20), 0, noise),
        "missing border": np.where(columns < 13, np.nan, noise),
        "missing pixels": np.where(rng.random(noise.shape) < 0.1, np.nan, noise),
        "integers": np.where(columns < 13, 128, integers).astype(np.uint8),
        "gradient": np.where(columns < 40, 0.3 * columns - 0.1 * rows, noise),
        "gradient of integers": np.where(columns < 40, 120 + columns // 3, integers),
        "mostly flat": np.where((rows < 60) & (columns < 60), noise, 0),
    }


@pytest.mark.parametrize("outliers", [False, True])
@pytest.mark.parametrize("name", flat_parts())
def test_what_was_never_noisy_does_not_hide_the_noise(name, outliers):
    sigma = jd.estimate_sigma(flat_parts()[name], outliers=outliers)
    np.testing.assert_allclose(sigma, 10, rtol=0.08)


@pytest.mark.parametrize("outliers", [False, True])
def test_without_any_noise_it_is_exactly_0(outliers):
    flat = np.full((40, 44), 7.0)
    hot = flat.copy()
    hot[20, 21] = 100
    gradient = np.add.outer(0.3 * np.arange(40), 0.1 * np.arange(44)).astype(np.float32)
    missing = np.where(np.arange(44) < 5, np.nan, flat)
    for image in (flat, hot, gradient, missing):
        assert jd.estimate_sigma(image, outliers=outliers) == 0


def test_without_known_pixels_it_is_unknown():
    image = np.full((20, 20), np.nan)
    image[3, 4] = 1
    assert np.isnan(jd.estimate_sigma(image))


@pytest.mark.parametrize("side", [16, 32])
def test_small_images_have_no_bias(side):
    """The mean over 60 images has a standard error of 1 % at most."""
    noise = np.random.default_rng(2).normal(size=(60, side, side))
    sigmas = jax.vmap(jd.estimate_sigma)(noise)
    np.testing.assert_allclose(np.mean(sigmas), 1, atol=0.045)


@pytest.mark.parametrize("outliers", [False, True])
def test_units_do_not_matter(outliers, rng):
    image = np.add.outer(np.arange(40), np.arange(42)) + rng.normal(0, 9, (40, 42))
    expected = jd.estimate_sigma(image.astype(np.float32), outliers=outliers)
    for unit in (1e-30, 1e-17, 1e18, 1e30):
        found = jd.estimate_sigma((image * unit).astype(np.float32), outliers=outliers)
        np.testing.assert_allclose(float(found) / unit, expected, rtol=1e-5)


def test_what_stands_for_no_data_does_not_count(rng):
    """The square of a placeholder, or its sum with other pixels, may be infinite."""
    image = rng.normal(0, 9, (64, 64)).astype(np.float32)
    for value in (-3.4e38, -1e30, -1e18, -32768.0):
        image[10:20, 5:15] = value
        np.testing.assert_allclose(jd.estimate_sigma(image), 9, rtol=0.1)


def test_no_estimate_among_outliers_where_squares_underflow(rng):
    image = rng.normal(0, 9, (64, 64)).astype(np.float32)
    for value in (-3.4e38, -1e30):
        image[10:20, 5:15] = value
        assert np.isnan(jd.estimate_sigma(image, outliers=True))
