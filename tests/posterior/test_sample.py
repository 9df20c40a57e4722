"""Draws of the posterior: against the closed form, and what is said of them."""

from functools import partial

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxdenoise as jd
from jaxdenoise.posterior.diagnostics import bulk_ess, split_r_hat
from jaxdenoise.posterior.summary import Distribution, Moments
from tests.posterior.conftest import SIGMA, hessian_of, small_prior

FEW = {"num_chains": 2, "num_warmup": 20, "num_samples": 8}
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def gaussian(photograph):
    """A 32 x 32 image, its quadratic prior, and the closed form of mean and covariance."""
    clean = photograph[16:48, 16:48]
    noisy = clean + SIGMA * np.random.default_rng(1).normal(size=clean.shape)
    prior = small_prior(clean, patch_size=6, stride=3, members=32, window_size=15)
    at_zero = jax.grad(prior.energy)(jnp.zeros(clean.shape)).ravel()
    precision = hessian_of(prior, clean.shape) + np.eye(clean.size) / SIGMA**2
    covariance = np.linalg.inv(precision)
    mean = covariance @ (noisy.ravel() / SIGMA**2 - at_zero)
    return noisy, prior, mean.reshape(clean.shape), covariance


def test_hmc_agrees_with_the_closed_form(gaussian):
    noisy, prior, mean, covariance = gaussian
    std = np.sqrt(np.diag(covariance)).reshape(mean.shape)
    counts = {"num_warmup": 150, "num_samples": 200}
    draws = jd.sample(KEY, noisy, SIGMA, prior, quantiles=(0.05, 0.5), keep_samples=True, **counts)
    assert draws.converged
    assert draws.ess.min() > 200
    assert draws.samples.shape == (200, 4, 32, 32)
    ess = jax.jit(bulk_ess)(draws.samples.reshape(200, 4, -1)).reshape(mean.shape)
    errors = np.abs(draws.mean - mean) / (std / np.sqrt(ess))
    assert np.mean(errors < 4) >= 0.99
    assert np.mean(errors) > 0.3, "the standard error is overrated"
    assert np.mean(np.abs(draws.std / std - 1)) < 0.05
    np.testing.assert_allclose(draws.mean, draws.samples.mean(axis=(0, 1)), atol=1e-12)
    np.testing.assert_allclose(draws.std, draws.samples.reshape(800, 32, 32).std(0, ddof=1))
    # Counted while passing, against those of all draws, in standard errors of a quantile.
    kept = np.quantile(np.asarray(draws.samples).reshape(800, 32, 32), [0.05, 0.5], axis=0)
    assert np.mean(np.abs(draws.quantiles - kept) / std[None]) < 0.05
    assert np.mean(np.abs((draws.quantiles[0] - mean) / std + 1.645)) < 0.1


def test_svgd_agrees_on_the_mean_and_needs_no_key(gaussian):
    noisy, prior, mean, _ = gaussian
    first, again = (
        jd.sample(key, noisy, SIGMA, prior, sampler=jd.SVGD(steps=100), num_chains=6)
        for key in (None, KEY)
    )
    assert np.linalg.norm(first.mean - mean) < 0.01 * np.linalg.norm(mean)
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert first.converged
    assert np.isnan(first.r_hat).all()


def test_one_particle_climbs_to_the_maximum(clean, noisy):
    prior = small_prior(clean)
    steps, rate = 200, 0.05
    found = jd.sample(
        None, noisy, SIGMA, prior, sampler=jd.SVGD(steps, optax.sgd(rate)), num_chains=1
    )
    expected = jd.map_estimate(noisy, SIGMA, prior, tolerance=1e-9).image
    np.testing.assert_allclose(found.mean, expected, atol=1e-5)
    assert np.all(found.std == 0)


def test_same_key_same_draws(clean, counts):
    """Under jit and vmap too, where each image has its own key, noise and prior."""
    keys, images = jax.random.split(KEY), jnp.stack([counts, counts[::-1]])
    peaks = jnp.asarray([4.0, 6.0])

    def draw(key, y, peak):
        noise = jd.Poisson(peak)
        return jd.sample(key, y, noise, small_prior(clean, noise), **FEW)

    first, second = (draw(*each) for each in zip(keys, images, peaks, strict=True))
    batch = jax.vmap(draw)(keys, images, peaks)
    for number, alone in enumerate((first, second)):
        for a, b in ((batch.mean[number], alone.mean), (batch.std[number], alone.std)):
            np.testing.assert_allclose(a, b, atol=1e-6)
        assert np.isfinite(alone.std).all()
        assert alone.acceptance > 0.3
        assert alone.quantiles.min() > 0
    jitted = jax.jit(draw)(keys[1], images[1], peaks[1])
    np.testing.assert_allclose(jitted.mean, second.mean, atol=1e-9)
    other = draw(keys[0], images[1], peaks[1])
    assert not np.allclose(other.mean, second.mean, atol=1e-4)


def test_a_sampler_that_never_accepts_is_not_believed(clean, noisy):
    """A prior whose gradient is not its own: energy is lost on every trajectory."""
    prior = jd.RED(_lying, SIGMA)
    draws = jd.sample(KEY, noisy, SIGMA, 1e4 * prior, **FEW)
    assert draws.acceptance < 0.1
    assert not draws.converged
    assert np.isfinite(draws.mean).all()


@jax.custom_jvp
def _lying(x, sigma):
    return jnp.zeros_like(x)


_lying.defjvp(lambda primals, tangents: (_lying(*primals), 5 * tangents[0]))


