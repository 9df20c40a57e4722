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
    assert tuned.bracket.path["factor"][0] == start
    assert np.min(tuned.bracket.risk) == tuned.risk[0] < tuned.bracket.risk[0]
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
    for start, objective in (
        (1 / 30, "sure"),
        (30, "sure"),
        (30, lambda x: jd.psnr(x, photograph, data_range=1)),
    ):
        given = {"objective": objective, "probes": 4}
        tuned = jd.tune(denoiser, noisy, SIGMA, {"h": start * SIGMA}, **given)
        assert psnr(tuned.parameters["h"]) > grid - 0.1


@pytest.mark.parametrize("count", [1, 2])
def test_a_false_minimum_does_not_hold_it(rng, count):
    """A risk with a minimum at the start, and a lower one 25 times further."""

    def fake(y, sigma, **factors):
        log = jnp.stack([jnp.log(f) for f in factors.values()])
        false, true = (jnp.exp(-jnp.sum(jnp.square(log - m)) / 0.5) for m in (0.0, np.log(25)))
        return y * 0 + 0.5 * false + true

    start = {f"f{k}": 1.1 for k in range(count)}
    search = {"objective": lambda x: jnp.mean(x)}
    y = rng.normal(size=(5, 6))
    stuck = jd.tune(fake, y, SIGMA, start, reach=1, **search)
    found = jd.tune(fake, y, SIGMA, start, **search)
    for name in start:
        np.testing.assert_allclose(stuck.parameters[name], 1, rtol=0.05)
        np.testing.assert_allclose(found.parameters[name], 25, rtol=0.05)
    # One line of 6 octaves either way, and one for each of several parameters.
    assert found.bracket.risk.shape == (1 + 12 * (1 if count == 1 else 1 + count),)


def test_each_parameter_is_bracketed_alone(rng):
    def fake(y, sigma, a, b):
        return y * 0 - jnp.square(jnp.log(a / 20)) - jnp.square(jnp.log(b * 20))

    y = rng.normal(size=(5, 6))
    search = {"objective": lambda x: jnp.mean(x), "steps": 1}
    found = jd.tune(fake, y, SIGMA, {"a": 1.0, "b": 1.0}, **search)
    assert 10 < found.parameters["a"] < 40
    assert 10 < 1 / found.parameters["b"] < 40


def test_takes_the_name_of_a_method(noisy):
    image, few = noisy[:20, :24], {"reach": 1, "steps": 2, "probes": 1}
    for noise in (SIGMA, jd.Gaussian(SIGMA), np.full((1, 24), SIGMA)):
        found = jd.tune("tv", image, noise, **few)
        expected = jd.tune(jd.tv, image, noise, jd.strengths("tv", SIGMA), **few)
        np.testing.assert_allclose(
            found.parameters["weight"], expected.parameters["weight"], rtol=1e-6
        )
    colour = np.stack([image, image])
    assert jd.tune("tv", colour, SIGMA, channel_axis=0, **few).image.shape == (2, 20, 24)
    photons = jd.Poisson(4.0)
    counts = photons.sample(jax.random.key(0), jnp.abs(image))
    found = jd.tune("tv", counts, photons, **few)
    assert found.bracket.path["weight"][0] == jd.strengths("tv")["weight"]


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
    tuned = jd.tune(denoiser, noisy, noise, {"h": 3.0}, probes=4)
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
        ({"denoiser": "magic"}, ValueError, "denoiser must be one of 'bilateral', .* got 'magic'"),
        ({"denoiser": 3}, TypeError, "denoiser must be a function or a method's name, got int"),
        ({"parameters": None}, ValueError, "parameters must be given for a function, got None"),
        ({"reach": 0.5}, ValueError, "reach must be a number, at least 1, got 0.5"),
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
    arguments = {"denoiser": jd.nlm, "noise": SIGMA, "parameters": {"h": 0.1}, **given}
    tune = getattr(jd.tune, "__wrapped__", jd.tune)
    with pytest.raises(error, match=match):
        tune(noisy=np.zeros((8, 9)), **arguments)
