import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage import data
from skimage.restoration import inpaint_biharmonic

import jaxdenoise as jd
from jaxdenoise.groups import details, outliers
from jaxdenoise.groups.lines import defective_lines

SIGMA = 0.04


@pytest.fixture(scope="module")
def corrupted(photograph) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian noise, a tenth of the pixels black or white, and where those are."""
    rng = np.random.default_rng(0)
    noisy = photograph + SIGMA * rng.normal(size=photograph.shape)
    chance = rng.random(photograph.shape)
    return np.where(chance < 0.1, (chance < 0.05) * 1.0, noisy), chance < 0.1


@pytest.fixture(scope="module")
def restored(corrupted) -> np.ndarray:
    return np.asarray(jd.robust_subspace(corrupted[0], SIGMA))


def test_salt_and_pepper_is_found_and_gone(photograph, corrupted, restored):
    noisy, bad = corrupted
    probability = np.asarray(jd.detect_outliers(noisy, SIGMA))
    assert probability.shape == noisy.shape
    assert ((probability >= 0) & (probability <= 1)).all()
    found = probability > 0.5
    assert 2 * (found & bad).sum() / (found.sum() + bad.sum()) > 0.9  # F1
    # As far above what ignores the outliers as their energy is above the noise's.
    gain = jd.psnr(restored, photograph, data_range=1) - jd.psnr(
        jd.subspace(noisy, SIGMA), photograph, data_range=1
    )
    assert gain > 10


def test_details_are_no_outliers():
    """Where there is hardly any noise, what is unique in an image is not taken for outliers."""
    sigma = 1 / 255
    clean = data.camera()[100:164, 180:244] / 255
    noisy = clean + sigma * np.random.default_rng(0).normal(size=clean.shape)
    assert np.mean(np.asarray(jd.detect_outliers(noisy, sigma)) > 0.5) < 1e-3
    error, plain = (np.std(f(noisy, sigma) - clean) for f in (jd.robust_subspace, jd.subspace))
    assert error < 1.5 * plain


def test_given_rate(photograph, corrupted):
    noisy, bad = corrupted
    counts = [
        np.sum(jd.detect_outliers(noisy, SIGMA, outlier_rate=rate)) for rate in (0.0, 1e-3, 0.1)
    ]
    assert counts[0] == 0
    assert counts[1] < counts[2]
    assert 0.8 * bad.sum() < counts[2] < 1.2 * bad.sum()


def test_missing_pixels_are_inpainted():
    """Masked, NaN or infinite: all the same, and better than the biharmonic equation does it."""
    rng = np.random.default_rng(1)
    clean = data.camera()[100:180, 160:240] / 255
    noisy = clean + SIGMA * rng.normal(size=clean.shape)
    missing = rng.random(noisy.shape) < 0.3
    out = np.asarray(jd.robust_subspace(noisy, SIGMA, mask=missing))
    for value in (np.nan, np.inf):
        same = jd.robust_subspace(np.where(missing, value, noisy), SIGMA)
        np.testing.assert_allclose(same, out, atol=1e-9)
    error, reference = (
        np.std((x - clean)[missing]) for x in (out, inpaint_biharmonic(noisy, missing))
    )
    assert error < 0.95 * reference
    probability = jd.detect_outliers(noisy, SIGMA, mask=missing)
    np.testing.assert_allclose(probability[missing], 1, atol=1e-6)


def test_absurd_pixel_is_missing(photograph):
    results = []
    for value in (np.nan, 1e30, -1e200):
        image = photograph.copy()
        image[30, 40] = value
        results.append(jd.robust_subspace(image, SIGMA))
    for out in results[1:]:
        np.testing.assert_allclose(out, results[0], atol=1e-9)


def test_lines_and_flat_parts_are_no_outliers():
    image = np.zeros((40, 44), np.float32)
    image[::9], image[:, ::11] = 1, 1
    np.testing.assert_allclose(jd.robust_subspace(image, 0.02, outlier_rate=0.0), image, atol=5e-3)
    probability = np.asarray(jd.detect_outliers(image, 0.02))
    assert np.mean(probability[image == 0] > 0.5) < 0.1


def test_mask_of_colours_is_for_all_channels(photograph):
    colours = np.stack([photograph, photograph**2], axis=-1)[:20, :24]
    mask = np.zeros((20, 24), np.uint8)
    mask[5:7, 8] = 255
    flat = jd.robust_subspace(colours, SIGMA, mask=mask, channel_axis=-1)
    full = jd.robust_subspace(colours, SIGMA, mask=np.stack([mask] * 2, -1), channel_axis=-1)
    np.testing.assert_array_equal(flat, full)


def test_channel_without_known_pixels():
    """Refused where the values are known, else NaN."""
    colours = np.random.default_rng(0).random((9, 10, 2))
    colours[..., 1] = np.nan
    with pytest.raises(ValueError, match="channel 1 has no finite pixel"):
        jd.robust_subspace(colours, SIGMA, channel_axis=-1)
    with pytest.raises(ValueError, match="mask must leave a known pixel"):
        jd.detect_outliers(colours[..., 0], SIGMA, mask=np.ones((9, 10), bool))
    out = jax.jit(lambda x: jd.robust_subspace(x, SIGMA))(colours[..., 1])
    assert np.isnan(out).all()


def test_parameters_that_are_nan_are_seen(photograph):
    image = photograph[:16, :18]
    robust = jax.jit(lambda s, r: jd.robust_subspace(image, s, outlier_rate=r))
    assert np.isfinite(robust(SIGMA, 0.1)).all()
    for parameters in ((np.nan, 0.1), (-SIGMA, 0.1), (SIGMA, np.nan), (SIGMA, -0.1)):
        assert np.isnan(robust(*parameters)).all()


def gaussian_spot(shape: tuple[int, int], centre: np.ndarray, fwhm: float) -> np.ndarray:
    """A spot of flux 1, integrated over every pixel."""
    scale = 2 * np.sqrt(np.log(2)) / fwhm
    edges = (scale * (np.arange(n + 1) - 0.5 - c) for n, c in zip(shape, centre, strict=True))
    return np.outer(*(np.diff([math.erf(e) for e in edge]) / 2 for edge in edges))


def test_stars_keep_their_flux_and_cosmic_rays_go():
    """Faint and bright, as sharp as is promised, over a sky with rays that are no sharper in it."""
    rng = np.random.default_rng(0)
    shape, sigma = (80, 84), 12.0
    centres = np.add.outer(np.arange(4) * 19, np.zeros(4)) + 11
    centres = np.stack([centres, centres.T], axis=-1).reshape(-1, 2) + rng.random((16, 2))
    fluxes = np.geomspace(4000, 60000, 16)
    stars = sum(f * gaussian_spot(shape, c, 1.8) for f, c in zip(fluxes, centres, strict=True))
    noisy = stars + 100 + sigma * rng.normal(size=shape)
    rays = np.zeros(shape, bool)
    for row, column in ((2, 3), (20, 40), (60, 2), (40, 78), (59, 59)):
        rays[row, column] = True
        rays[row, column + 1 : column + 4 * (row % 2)] = True
    noisy[rays] += 800
    out, p = np.asarray(jd.robust_subspace(noisy, sigma)), jd.detect_outliers(noisy, sigma)
    assert np.mean(np.asarray(p)[rays] > 0.5) > 0.8
    rows, columns = np.indices(shape)
    for flux, (y, x) in zip(fluxes, centres, strict=True):
        near = np.hypot(rows - y, columns - x) < 4
        # Three standard deviations of what 50 pixels of noise alone make of it, or 3 %.
        error = abs(np.sum((out - 100 - stars)[near]))
        assert error < max(0.03 * flux, 3 * sigma * np.sqrt(near.sum())), flux


@pytest.mark.parametrize("value", [1020.0, 0.0])
def test_defective_lines_are_found(value):
    """Whole and partial, one or two pixels wide, and nothing beside them."""
    noisy = 100 + 5 * np.random.default_rng(0).normal(size=(64, 64))
    bad = np.zeros(noisy.shape, bool)
    bad[:, 20] = bad[5:50, 40:42] = bad[12, 25:60] = True
    noisy[bad] = value
    probability = np.asarray(jd.detect_outliers(noisy, 5.0))
    np.testing.assert_array_equal(probability > 0.5, bad)
    restored = np.asarray(jd.robust_subspace(noisy, 5.0))
    assert np.sqrt(np.mean(np.square(restored - 100))) < 1
    kept = jd.detect_outliers(noisy, 5.0, outlier_rate=0.0)
    assert np.max(kept) == 0


def test_lines_of_the_image_are_not_defective(photograph):
    """An edge, blurred lines on and between columns, stripes, the border, a photograph."""
    edge = np.repeat([0.0, 1.0], 30)
    blurred = np.convolve(np.arange(60) == 30, [0.27, 1.0, 0.27], "same")
    stripes = np.arange(60) % 2.0
    border = np.arange(60) == 59
    between = np.where(np.arange(60) == 30, 1.0, 0.6 * (np.arange(60) == 31))
    for profile in (edge, blurred, between, stripes, border):
        planes = np.tile(profile.astype(float), (60, 1))[None]
        planes = planes + 0.01 * np.random.default_rng(0).normal(size=planes.shape)
        given = np.ones(planes.shape, bool), np.full(planes.shape, 0.01)
        assert not np.any(defective_lines(jnp.asarray(planes), *map(jnp.asarray, given)))
    camera = data.camera()[None].astype(float)
    camera = camera + 2 * np.random.default_rng(0).normal(size=camera.shape)
    given = np.ones(camera.shape, bool), np.full(camera.shape, 2.0)
    assert not np.any(defective_lines(jnp.asarray(camera), *map(jnp.asarray, given)))


def test_impulse_model_helps(photograph):
    """Salt and pepper is as good as masked, random values are better told than guessed."""
    for values, rival in (("extremes", "masked"), ("uniform", "alone")):
        noise = jd.Impulse(0.5, 0.0, 1.0, SIGMA, values=values)
        noisy = np.asarray(noise.sample(jax.random.key(0), photograph))
        told = jd.psnr(jd.robust_subspace(noisy, noise), photograph, data_range=1)
        given = {"mask": (noisy == 0) | (noisy == 1)} if rival == "masked" else {}
        out = jd.robust_subspace(noisy, SIGMA, **given)
        assert told > jd.psnr(out, photograph, data_range=1) - 0.1


def test_saturated_image_is_not_salt():
    clean = np.full((40, 40), 0.5)
    clean[10:30, 10:30] = 1.0
    noise = jd.Impulse(0.2, 0.0, 1.0, SIGMA)
    noisy = np.minimum(np.asarray(noise.sample(jax.random.key(0), clean)), 1)
    noisy = np.where((clean == 1) & (noisy > 0), 1, noisy)
    p = np.asarray(jd.detect_outliers(noisy, noise))
    assert np.mean(p[13:27, 13:27]) < 0.2
    np.testing.assert_array_equal((p > 0.5)[clean < 1], np.isin(noisy, (0, 1))[clean < 1])


def test_posterior_is_bayes_rule():
    residual, variance, rate, density = 2.5, 1.3, 0.1, 0.02
    normal = np.exp(-(residual**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    expected = rate * density / (rate * density + (1 - rate) * normal)
    log_odds = jnp.log(rate * density / (1 - rate))
    found = outliers.outlier_probability(jnp.array(residual), jnp.array(variance), log_odds)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    # Student's t of no estimated variance is the normal distribution.
    found = outliers.outlier_probability(
        jnp.array(residual), jnp.array(variance), log_odds, jnp.array(0.0)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_details_beside_the_noise_by_bayes_rule(rng):
    """Neighbour by neighbour, in a plane whose pixels are all outliers or none."""
    y, x = rng.normal(size=(2, 1, 5, 6))
    p = np.full(y.shape, 0.7)
    variance, log_odds, share = (
        np.full(y.shape, 0.5),
        np.full(y.shape, -2.0),
        np.full((1, 1, 1), 0.1),
    )
    found, _ = details.or_neighbour(*map(jnp.asarray, (p, y, x, variance, log_odds, share)))
    i, j = 2, 3
    around = [(i + a, j + b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)]
    width = 1.0 + 0.1 * np.mean([(x[0][k] - x[0, i, j]) ** 2 for k in around])
    density = np.mean(
        [
            (1 - 0.95 * 0.7) / (np.pi * width**0.5 * (1 + (y[0][k] - y[0, i, j]) ** 2 / width))
            for k in around
        ]
    )
    # Of an outlier 1, of the noise as p says, of a detail its share; all over q and the rate.
    expected = 1 / (1 + (1 / 0.7 - 1) + 0.1 * density / np.exp(-2.0))
    np.testing.assert_allclose(found[0, i, j], expected, rtol=1e-12)


def test_density_of_outliers_integrates_to_one(rng):
    """Seen from pixels that are none, every second one: an outlier does not count for itself."""
    y = jnp.linspace(-3, 3, 4001)[None, None]
    p = np.where(np.arange(4001) % 2, rng.random(4001), 0)[None, None]
    known = jnp.ones(y.shape, bool)
    log_odds = outliers.log_odds_given(y, known, jnp.asarray(p), jnp.array(0.05))
    density = np.exp(np.asarray(log_odds))[0, 0] * 0.95 / 0.05
    np.testing.assert_allclose(np.trapezoid(density[::2], y[0, 0, ::2]), 1, rtol=2e-3)


def test_lone_outlier_does_not_make_itself_likely():
    y = jnp.asarray(np.r_[np.zeros(500), 1.0, 0.75])[None, None]
    p = jnp.zeros(y.shape).at[0, 0, 500].set(1.0)
    known = jnp.ones(y.shape, bool)
    log_odds = outliers.log_odds_given(y, known, p, jnp.array(0.1))[0, 0]
    assert log_odds[500] < log_odds[501] + 1  # counting itself it would be log(512) above
