import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxdenoise as jd
from jaxdenoise.groups import trace

K, N, SIGMA = 6, 16, 0.3
# As one program each.
combine_by_pilot, combine_by_sure = jax.jit(trace.combine_by_pilot), jax.jit(trace.combine_by_sure)
trace_risk, slope_of_risk = jax.jit(jd.trace_risk), jax.jit(jax.grad(jd.trace_risk))
minimise_trace_risk = jax.jit(jd.minimise_trace_risk, static_argnames="constraint")


@pytest.fixture
def promotes():
    """The line search of `optax.lbfgs` mixes integers of 32 and 64 bits."""
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture
def clean(rng):
    return rng.normal(size=(K, 3)) @ rng.normal(size=(3, N)) + 2


@pytest.mark.parametrize("constraint", ["linear", "affine"])
def test_gradient_is_zero_at_the_minimiser(clean, rng, constraint):
    s, nu = clean @ clean.T, N * SIGMA**2
    theta = minimise_trace_risk(s, nu, constraint=constraint)
    gradient = slope_of_risk(theta, s, nu)
    if constraint == "affine":
        np.testing.assert_allclose(np.sum(theta, axis=1), 1, atol=1e-10)
        # Along the constraint: rows of the change sum to 0.
        gradient = gradient - np.mean(gradient, axis=1, keepdims=True)
    np.testing.assert_allclose(gradient, 0, atol=1e-9)
    change = rng.normal(size=(K, K))
    if constraint == "affine":
        change -= change.mean(axis=1, keepdims=True)
    assert trace_risk(theta + 0.1 * change, s, nu) > trace_risk(theta, s, nu)


def test_integers_are_numbers():
    s, nu = np.array([[4, 1], [1, 3]]), 0.7
    expected = jd.trace_risk(np.eye(2, dtype="f4") / 2, s.astype("f4"), nu)
    np.testing.assert_allclose(jd.trace_risk(np.eye(2) / 2, s, nu), expected, rtol=1e-6)
    assert jnp.issubdtype(jd.minimise_trace_risk(s, nu).dtype, jnp.floating)


def test_patches_of_different_noise(clean, rng):
    """The risk is the expected error, and its gradient is zero at the minimiser."""
    sigmas = np.linspace(0.1, 0.5, K)
    s, nu = clean @ clean.T, N * sigmas**2
    theta = minimise_trace_risk(s, nu, constraint="linear")
    np.testing.assert_allclose(slope_of_risk(theta, s, nu), 0, atol=1e-9)
    noisy = clean + sigmas[:, None] * rng.normal(size=(20000, K, N))
    error = np.sum((np.asarray(theta) @ noisy - clean) ** 2, axis=(1, 2))
    risk = trace_risk(theta, s, nu)
    assert abs(np.mean(error) - risk) < 4 * np.std(error) / len(error) ** 0.5


def test_risk_is_the_expected_error_and_sure_is_unbiased(clean, rng):
    theta = rng.normal(size=(K, K)) / 3
    nu = N * SIGMA**2
    noisy = clean + SIGMA * rng.normal(size=(20000, K, N))
    error = np.sum((theta @ noisy - clean) ** 2, axis=(1, 2))
    second_moments = noisy @ noisy.transpose(0, 2, 1) - nu * np.eye(K)
    sure = jax.jit(jax.vmap(jd.trace_risk, in_axes=(None, 0, None)))(theta, second_moments, nu)
    risk = trace_risk(theta, clean @ clean.T, nu)
    # `error` and `sure` differ by a constant for all theta, K nu minus the mean of ||W||^2: 0.
    for draws in (error, sure):
        assert abs(np.mean(draws) - risk) < 4 * np.std(draws) / len(draws) ** 0.5


NU = np.asarray([0.5, 2.0, 9.0])[:, None] * np.linspace(0.5, 1.5, 8)


def check_combined(combined, theta, noisy):
    patches, gain, noise = combined
    np.testing.assert_allclose(patches, np.asarray(theta) @ noisy, atol=1e-9)
    np.testing.assert_allclose(gain, np.diagonal(theta, axis1=1, axis2=2), atol=1e-9)
    np.testing.assert_allclose(
        noise * NU, np.sum(np.square(theta) * NU[:, None], axis=2), atol=1e-9
    )


def test_combination_by_a_pilot_is_the_affine_minimiser(rng):
    """On both sides, the inverse of order k and that of order n."""
    for n in (4, 30):
        pilot, noisy = rng.normal(size=(2, 3, 8, n)) + 5
        theta = minimise_trace_risk(pilot @ pilot.transpose(0, 2, 1), NU)
        check_combined(combine_by_pilot(noisy, pilot, jnp.asarray(NU)), theta, noisy)


