"""Parameters found by gradient, where the best ones are known."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxdenoise as jd

SIGMA = 0.1


def shrink(y, sigma, factor):
    return factor * y


def best_factor(y: np.ndarray, sigma: float) -> float:
    """Where SURE = mean((f y - y)^2) - sigma^2 + 2 sigma^2 f is least."""
    return 1 - sigma**2 / np.mean(y**2)


@pytest.fixture
def noisy(photograph, rng) -> np.ndarray:
    return photograph + SIGMA * rng.normal(size=photograph.shape)


@pytest.mark.parametrize("start", [1 / 3, 3])
def test_finds_the_least_risk(rng, start):
    y = 0.2 * rng.normal(size=(40, 40))
    tuned = jd.tune(shrink, y, SIGMA, {"factor": start}, steps=40)
    np.testing.assert_allclose(tuned.parameters["factor"], best_factor(y, SIGMA), rtol=0.01)
    np.testing.assert_allclose(tuned.image, tuned.parameters["factor"] * y)
    assert tuned.risk.shape == tuned.path["factor"].shape == (40,)
    assert tuned.path["factor"][0] == start
    assert tuned.path["factor"][jnp.argmin(tuned.risk)] == tuned.parameters["factor"]


def test_parameter_map_goes_in_reverse(rng):
    """One factor a row: more numbers than are differentiated forward."""
    scale = np.linspace(0.2, 1, 6)
    y = scale[:, None] * rng.normal(size=(6, 400))
    start = {"factor": np.full((6, 1), 0.4)}
    tuned = jd.tune(shrink, y, SIGMA, start, steps=60)
    each = [best_factor(row, SIGMA) for row in y]
    np.testing.assert_allclose(tuned.parameters["factor"][:, 0], each, rtol=0.02)


def test_sign_is_kept(rng):
    tuned = jd.tune(lambda y, sigma, f: -f * y, rng.normal(size=(9, 9)), SIGMA, {"f": -0.3})
    assert tuned.parameters["f"] < -0.8


def test_denoiser_is_as_good_as_the_best_of_a_grid(photograph, noisy):
    denoiser = partial(jd.nlm, patch_size=3, window_size=7)

    def psnr(h):
        return float(jd.psnr(denoiser(noisy, SIGMA, h=h), photograph, data_range=1))

    grid = max(psnr(h) for h in SIGMA * np.geomspace(0.3, 3, 12))
    for start in (0.3, 3):
        for objective in ("sure", lambda x: jd.psnr(x, photograph, data_range=1)):
            tuned = jd.tune(denoiser, noisy, SIGMA, {"h": start * SIGMA}, objective=objective)
            assert psnr(tuned.parameters["h"]) > grid - 0.1


def test_without_the_noise(photograph, noisy):
    """Sigma is a parameter like another where the loss needs none."""
    denoiser = partial(jd.nlm, patch_size=3, window_size=7)
    start = {"sigma": 0.3 * SIGMA, "h": 0.3 * SIGMA}
    tuned = jd.tune(denoiser, noisy, None, start, objective="j_invariant")
    before = jd.psnr(denoiser(noisy, **start), photograph, data_range=1)
    assert jd.psnr(tuned.image, photograph, data_range=1) > before + 2


def test_photons(photograph):
    noise = jd.Poisson(20.0)
    noisy = noise.sample(jax.random.key(0), photograph)
    denoiser = partial(jd.denoise, method="nlm", patch_size=3, window_size=7)
    tuned = jd.tune(denoiser, noisy, noise, {"h": 3.0})
    assert 0.3 < tuned.parameters["h"] < 1.5
    error = jd.mse(tuned.image, photograph)
    np.testing.assert_allclose(np.min(tuned.risk), error, rtol=0.3)


def test_vmap_equals_the_loop(rng):
    images = rng.normal(size=(3, 12, 14))
    sigmas = jnp.asarray([0.1, 0.2, 0.3])

    def one(image, sigma):
        return jd.tune(shrink, image, sigma, {"factor": 0.4})

    together = jax.vmap(one)(images, sigmas)
    for k, (image, sigma) in enumerate(zip(images, sigmas, strict=True)):
        alone = one(image, sigma)
        jax.tree.map(
            lambda a, b, k=k: np.testing.assert_allclose(a[k], b, rtol=1e-9), together, alone
        )


def test_channels_model_and_callback(rng):
    """Channels are the denoiser's business, a Gaussian model is its sigma, steps are told."""
    y = 0.2 * rng.normal(size=(3, 20, 20))
    heard = []

    def denoiser(y, sigma, factor, *, channel_axis):
        assert channel_axis == 0
        return factor * y

    given = {"noise": jd.Gaussian(SIGMA), "parameters": {"factor": 0.5}}
    tuned = jd.tune(
        denoiser, y, **given, channel_axis=0, callback=lambda k, r: heard.append((int(k), float(r)))
    )
    jax.block_until_ready(tuned)
    jax.effects_barrier()
    assert sorted(heard) == [(k, float(risk)) for k, risk in enumerate(tuned.risk)]


def test_missing_pixels_do_not_spoil_the_parameters(rng):
    y = rng.normal(size=(9, 10))
    y[3, 4] = np.nan

    def fill(y, f):
        return jnp.where(jnp.isnan(y), 0, f * y)

    tuned = jd.tune(fill, y, None, {"f": 0.5}, objective=lambda x: -jd.mse(x, 0 * x))
    assert 0 < tuned.parameters["f"] < 0.2


def test_equal_partials_compile_once(compilations, rng):
    y = rng.normal(size=(6, 7))
    optimizer = optax.sgd(0.1)

    def once():
        denoiser = partial(shrink)
        return jd.tune(denoiser, y, SIGMA, {"factor": 0.4}, optimizer=optimizer)

    jax.block_until_ready(once())
    compilations.clear()
    jax.block_until_ready(once())
    assert not compilations


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ({"parameters": {}}, ValueError, "parameters must name at least one"),
        ({"parameters": {"h": 0.0}}, ValueError, r"parameters\['h'\] must be finite and not 0"),
        ({"parameters": {"h": np.nan}}, ValueError, r"parameters\['h'\] must be finite"),
        ({"parameters": {"h": 1j}}, TypeError, r"parameters\['h'\] must be a real array"),
        ({"objective": "least squares"}, ValueError, "objective must be one of 'sure'"),
        ({"steps": 0}, ValueError, "steps must be a positive integer"),
        ({"noise": None}, ValueError, "noise must be given for the objective 'sure'"),
        ({"noise": -0.1}, ValueError, "noise must be finite and not negative"),
        ({"noise": jd.Impulse(0.1, 0.0, 1.0, 0.1)}, TypeError, "noise must be Gaussian or of"),
        ({"parameters": {"h": jnp.zeros(())}}, ValueError, r"parameters\['h'\] must be"),
        ({"parameters": 0.5}, TypeError, "parameters must be a dict, got float"),
        ({"objective": lambda x: x}, ValueError, r"objective must be a scalar, got shape \(8, 9\)"),
    ],
)
def test_bad_input(given, error, match):
    arguments = {"noise": SIGMA, "parameters": {"h": 0.1}, **given}
    tune = getattr(jd.tune, "__wrapped__", jd.tune)
    with pytest.raises(error, match=match):
        tune(jd.nlm, np.zeros((8, 9)), **arguments)
