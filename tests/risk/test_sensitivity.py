from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

import jaxdenoise as jd


def test_diagonal(linear, matrix, rng):
    y = rng.normal(size=(5, 6))
    expected = np.diag(matrix).reshape(5, 6)
    np.testing.assert_allclose(jd.jacobian_diagonal(linear, y, 0.1), expected)
    probed = jd.jacobian_diagonal(linear, y, 0.1, key=jax.random.key(0), probes=5000)
    # The variance of a probe is the energy of the row beside the diagonal.
    deviation = np.sqrt((np.sum(matrix**2, axis=1) - np.diag(matrix) ** 2) / 5000).reshape(5, 6)
    assert (np.abs(probed - expected) < 4.5 * deviation).all()


def test_largest_singular_value(linear, matrix, rng):
    found = jd.lipschitz(linear, rng.normal(size=(5, 6)), 0.1, iterations=300, tolerance=1e-9)
    np.testing.assert_allclose(found.constant, np.linalg.norm(matrix, 2), rtol=1e-6)
    amplified = np.linalg.norm(matrix @ np.ravel(found.direction))
    np.testing.assert_allclose(amplified, found.constant, rtol=1e-6)
    assert found.converged
    assert not jd.lipschitz(linear, rng.normal(size=(5, 6)), 0.1, iterations=1).converged


def test_of_a_denoiser(photograph):
    """Non-local means smooths a flat part most, and total variation does not expand."""
    y = photograph[20:34, 20:38]
    half = jnp.where(jnp.arange(18) < 9, y, 0.5)
    freedom = jd.jacobian_diagonal(jd.nlm, half, 0.1, probes=50)
    assert np.mean(freedom[:, 13:]) < np.mean(freedom[:, :5])
    expanding = jd.lipschitz(partial(jd.tv, iterations=500), y, 0.1, iterations=10)
    assert expanding.constant < 1.001


def test_constant_denoiser_has_none():
    found = jd.lipschitz(lambda y, noise: jnp.zeros_like(y), np.ones((4, 5)), 0.1)
    assert found.constant == 0
    assert found.converged