def test_counts_without_a_prior_have_a_gamma_density():
    """A prior over images, though chains move in u: p(x | n) is Gamma(n + 1) / peak."""
    counts = jnp.asarray([[0.0, 1.0, 3.0]]) / 4
    flat = jd.HuberTV(0.0, 0.1)
    counted = {"num_chains": 16, "num_warmup": 100, "num_samples": 300}
    draws = jd.sample(KEY, counts, jd.Poisson(4.0), flat, **counted)
    n = 4 * counts + 1
    np.testing.assert_allclose(draws.mean, n / 4, rtol=0.05)
    np.testing.assert_allclose(draws.std, jnp.sqrt(n) / 4, rtol=0.08)
    assert draws.divergences == 0


def test_lowers_for_every_platform_without_lapack_and_fft(clean, counts):
    noise = jd.Poisson(4.0)
    prior = small_prior(clean, noise)
    for sampler in (jd.HMC(), jd.SVGD(steps=5)):
        traced = jax.jit(lambda y, s=sampler: jd.sample(KEY, y, noise, prior, sampler=s)).trace(
            counts
        )
        for platform in ("cpu", "cuda", "tpu"):
            lowered = traced.lower(lowering_platforms=(platform,)).as_text()
            assert not any(call in lowered for call in ("lapack", "fft", "cusolver")), platform


def test_progress_is_told(clean, noisy):
    heard = []
    prior = small_prior(clean)
    jd.sample(KEY, noisy, SIGMA, prior, callback=lambda *at: heard.append(at), **FEW)
    jax.effects_barrier()
    assert sorted((int(step), steps) for step, steps in heard) == [(k, 28) for k in range(28)]


def test_diagnostics_are_those_of_the_paper(rng):
    """As blackjax computes them, by FFT: of slow, of independent and of disagreeing chains."""
    noise = rng.normal(size=(200, 4, 3))
    slow = np.copy(noise)
    for k in range(1, 200):
        slow[k] = 0.8 * slow[k - 1] + noise[k]
    apart = noise + np.arange(4)[:, None]
    draws = jnp.asarray(np.concatenate([slow, noise, apart, np.round(noise)], axis=2))
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        expected = [
            jax.jit(partial(f, chain_axis=1, sample_axis=0))(draws)
            for f in (blackjax.diagnostics.ess_bulk, blackjax.diagnostics.rhat)
        ]
    # They end Geyer's sum differently by a term.
    np.testing.assert_allclose(jax.jit(bulk_ess)(draws), expected[0], rtol=0.05)
    np.testing.assert_allclose(jax.jit(split_r_hat)(draws), expected[1], rtol=1e-6)
    assert np.all(bulk_ess(jnp.zeros((10, 2, 1))) == 0)
    assert np.all(np.isinf(split_r_hat(jnp.zeros((10, 2, 1)))))


def test_moments_and_quantiles_of_batches(rng):
    draws = jnp.asarray(rng.gamma(4.0, size=(4, 500, 3)))
    moments = Moments.like(jnp.zeros(3))
    for batch in draws:
        moments = moments.add(batch)
    flat = np.asarray(draws).reshape(2000, 3)
    np.testing.assert_allclose(moments.mean, flat.mean(axis=0))
    np.testing.assert_allclose(moments.variance, flat.var(axis=0, ddof=1))
    distribution = Distribution.around(moments)
    for batch in draws:
        distribution = distribution.add(batch)
    for q in (0.02, 0.05, 0.5, 0.95):
        expected = np.quantile(flat, q, axis=0)
        np.testing.assert_allclose(distribution.quantile(q), expected, atol=0.1)
    still = Distribution.around(Moments.like(jnp.zeros(3))).add(jnp.zeros((1, 3)))
    assert np.all(still.quantile(0.05) == 0)


def test_bad_input(clean, noisy):
    prior = small_prior(clean)
    for name, given in {
        "num_warmup must be at least 20": {"num_warmup": 5},
        "num_samples must be at least 4": {"num_samples": 3},
        "num_chains must be a positive integer": {"num_chains": 0},
        "quantiles must be between 0 and 1": {"quantiles": (5.0, 95.0)},
        "key must be given for HMC": {"key": None},
        "noise must be finite and not negative": {"noise": -1.0},
        "noise must be a scalar or broadcast": {"noise": jd.Gaussian(np.ones((3, 1)))},
        "noisy must be finite": {"noisy": np.full(noisy.shape, np.nan)},
        "noisy must hold no counts below 0": {"noisy": noisy - 9, "noise": jd.Poisson(4.0)},
        "prior was built for an image of shape": {"noisy": noisy[1:]},
        "quantiles must be a tuple of one or more": {"quantiles": ()},
    }.items():
        with pytest.raises(ValueError, match=name):
            jd.sample(**{"key": KEY, "noisy": noisy, "noise": SIGMA, "prior": prior, **given})
    # A pytree may hold what its constructor would refuse.
    for name, noise in {
        "sigma must be finite and not negative": jax.tree.map(lambda x: -1.0, jd.Gaussian(SIGMA)),
        "peak must be finite and positive": jax.tree.map(lambda x: 0.0, jd.Poisson(4.0)),
    }.items():
        with pytest.raises(ValueError, match=name):
            jd.sample(KEY, noisy, noise, prior)
    for name, build in {
        "sigma must be finite and not negative": lambda: jd.Gaussian(jnp.asarray(-1.0)),
        "peak must be finite and positive": lambda: jd.Poisson(jnp.asarray(0.0)),
    }.items():
        with pytest.raises(ValueError, match=name):
            build()
    with pytest.raises(ValueError, match="acceptance must be between 0 and 1"):
        jd.HMC(acceptance=1.0)
    with pytest.raises(ValueError, match="steps must be a positive integer"):
        jd.SVGD(steps=0)
