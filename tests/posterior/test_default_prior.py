"""The strength of a prior from the noisy image alone, and the recommended prior."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdenoise as jd
from jaxdenoise.posterior.strength import mean_variance
from tests.posterior.conftest import SIGMA, hessian_of, small_prior


@pytest.mark.parametrize("peak", [2.0, 20.0])
def test_chosen_weight_is_near_the_best(photograph, peak):
    """Also where most pixels of the coat show no photon."""
    noise = jd.Poisson(peak)
    noisy = noise.sample(jax.random.key(0), jnp.asarray(photograph))
    weights = 1.5, 4.5, 13.5, 40.5
    chosen = jd.choose_weight(noisy, noise, lambda y: jd.HuberTV(1.0, 0.02), weights=weights)
    errors = [
        jd.mse(jd.map_estimate(noisy, noise, jd.HuberTV(w, 0.02)).image, photograph)
        for w in weights
    ]
    np.testing.assert_allclose(chosen.risk, errors, rtol=0.4)
    assert 1.5 < chosen.weight < 40.5
    found = jd.map_estimate(noisy, noise, chosen.prior).image
    assert jd.mse(found, photograph) < 1.05 * min(errors)


def test_the_best_weight_is_looked_for_beyond_the_grid(noisy):
    weights = 40.0, 80.0, 160.0
    chosen = jd.choose_weight(noisy, SIGMA, lambda y: jd.HuberTV(1.0, 0.1), weights=weights)
    assert chosen.inside
    assert chosen.weight < 40
    assert chosen.risk.shape == (3,)
    assert chosen.risk[0] < chosen.risk[1]


def test_a_weight_at_the_end_is_said(noisy):
    """Without any structure: the more a flat image is preferred the better."""
    chosen = jd.choose_weight(0 * noisy, 1.0, lambda y: jd.HuberTV(1.0, 0.1), weights=(1.0, 2.0))
    np.testing.assert_allclose(chosen.weight, 128)
    assert not chosen.inside


def test_mean_variance_is_that_of_the_closed_form(clean, noisy):
    prior = small_prior(clean)
    hessian = hessian_of(prior, noisy.shape)
    exact = np.linalg.inv(hessian + np.eye(noisy.size) / SIGMA**2)
    estimate = mean_variance(jnp.asarray(noisy), jd.Gaussian(SIGMA), prior, jnp.asarray(clean))
    np.testing.assert_allclose(estimate, np.trace(exact) / noisy.size, rtol=0.2)


def test_default_prior_needs_nothing_else(photograph):
    noise = jd.Gaussian(SIGMA)
    clean = jnp.asarray(photograph[16:48, 16:48], jnp.float32)
    noisy = noise.sample(jax.random.key(0), clean)
    prior = jd.default_prior(noisy, noise)
    found = jd.map_estimate(noisy, noise, prior)
    assert found.converged
    assert jd.psnr(found.image, clean, data_range=1) > 4 + jd.psnr(noisy, clean, data_range=1)
    # No steeper across a subspace than the smallest floor, no flatter than the largest.
    steepest = np.linalg.eigvalsh(prior.prior.precision[0]).max()
    assert 0.99 / 0.08 < steepest < 1.01 / 0.01


def test_bad_input(noisy, counts):
    with pytest.raises(ValueError, match="weights must be one or more, ascending"):
        jd.choose_weight(noisy, SIGMA, lambda y: jd.HuberTV(1.0, 0.1), weights=(2.0, 1.0))
    with pytest.raises(ValueError, match="weights must be finite and positive"):
        jd.choose_weight(noisy, SIGMA, lambda y: jd.HuberTV(1.0, 0.1), weights=(0.0, 1.0))
    with pytest.raises(TypeError, match="noise must be Gaussian or of photons"):
        jd.choose_weight(noisy, jd.Impulse(0.1, 0.0, 1.0, SIGMA), lambda y: jd.HuberTV(1.0, 0.1))
    with pytest.raises(ValueError, match="noisy must hold no counts below 0"):
        jd.default_prior(counts - 1, jd.Poisson(4.0))
    with pytest.raises(ValueError, match="noisy must be finite"):
        jd.default_prior(np.full((8, 8), np.inf), 0.1)
