import jax.numpy as jnp
import numpy as np
import pytest

import jaxdenoise as jd


@pytest.fixture
def noisy(photograph, rng):
    return photograph + 0.1 * rng.normal(size=photograph.shape)


def test_methods_are_public_functions_in_alphabetical_order():
    assert list(jd.methods()) == sorted(jd.methods())
    assert all(callable(getattr(jd, name)) for name in jd.methods())


@pytest.mark.parametrize("method", jd.methods())
def test_denoise_calls_the_method(noisy, method):
    out = jd.denoise(noisy, 0.1, method=method)
    np.testing.assert_array_equal(out, getattr(jd, method)(noisy, 0.1))


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("method", jd.methods())
def test_strengths_are_the_defaults(noisy, method, axes):
    given = jd.strengths(method, 0.1, channels=2, axes=axes)
    assert (method == "robust_subspace") == (not given)
    image = np.stack([noisy[:14, :18], 1 - noisy[:14, :18]])
    if axes == 3:
        if method in ("bm3d", "robust_subspace", "subspace"):
            pytest.skip("of images alone")
        image = image[..., None] * np.linspace(0.5, 1, 5)
    denoiser = getattr(jd, method)
    expected = denoiser(image, 0.1, channel_axis=0)
    np.testing.assert_allclose(denoiser(image, 0.1, **given, channel_axis=0), expected, atol=1e-12)


def test_denoise_estimates_sigma(noisy):
    expected = jd.subspace(noisy, jd.estimate_sigma(noisy))
    np.testing.assert_allclose(jd.denoise(noisy), expected, atol=1e-12)


def test_volumes_have_a_default_too(noisy):
    volume = np.stack([noisy[:20, :20]] * 5)
    np.testing.assert_array_equal(jd.denoise(volume, 0.1), jd.nlm(volume, 0.1))
    colours = np.stack([volume] * 2, axis=-1)
    expected = jd.nlm(colours, 0.1, channel_axis=-1)
    np.testing.assert_array_equal(jd.denoise(colours, 0.1, channel_axis=-1), expected)


def test_denoise_passes_parameters(noisy):
    out = jd.denoise(noisy, 0.1, method="nlm", window_size=5, variant="patch")
    np.testing.assert_array_equal(out, jd.nlm(noisy, 0.1, window_size=5, variant="patch"))
    with pytest.raises(TypeError, match="windowsize"):
        jd.denoise(noisy, 0.1, windowsize=5)


def test_gaussian_model_is_its_sigma(noisy):
    np.testing.assert_array_equal(jd.denoise(noisy, jd.Gaussian(0.1)), jd.denoise(noisy, 0.1))


def test_poisson_goes_through_the_transform(photograph):
    import jax

    noise = jd.Poisson(20.0)
    noisy = noise.sample(jax.random.key(0), photograph)
    out = jd.denoise(noisy, noise)
    before, after = (jd.psnr(x, photograph, data_range=1) for x in (noisy, out))
    assert after > before + 5
    # The inverse is unbiased: light is neither made nor lost.
    np.testing.assert_allclose(jnp.mean(out), photograph.mean(), rtol=0.03)


def test_impulses_need_the_robust_method(photograph):
    import jax

    noise = jd.Impulse(0.1, 0.0, 1.0, 0.05)
    noisy = noise.sample(jax.random.key(0), photograph)
    expected = jd.robust_subspace(noisy, noise)
    np.testing.assert_array_equal(jd.denoise(noisy, noise), expected)
    with pytest.raises(TypeError, match="got Impulse; robust_subspace takes Impulse"):
        jd.denoise(noisy, noise, method="nlm")


def test_sigma_is_estimated_among_outliers(photograph, rng):
    noisy = photograph + 0.1 * rng.normal(size=photograph.shape)
    noisy = np.where(rng.random(noisy.shape) < 0.2, rng.integers(0, 2, noisy.shape), noisy)
    sigma = jd.estimate_sigma(noisy, outliers=True)
    np.testing.assert_allclose(sigma, 0.1, rtol=0.25)
    assert jd.estimate_sigma(noisy) > 0.15
    expected = jd.robust_subspace(noisy, sigma)
    for method in ("robust_subspace", jd.robust_subspace):
        np.testing.assert_allclose(jd.denoise(noisy, method=method), expected, atol=1e-12)


def test_missing_counts_are_filled():
    import jax

    noise = jd.Poisson(20.0)
    clean = np.full((20, 22), 0.6)
    counts = np.asarray(noise.sample(jax.random.key(0), clean)).copy()
    counts[9, 3:6] = np.nan
    out = np.asarray(jd.denoise(counts, noise, method="robust_subspace"))
    np.testing.assert_allclose(out[9, 3:6], 0.6, atol=0.15)
    out = np.asarray(jd.denoise(counts, noise, method="tv"))
    np.testing.assert_allclose(out[9, 3:6], 0.6, atol=0.15)


def test_unknown_method(noisy):
    with pytest.raises(ValueError, match="method must be one of 'bilateral'"):
        jd.denoise(noisy, 0.1, method="magic")
