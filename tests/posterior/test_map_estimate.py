"""The maximum of the posterior, and its derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxdenoise as jd
from tests.gradients import check_grads
from tests.posterior.conftest import SIGMA, hessian_of, small_prior

EXACT = {"tolerance": 1e-9}


def test_quadratic_posterior_has_a_closed_form(clean, noisy):
    prior = small_prior(clean)
    hessian = hessian_of(prior, noisy.shape) + np.eye(noisy.size) / SIGMA**2
    right = noisy / SIGMA**2 - jax.grad(prior.energy)(jnp.zeros(noisy.shape))
    found = jd.map_estimate(noisy, SIGMA, prior, **EXACT)
    expected = np.linalg.solve(hessian, right.ravel()).reshape(noisy.shape)
    np.testing.assert_allclose(found.image, expected, atol=1e-8)
    assert found.converged
    assert found.iterations < 100
    energy = prior.energy(expected) - jd.Gaussian(SIGMA).log_likelihood(noisy, expected)
    np.testing.assert_allclose(found.objective, energy)


NOISES = {
    "map": jd.Gaussian(np.linspace(0.05, 0.2, 18)[None]),
    "poisson-gaussian": jd.PoissonGaussian(0.25, 0.1),
    "impulse": jd.Impulse(0.1, 0.0, 1.0, SIGMA, "uniform"),
}


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES.keys())
def test_every_noise_is_taken_away(noise, clean):
    noisy = noise.sample(jax.random.key(0), jnp.asarray(clean))
    found = jd.map_estimate(noisy, noise, small_prior(clean, noise))
    assert found.converged
    assert jd.mse(found.image, clean) < 0.3 * jd.mse(noisy, clean)
    if not isinstance(noise, jd.Gaussian | jd.Impulse):
        assert found.image.min() > 0


def test_without_noise_the_image_stays(clean, noisy):
    for sigma in (0.0, 1e-7):
        found = jd.map_estimate(noisy.astype(np.float32), sigma, small_prior(clean))
        np.testing.assert_allclose(found.image, noisy.astype(np.float32), atol=1e-6)


def test_implicit_gradient_matches_finite_differences(clean, counts):
    """In the data, the noise, and everything of the prior, forwards and backwards."""
    peak = 4.0
    prior = small_prior(clean, jd.Poisson(peak)).prior

    def restored(y, peak, mean, weight):
        moved = jax.tree.unflatten(jax.tree.structure(prior), [mean, *jax.tree.leaves(prior)[1:]])
        moved = weight * moved + jd.HuberTV(0.5, 0.1)
        return jd.map_estimate(y, jd.Poisson(peak), moved, **EXACT).image

    arguments = jnp.asarray(counts), peak, prior.mean, 0.5
    check_grads(jax.jit(restored), arguments, order=1, eps=1e-5, rtol=1e-3, atol=1e-3)


def test_gradient_needs_no_memory_of_the_iterations(clean, noisy):
    prior = small_prior(clean)

    def loss(y, iterations):
        image = jd.map_estimate(y, SIGMA, prior, iterations=iterations).image
        return jnp.sum(jnp.square(image))

    sizes = [
        jax.jit(jax.grad(lambda y, n=n: loss(y, n))).lower(noisy).compile().memory_analysis()
        for n in (5, 50)
    ]
    assert sizes[0].temp_size_in_bytes == sizes[1].temp_size_in_bytes


def test_vmap_equals_loop(clean, noisy):
    """An image, a noise level and a prior of its own for each."""
    images, levels = jnp.stack([noisy, noisy[::-1]]), jnp.asarray([0.05, 0.2])

    def restored(y, sigma):
        return jd.map_estimate(y, sigma, small_prior(y, jd.Gaussian(sigma)), **EXACT)

    batch = jax.vmap(restored)(images, levels)
    for number, (y, sigma) in enumerate(zip(images, levels, strict=True)):
        alone = restored(y, sigma)
        np.testing.assert_allclose(batch.image[number], alone.image, atol=1e-7)
        assert batch.converged[number]


def test_any_optimizer_of_optax(clean, noisy):
    prior = small_prior(clean)
    expected = jd.map_estimate(noisy, SIGMA, prior, **EXACT)
    adam = jd.map_estimate(noisy, SIGMA, prior, optimizer=optax.adam(0.05), iterations=1000)
    # In units of the noise no curvature is below 1: the error is at most the gradient.
    assert jd.mse(adam.image, expected.image) < (1e-3 * SIGMA) ** 2
    few = jd.map_estimate(noisy, SIGMA, prior, optimizer=optax.adam(0.05), iterations=3)
    assert not few.converged
    assert few.iterations == 3


def test_lowers_for_every_platform_without_lapack_and_fft(clean, noisy):
    prior = small_prior(clean)
    gradient = jax.grad(lambda y: jnp.sum(jd.map_estimate(y, SIGMA, prior).image))
    traced = jax.jit(gradient).trace(noisy)
    for platform in ("cpu", "cuda", "tpu"):
        lowered = traced.lower(lowering_platforms=(platform,)).as_text()
        assert not any(call in lowered for call in ("lapack", "fft", "cusolver")), platform


def test_bad_input(clean, noisy, counts):
    prior = small_prior(clean)
    with pytest.raises(ValueError, match="noisy must be finite"):
        jd.map_estimate(np.where(noisy > 0.5, np.nan, noisy), SIGMA, prior)
    with pytest.raises(ValueError, match="noisy must hold no counts below 0"):
        jd.map_estimate(counts - 1, jd.Poisson(4.0), prior)
    with pytest.raises(ValueError, match="prior was built for an image of shape"):
        jd.map_estimate(noisy[1:], SIGMA, prior)
    with pytest.raises(ValueError, match="peak must be finite and positive"):
        jd.map_estimate(counts, jd.Poisson(0.0), prior)
    with pytest.raises(ValueError, match="tolerance must be finite and positive"):
        jd.map_estimate(noisy, SIGMA, prior, tolerance=0.0)
    with pytest.raises(TypeError, match="prior must have a method energy"):
        jd.map_estimate(noisy, SIGMA, lambda x: 0.0)