def test_combination_by_sure_is_the_affine_minimiser(rng):
    """Of Y Y^T and a little of the noise: nothing is inverted that is smaller."""
    noisy = rng.normal(size=(3, 8, 30)) + 5
    s = noisy @ noisy.transpose(0, 2, 1) - (1 - trace.LEAST_RATIO) * NU[:, None] * np.eye(8)[None]
    check_combined(combine_by_sure(noisy, jnp.asarray(NU)), minimise_trace_risk(s, NU), noisy)


def test_sure_stays_bounded_where_there_is_less_than_the_noise(rng):
    noisy = 5 + 1e-6 * rng.normal(size=(1, 8, 30))
    combined = combine_by_sure(noisy, np.full((1, 8), 30.0))
    change = np.linalg.norm(combined.patches - noisy)
    assert change <= np.linalg.norm(noisy - noisy.mean(axis=1)) / trace.LEAST_RATIO


@pytest.mark.parametrize("constraint", ["linear", "affine"])
def test_descent_finds_the_closed_form_of_a_quadratic_regulariser(clean, constraint, promotes):
    """A ridge is more noise: its minimiser is known, and the descent does not start there."""
    s, nu, ridge = clean @ clean.T, N * SIGMA**2, 3.0
    expected = minimise_trace_risk(s, nu + ridge, constraint=constraint)
    found = jd.descend_trace_risk(
        s, nu, lambda theta: ridge * jnp.sum(theta**2), constraint=constraint
    )
    np.testing.assert_allclose(found.theta, expected, atol=1e-6)
    assert found.converged
    start = minimise_trace_risk(s, nu, constraint=constraint)
    assert np.abs(start - expected).max() > 0.01
    assert (np.diff(found.objective) <= 1e-9).all()


def test_descent_makes_theta_sparse(clean, promotes):
    s, nu = clean @ clean.T, N * SIGMA**2

    def entries(theta):
        return 2 * jnp.sum(jnp.sqrt(jnp.square(theta) + 1e-6))

    found = jd.descend_trace_risk(s, nu, entries)
    start = minimise_trace_risk(s, nu)
    np.testing.assert_allclose(jnp.sum(found.theta, axis=1), 1, atol=1e-9)
    assert entries(found.theta) < entries(start) - 0.1

    def objective(theta):
        return trace_risk(theta, s, nu) + entries(theta)

    slope = jax.grad(objective)(found.theta)
    along = slope - jnp.mean(slope, axis=1, keepdims=True)
    assert jnp.linalg.norm(along) < 1e-3 * jnp.linalg.norm(jax.grad(objective)(start))
    adam = jd.descend_trace_risk(s, nu, entries, optimizer=optax.adam(0.01), iterations=2000)
    np.testing.assert_allclose(objective(adam.theta), objective(found.theta), rtol=1e-3)


def test_no_regulariser_stays_at_the_minimiser(clean, promotes):
    s, nu = clean @ clean.T, np.linspace(1, 2, K)
    found = jd.descend_trace_risk(s, nu, iterations=3)
    np.testing.assert_allclose(found.theta, minimise_trace_risk(s, nu), atol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(2, 16, 36), (2, 64, 36)])
def test_degenerate_groups_stay_finite(shape, dtype):
    by_sure, by_pilot = combine_by_sure, combine_by_pilot
    for level, nu in [(0, 0), (255, 0), (255, 1e-12), (0, 9)]:
        group = np.full(shape, level, dtype)
        energy = np.full(shape[:2], nu, dtype)
        for combined in (by_sure(group, energy), by_pilot(group, group, energy)):
            assert all(np.isfinite(part).all() for part in combined)
            np.testing.assert_allclose(combined.patches, level, rtol=1e-5)


def test_bad_input():
    with pytest.raises(ValueError, match="second_moment must be square"):
        jd.minimise_trace_risk(np.zeros((2, 3)), 1.0)
    with pytest.raises(ValueError, match="theta must be square of the order of second_moment"):
        jd.trace_risk(np.zeros((3, 3)), np.eye(2), 1.0)
    with pytest.raises(ValueError, match="noise_energy must be one number"):
        jd.minimise_trace_risk(np.eye(2), np.ones(3))
    with pytest.raises(ValueError, match="noise_energy must be finite and not negative"):
        jd.minimise_trace_risk(np.eye(2), -1.0)
    with pytest.raises(TypeError, match="noise_energy must be a real array"):
        jd.minimise_trace_risk(np.eye(2), 1j)
    with pytest.raises(ValueError, match="second_moment must be one matrix"):
        jd.descend_trace_risk(np.ones((3, 2, 2)), 1.0)
    with pytest.raises(ValueError, match="iterations must be a positive integer"):
        jd.descend_trace_risk(np.eye(2), 1.0, iterations=0)
    with pytest.raises(ValueError, match="constraint must be one of"):
        getattr(jd.minimise_trace_risk, "__wrapped__", jd.minimise_trace_risk)(
            np.eye(2), 1.0, constraint="convex"
        )
