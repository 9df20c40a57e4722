"""Bins of few photons: what they keep, and what is denoised through them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdenoise as jd
from jaxdenoise.noise.bins import bin_means, side_of_bins, spread_bins


@pytest.mark.parametrize("shape", [(13, 20), (5, 6, 7), (3, 40)])
@pytest.mark.parametrize("side", [1, 2, 3, 7])
def test_means_are_kept(rng, shape, side):
    image, axes = rng.normal(size=shape), tuple(range(len(shape)))
    binned, pixels = bin_means(jnp.asarray(image), jnp.asarray(side), axes)
    back = spread_bins(binned, jnp.asarray(side), axes)
    if side == 1:
        np.testing.assert_array_equal(binned, image)
        np.testing.assert_array_equal(back, image)
        assert pixels == 1
    flat, _ = bin_means(jnp.full(shape, 0.3), jnp.asarray(side), axes)
    np.testing.assert_allclose(spread_bins(flat, jnp.asarray(side), axes), 0.3, rtol=1e-12)


def test_bins_are_sums_of_their_pixels(rng):
    image = rng.normal(size=(12, 18))
    binned, pixels = bin_means(jnp.asarray(image), jnp.asarray(3), (0, 1))
    expected = image.reshape(4, 3, 6, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(binned[:4, :6], expected)
    np.testing.assert_allclose(binned[4:8, :6], expected[::-1])
    assert pixels == 9
    back = spread_bins(binned, jnp.asarray(3), (0, 1))
    np.testing.assert_allclose(jnp.mean(back), image.mean())
    np.testing.assert_allclose(back[1::3, 1::3], expected)


def test_missing_pixels_do_not_count(rng):
    image = rng.normal(size=(8, 8))
    image[0, 1] = np.nan
    binned, _ = bin_means(jnp.asarray(image), jnp.asarray(2), (0, 1))
    np.testing.assert_allclose(binned[0, 0], np.nanmean(image[:2, :2]))


def test_sides_grow_where_photons_are_few():
    photons = jnp.asarray([0.0, 0.05, 0.1, 0.3, 0.7, 1.0, 20.0, np.nan])
    np.testing.assert_array_equal(side_of_bins(photons, 2)[1:7], [6, 4, 2, 1, 1, 1])


@pytest.mark.parametrize("method", jd.methods())
def test_a_tenth_of_a_photon_keeps_its_mean(method):
    counts = np.random.default_rng(0).poisson(0.1, size=(64, 64)).astype(float)
    restored = jd.denoise(counts, jd.Poisson(1.0), method=method)
    np.testing.assert_allclose(jnp.mean(restored), counts.mean(), rtol=0.02)
    assert jnp.std(restored) < 0.08


@pytest.mark.parametrize("method", ["mean_shift", "tv", "nlm"])
def test_each_side_of_a_step_keeps_its_mean(method):
    rate = np.where(np.arange(64) < 32, 0.05, 0.4) * np.ones((64, 1))
    counts = np.random.default_rng(0).poisson(rate).astype(float)
    restored = np.asarray(jd.denoise(counts, jd.Poisson(1.0), method=method))
    for side in (np.s_[:, :24], np.s_[:, 40:]):
        # In shares of the brighter side, of which a little leaks over the step.
        np.testing.assert_allclose(restored[side].mean(), counts[side].mean(), atol=0.03 * 0.4)


@pytest.mark.parametrize("level", [0.05, 0.3, 0.6, 1.0, 3.0])
def test_the_mean_is_kept_at_every_level(level):
    counts = np.random.default_rng(0).poisson(level, size=(64, 64)).astype(float)
    restored = jd.denoise(counts, jd.Poisson(1.0), method="mean_shift")
    np.testing.assert_allclose(jnp.mean(restored), counts.mean(), rtol=0.02)


@pytest.mark.parametrize("method", ["mean_shift", "tv", "subspace"])
def test_bins_are_better_than_pixels(photograph, method):
    noise = jd.Poisson(0.5)
    counts = noise.sample(jax.random.key(0), photograph)
    pixels = noise.unstabilise(getattr(jd, method)(noise.stabilise(counts), 1.0))
    bins = jd.denoise(counts, noise, method=method)
    before, after = (jd.psnr(x, photograph, data_range=1) for x in (pixels, bins))
    assert after > before + 0.3


def test_where_photons_are_many_the_transform_is_alone(photograph):
    for noise in (jd.Poisson(20.0), jd.PoissonGaussian(0.05, 0.02)):
        counts = noise.sample(jax.random.key(0), photograph)
        expected = noise.unstabilise(jd.tv(noise.stabilise(counts), 1.0))
        np.testing.assert_array_equal(jd.denoise(counts, noise, method="tv"), expected)
        traced = jax.jit(partial(jd.denoise, method="tv"))(counts, noise)
        np.testing.assert_allclose(traced, expected, atol=1e-12)


def test_bins_are_traced(rng):
    """Under vmap each image has bins of its own; gradients go through them."""
    denoise = partial(jd.denoise, method="tv")
    noise = jd.Poisson(1.0)
    counts = rng.poisson([[[0.06]], [[0.4]], [[6.0]]], size=(3, 16, 17)).astype(float)
    together = jax.vmap(denoise, in_axes=(0, None))(counts, noise)
    for one, out in zip(counts, together, strict=True):
        np.testing.assert_allclose(out, denoise(one, noise), atol=1e-9)

    def loss(counts):
        return jnp.sum(jnp.square(denoise(counts, noise)))

    direction = rng.random(size=counts[1].shape)
    slope = jnp.vdot(jax.grad(loss)(counts[1]), direction)
    # Small enough to leave the bins as they are.
    ahead, behind = (loss(counts[1] + step * direction) for step in (1e-6, -1e-6))
    with_sign = jnp.abs(counts[1] - 1e-6 * direction).min() >= 0
    assert with_sign
    np.testing.assert_allclose(slope, (ahead - behind) / 2e-6, rtol=1e-3)


def test_channels_and_volumes(rng):
    noise = jd.Poisson(1.0)
    counts = rng.poisson([[[0.1]], [[0.4]]], size=(2, 20, 24)).astype(np.float32)
    out = jd.denoise(counts, noise, method="tv", channel_axis=0)
    assert out.dtype == np.float32
    np.testing.assert_allclose(np.mean(out, axis=(1, 2)), counts.mean((1, 2)), rtol=1e-5)
    volume = rng.poisson(0.1, size=(5, 12, 14)).astype(float)
    out = jd.denoise(volume, noise, method="tv")
    np.testing.assert_allclose(jnp.mean(out), volume.mean(), rtol=1e-9)


def test_maps_and_masks_are_binned_too(rng):
    counts = rng.poisson(0.1, size=(24, 24)).astype(float)
    noise = jd.Poisson(1.0)
    weights = np.full((24, 24), 0.8)
    expected = jd.denoise(counts, noise, method="tv", weight=0.8)
    np.testing.assert_allclose(jd.denoise(counts, noise, method="tv", weight=weights), expected)
    peaks = jd.Poisson(np.full((24, 24), 1.0))
    expected = jd.denoise(counts, noise, method="tv")
    np.testing.assert_allclose(jd.denoise(counts, peaks, method="tv"), expected)


def test_read_out_noise_counts_as_photons(rng):
    """If the read-out noise is much larger than a photon, the transform is nearly linear."""
    noise = jd.PoissonGaussian(1.0, 5.0)
    image = np.full((16, 17), 0.1) + 5 * rng.normal(size=(16, 17))
    expected = noise.unstabilise(jd.tv(noise.stabilise(image), 1.0))
    np.testing.assert_array_equal(jd.denoise(image, noise, method="tv"), expected)


def test_counts_below_0_are_refused():
    counts = np.full((8, 9), 3.0)
    counts[2, 3] = -0.5
    with pytest.raises(ValueError, match=r"no counts below 0 .* got -0.5; add the background back"):
        jd.denoise(counts, jd.Poisson(1.0), method="tv")
    assert jd.denoise(counts, jd.PoissonGaussian(1.0, 1.0), method="tv").shape == (8, 9)
