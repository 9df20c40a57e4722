"""Energies of priors against loops, and their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdenoise as jd
from tests.gradients import check_grads
from tests.posterior.conftest import SIGMA, SMALL, small_prior

PRIORS = {
    "trace": lambda clean: small_prior(clean),
    "trace of photons": lambda clean: small_prior(clean, jd.Poisson(20.0)),
    "locally linear": lambda clean: jd.LocallyLinear.learn(clean, SIGMA, window_size=3),
    "huber tv": lambda clean: jd.HuberTV(8.0, 0.02),
    "red": lambda clean: jd.RED(lambda x, sigma: jd.bilateral(x, sigma, window_size=3), SIGMA),
    "sum": lambda clean: 0.3 * jd.HuberTV(8.0, 0.02) + jd.HuberTV(1.0, 0.1) * jnp.asarray(2.0),
}


@pytest.fixture(params=PRIORS.values(), ids=PRIORS.keys())
def prior(request, clean):
    return request.param(clean)


def test_gradients_of_the_energy(prior, noisy):
    energy = jax.jit(prior.energy)
    assert jnp.shape(energy(noisy)) == ()
    check_grads(energy, (jnp.abs(noisy) + 0.01,), order=1, eps=1e-6, rtol=1e-4)


def test_gradients_are_finite_on_degenerate_images(prior, noisy):
    slope = jax.jit(jax.grad(prior.energy))
    for level in (0.0, 1.0, 255.0):
        gradient = slope(jnp.full(noisy.shape, level))
        assert np.isfinite(gradient).all()


def test_trace_energy_is_a_sum_over_groups(clean, noisy):
    """Of the squared distance from the mean, by the inverse covariance, of all similar patches."""
    size, k, stride = SMALL["patch_size"], SMALL["members"], SMALL["stride"]
    radius = SMALL["window_size"] // 2
    prior = jd.TracePrior.learn(clean, SIGMA, floor=0.05, **SMALL)
    x, pilot = noisy / SIGMA, clean / SIGMA
    last = [n - size for n in clean.shape]

    def patch(image, at):
        return image[at[0] : at[0] + size, at[1] : at[1] + size].ravel()

    total, references = 0.0, prior.grid.corners
    number = np.zeros(clean.shape)
    for a, b in references:
        number[a : a + size, b : b + size] += 1
    assert max(np.diff(np.unique(references[:, 0]))) == stride
    for at in references:
        ends = zip(at, last, strict=True)
        window = [range(max(c - radius, 0), min(c + radius, m) + 1) for c, m in ends]
        candidates = [(a, b) for a in window[0] for b in window[1]]
        distance = [np.sum((patch(pilot, c) - patch(pilot, at)) ** 2) for c in candidates]
        nearest = np.argsort(distance, kind="stable")[:k]
        group = np.stack([patch(pilot, candidates[i]) for i in nearest])
        left = group - group.mean(axis=0)
        covariance = left.T @ left / k + 0.05 * np.eye(size**2)
        d = patch(x, at) - group.mean(axis=0)
        total += np.mean(1 / patch(number, at)) * d @ np.linalg.solve(covariance, d) / 2
    np.testing.assert_allclose(prior.energy(noisy), total, rtol=1e-9)


def test_channels_of_the_trace_energy_are_decorrelated(clean, noisy):
    """Three equal channels are one of them, sqrt(3) times as large, and two of nothing."""
    colour = jd.TracePrior.learn(np.stack([clean] * 3, -1), SIGMA, **SMALL, channel_axis=-1)
    grey = jd.TracePrior.learn(3**0.5 * clean, SIGMA, **SMALL)
    energy = colour.energy(np.stack([noisy] * 3, -1))
    np.testing.assert_allclose(energy, grey.energy(3**0.5 * noisy), rtol=1e-6)


def test_quiet_parts_of_a_noise_map_keep_more(clean, noisy):
    """Beside the subspace is left what the noise was there."""
    noise_map = np.where(np.arange(clean.shape[1]) < 9, 0.5, 1.5)[None] * SIGMA
    prior = jd.TracePrior.learn(clean * 0, noise_map, floor=0.05, **SMALL)
    left = prior.grid.corners[:, 1] < 4
    precision = jnp.trace(prior.precision[0], axis1=1, axis2=2)
    assert precision[left].min() > 8 * precision[~left].min()


def test_locally_linear_energy_is_what_planes_leave(clean, noisy):
    """With a delta so large that all is quadratic: weighted least squares at every pixel."""
    prior = jd.LocallyLinear.learn(clean, SIGMA, delta=1e3, window_size=3, patch_size=3)
    u, total = noisy / SIGMA, 0.0
    steps = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)]
    assert prior.weights.sum(axis=0).max() <= 1 + 1e-12
    assert np.median(prior.weights.sum(axis=0)) > 1 - 1e-12
    for y, x in np.ndindex(*u.shape):
        rows, right, w = [], [], []
        for number, (a, b) in enumerate(steps):
            if weight := float(prior.weights[number, y, x]):
                rows.append((-a, -b))
                right.append(u[y, x] - u[y + a, x + b])
                w.append(weight)
        design, right, w = np.array(rows, float), np.array(right), np.array(w)
        ridge = design.T @ (w[:, None] * design) + 1e-5 * np.eye(2)
        slope = np.linalg.solve(ridge, design.T @ (w * right))
        total += np.sum(w * (right - design @ slope) ** 2) / 2e3
    np.testing.assert_allclose(prior.energy(noisy), total, rtol=1e-6)


def test_a_ramp_is_locally_linear_and_an_outlier_is_cut_off(clean):
    ramp = 0.05 * np.add.outer(np.arange(12.0), np.arange(13.0))
    prior = jd.LocallyLinear.learn(ramp, SIGMA, window_size=5)
    energy = jax.jit(prior.energy)
    assert energy(ramp) < 1e-3
    energies = [energy(ramp + jump * (np.arange(156).reshape(12, 13) == 70)) for jump in (5, 10)]
    assert 1.8 < energies[1] / energies[0] < 2.2


def test_huber_tv_is_tv_beyond_delta(clean):
    step = np.where(np.arange(8) < 4, 0.0, 1.0)[None].repeat(5, axis=0)
    np.testing.assert_allclose(jd.HuberTV(2.0, 0.1).energy(step), 2 * 5 * (1 - 0.05))
    np.testing.assert_allclose(jd.HuberTV(2.0, 0.1).energy(0.01 * step), 2 * 5 * 1e-4 / 0.2)
    colour = np.stack([step, step])
    energy = jd.HuberTV(1.0, 0.1, channel_axis=0).energy(colour)
    np.testing.assert_allclose(energy, 5 * (2**0.5 - 0.05))


def test_red_of_a_linear_denoiser_pulls_to_its_fixed_points(noisy):
    def half(x, sigma):
        return x / 2

    gradient = jax.grad(jd.RED(half, SIGMA).energy)(jnp.asarray(noisy))
    np.testing.assert_allclose(gradient, noisy / 2 / SIGMA**2)


def test_numbers_scale_from_both_sides(noisy):
    tv = jd.HuberTV(8.0, 0.02)
    energy = tv.energy(noisy)
    for scaled in (3 * tv, tv * 3, np.float64(3) * tv, jnp.asarray(3.0) * tv, np.asarray(3.0) * tv):
        np.testing.assert_allclose(scaled.energy(noisy), 3 * energy)
    np.testing.assert_allclose((tv + 2 * tv).energy(noisy), 3 * energy)


def test_sums(noisy):
    terms = [jd.HuberTV(1.0, 0.1), 2.0 * jd.HuberTV(0.5, 0.2), jd.RED(jd.bilateral, 0.1)]
    total = sum(prior.energy(noisy) for prior in terms)
    np.testing.assert_allclose(sum(terms).energy(noisy), total)
    with pytest.raises(TypeError):
        terms[0] + 3.0


def test_bad_input(clean, noisy):
    prior = small_prior(clean)
    with pytest.raises(ValueError, match=r"prior was built for an image of shape \(14, 18\)"):
        prior.energy(noisy[1:])
    with pytest.raises(ValueError, match=r"prior was built for an image of shape \(14, 18\)"):
        jd.LocallyLinear.learn(clean, SIGMA).energy(noisy[1:])
    with pytest.raises(ValueError, match="floor must be finite and positive"):
        jd.TracePrior.learn(clean, SIGMA, floor=0.0)
    with pytest.raises(ValueError, match="members must be a positive integer"):
        jd.TracePrior.learn(clean, SIGMA, members=0)
    with pytest.raises(ValueError, match="window_size must be an odd"):
        jd.LocallyLinear.learn(clean, SIGMA, window_size=4)
    with pytest.raises(ValueError, match="delta must be finite and positive"):
        jd.HuberTV(1.0, 0.0)
    with pytest.raises(ValueError, match="weight must be finite and not negative"):
        -1.0 * jd.HuberTV(1.0, 0.1)
    with pytest.raises(TypeError, match=r"prior must have a method energy\(image\), got float"):
        jd.map_estimate(noisy, SIGMA, 3.0)
