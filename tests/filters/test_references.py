"""Every filter against its equation, written as a loop."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxdenoise as jd
from jaxdenoise._core.steering_metric import steering_metric
from tests.filters import naive

SIGMA = 0.1


@pytest.fixture
def noisy(photograph, rng):
    return photograph[24:35, 22:35] + SIGMA * rng.normal(size=(11, 13))


@pytest.mark.parametrize("patch_size", [1, 3, 5, 7])
def test_nlm_pixel(noisy, patch_size):
    out = jd.nlm(noisy, SIGMA, h=0.07, patch_size=patch_size, window_size=5)
    expected = naive.nlm_pixel(noisy, SIGMA, 0.07, patch_size, 5)
    np.testing.assert_allclose(out, expected, atol=1e-12)


def test_nlm_patch(noisy):
    image = noisy[:8, :9]
    out = jd.nlm(image, SIGMA, h=0.09, patch_size=3, window_size=5, variant="patch")
    np.testing.assert_allclose(out, naive.nlm_patch(image, SIGMA, 0.09, 3, 5), atol=1e-12)


@pytest.mark.parametrize(("variant", "factor"), [("pixel", 0.9), ("patch", 0.75)])
def test_nlm_default_strength(noisy, variant, factor):
    out = jd.nlm(noisy, SIGMA, variant=variant)
    expected = jd.nlm(noisy, SIGMA, h=factor * SIGMA, variant=variant)
    np.testing.assert_allclose(out, expected, atol=1e-12)


def test_nlm_noise_map_gives_each_patch_its_own_bias(noisy, rng):
    """With maps a pair of pixels subtracts and scales by the means over its two pixels."""
    sigma = 0.05 + 0.1 * rng.uniform(size=noisy.shape)
    out = jd.nlm(noisy, sigma, h=0.07, patch_size=1, window_size=3)
    i = (5, 6)
    w = {}
    for j in naive.neighbours(noisy.shape, i, 1):
        bias = (2 * sigma[i] ** 2 + 2 * sigma[j] ** 2) / 2
        excess = max((noisy[i] - noisy[j]) ** 2 - bias, 0) / 0.07**2
        w[j] = 0.2 if i == j else np.exp(-(excess**2))
    expected = sum(w[j] * noisy[j] for j in w) / sum(w.values())
    np.testing.assert_allclose(out[i], expected, atol=1e-12)


@pytest.mark.parametrize("window_size", [3, 7, 25])
def test_bilateral(noisy, window_size):
    out = jd.bilateral(noisy, SIGMA, sigma_range=0.2, sigma_spatial=1.3, window_size=window_size)
    expected = naive.bilateral(noisy, 0.2, 1.3, window_size)
    np.testing.assert_allclose(out, expected, atol=1e-12)


@pytest.mark.parametrize("iterations", [1, 4])
def test_mean_shift(noisy, iterations):
    out = jd.mean_shift(
        noisy, SIGMA, sigma_range=0.2, sigma_spatial=1.3, window_size=5, iterations=iterations
    )
    expected = naive.mean_shift(noisy, 0.2, 1.3, 5, iterations)
    np.testing.assert_allclose(out, expected, atol=1e-12)


def test_one_mean_shift_is_the_bilateral_filter(noisy):
    shared = {"sigma_range": 0.2, "sigma_spatial": 1.3, "window_size": 7}
    shifted = jd.mean_shift(noisy, SIGMA, iterations=1, **shared)
    np.testing.assert_allclose(shifted, jd.bilateral(noisy, SIGMA, **shared), atol=1e-12)


@pytest.mark.parametrize("order", [0, 1])
def test_steering_fits_under_the_metric_of_the_neighbours(noisy, order):
    entries = steering_metric(jnp.asarray(noisy)[None], jnp.asarray(SIGMA), jnp.asarray(0.5))
    entries = entries / (2 * 1.5**2)
    metric = np.moveaxis(
        np.array([[entries[0], entries[1]], [entries[1], entries[2]]]), (0, 1), (2, 3)
    )
    out = jd.steering(noisy, SIGMA, bandwidth=1.5, order=order, window_size=7, iterations=1)
    expected = naive.local_fit(noisy, metric, order, 7)
    np.testing.assert_allclose(out, expected, atol=1e-9)


def test_steering_metric_of_a_ramp_and_of_a_flat_image():
    """Round where nothing happens; on a ramp short along the gradient and of area det(A)^-alpha."""
    flat = steering_metric(jnp.zeros((1, 20, 20)), jnp.asarray(1.0), jnp.asarray(0.5))
    np.testing.assert_allclose(flat[:, 10, 10], [1, 0, 1], atol=1e-12)
    ramp = jnp.broadcast_to(3.0 * jnp.arange(30.0), (1, 30, 30))
    across, mixed, along = steering_metric(ramp, jnp.asarray(1.0), jnp.asarray(0.5))[:, 15, 15]
    assert abs(mixed) < 1e-9
    assert along > 4 * across
    for sensitivity in (0.0, 0.5, 1.0):
        a, _, b = steering_metric(ramp, jnp.asarray(1.0), jnp.asarray(sensitivity))[:, 15, 15]
        np.testing.assert_allclose(b / a, along / across)
        # A trace of the trace, sqrt(eps), keeps the metric away from rounding.
        np.testing.assert_allclose(a * b, (along / across) ** sensitivity, rtol=1e-4)


def test_locally_linear_fit_keeps_a_plane():
    rows, columns = np.mgrid[:16, :18]
    plane = 0.3 * rows - 0.2 * columns + 5
    np.testing.assert_allclose(jd.steering(plane, 1.0, order=1), plane, atol=1e-9)
    assert np.abs(jd.steering(plane, 1.0, order=0) - plane).max() > 0.05


def test_tv_reaches_the_minimum_that_chambolle_reaches(noisy):
    from skimage.restoration import denoise_tv_chambolle

    expected = denoise_tv_chambolle(noisy, weight=0.15, eps=1e-12, max_num_iter=20000)
    out = jd.tv(noisy, SIGMA, weight=0.15, iterations=3000)
    np.testing.assert_allclose(out, expected, atol=2e-4)


def test_tv_default_is_near_the_minimum(photograph, rng):
    noisy = photograph + SIGMA * rng.normal(size=photograph.shape)

    def objective(x):
        down = np.diff(x, axis=0, append=x[-1:])
        right = np.diff(x, axis=1, append=x[:, -1:])
        return 0.5 * np.sum((x - noisy) ** 2) + 0.8 * SIGMA * np.sum(np.hypot(down, right))

    exact = objective(np.asarray(jd.tv(noisy, SIGMA, iterations=3000)))
    assert exact <= objective(np.asarray(jd.tv(noisy, SIGMA))) < 1.005 * exact


def test_tv_preserves_the_mean_and_flattens_under_a_large_weight(noisy):
    np.testing.assert_allclose(jnp.mean(jd.tv(noisy, SIGMA)), noisy.mean(), atol=1e-12)
    flat = jd.tv(noisy, SIGMA, weight=10.0, iterations=2000)
    np.testing.assert_allclose(flat, noisy.mean(), atol=1e-6)


def test_colour_shares_one_weight(noisy):
    """An edge in one channel keeps the filter from averaging another channel across it."""
    flat = np.full((12, 12), 0.5) + 0.01 * np.random.default_rng(0).normal(size=(12, 12))
    edge = np.where(np.arange(12) < 6, 0.0, 1.0)[None] * np.ones((12, 1))
    alone = jd.bilateral(flat, 0.05)
    beside = jd.bilateral(np.stack([flat, edge]), 0.05, channel_axis=0)[0]
    assert np.abs(alone - beside)[:, 5:7].max() > 1e-4


PER_AXIS = {
    "bilateral": {"sigma_range": 0.2, "sigma_spatial": 1.2, "window_size": (1, 5, 3)},
    "mean_shift": {"sigma_range": 0.2, "sigma_spatial": 1.2, "window_size": (1, 5, 3)},
    "nlm": {"h": 0.1, "window_size": (1, 5, 7), "patch_size": (1, 3, 5)},
}


@pytest.mark.parametrize("variant", ["pixel", "patch"])
@pytest.mark.parametrize("method", PER_AXIS)
def test_sizes_differ_among_axes(method, variant, rng):
    """A window one slice thick denoises slice by slice."""
    given = PER_AXIS[method] | ({"variant": variant} if method == "nlm" else {})
    volume = rng.random((3, 12, 11))
    flat = {k: v[1:] if isinstance(v, tuple) else v for k, v in given.items()}
    denoiser = getattr(jd, method)
    slices = [denoiser(image, 0.1, **flat) for image in volume]
    np.testing.assert_allclose(denoiser(volume, 0.1, **given), np.stack(slices), atol=1e-12)


def test_windows_of_volumes_are_small_by_default(rng):
    volume = rng.random((5, 8, 9))
    for method, given in {
        "bilateral": {"window_size": 5, "sigma_spatial": 1.1, "sigma_range": 0.35},
        "mean_shift": {"window_size": 3, "sigma_spatial": 1.5, "sigma_range": 0.22},
        "nlm": {"window_size": 5, "patch_size": 3, "h": 0.09},
        "steering": {"window_size": 5, "bandwidth": 1.8, "sensitivity": 0.2},
        "tv": {"weight": 0.06},
    }.items():
        out = getattr(jd, method)(volume, 0.1)
        np.testing.assert_allclose(out, getattr(jd, method)(volume, 0.1, **given), atol=1e-12)
