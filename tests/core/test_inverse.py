import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdenoise._core import inverse
from tests.gradients import check_grads

# As one program each.
inverse_factor, inverse_sqrt = jax.jit(inverse.inverse_factor), jax.jit(inverse.inverse_sqrt)
spd_inverse = jax.jit(inverse.spd_inverse)


def spd(rng, order, dtype, batch=5):
    x = rng.normal(size=(batch, order, order + 3))
    return np.asarray(x @ x.transpose(0, 2, 1) + np.eye(order), dtype)


@pytest.mark.parametrize("order", [1, 8, 20, 21, 36, 81, 128])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equals_lapack(rng, order, dtype):
    a = spd(rng, order, dtype)
    expected = np.linalg.inv(np.asarray(a, np.float64))
    found = np.asarray(spd_inverse(a), np.float64)
    error = np.abs(found - expected).max() / np.abs(expected).max()
    bound = order * np.linalg.cond(np.asarray(a, np.float64)).max() if order > 36 else 2000
    assert error < bound * jnp.finfo(dtype).eps


@pytest.mark.parametrize("order", [20, 36, 64])
@pytest.mark.parametrize("condition", [1e4, 1e5, 1e9])
def test_signal_beside_noise(rng, order, condition):
    """Two strong directions beside a 1: what is taken from a vector is no more than it holds."""
    x = np.linalg.qr(rng.normal(size=(5, order, 2)))[0] * condition**0.5
    a = np.asarray(x @ x.transpose(0, 2, 1) + np.eye(order), np.float32)
    w = np.asarray(inverse_factor(a), np.float64)
    exact = np.linalg.inv(x @ x.transpose(0, 2, 1) + np.eye(order))
    error = np.abs(w.transpose(0, 2, 1) @ w - exact).max()
    assert error < (1 if condition > 1e6 else 10 * condition * jnp.finfo(jnp.float32).eps)


@pytest.mark.parametrize("order", [20, 36])
def test_finite_without_full_rank(rng, order):
    x = rng.normal(size=(order, 2))
    singular = np.stack([x @ x.T * 1e8, np.zeros((order, order)), np.ones((order,) * 2)])
    for dtype in ("float32", "float64"):
        assert np.isfinite(spd_inverse(singular.astype(dtype))).all()


def test_inverse_sqrt(rng):
    a = spd(rng, 12, "float64", batch=1)[0]
    root = inverse_sqrt(a)
    np.testing.assert_allclose(root @ a @ root, np.eye(12), atol=1e-9)


def test_batches_of_any_rank(rng):
    a = spd(rng, 8, "float64", batch=6).reshape(2, 3, 8, 8)
    np.testing.assert_allclose(spd_inverse(a), np.linalg.inv(a), rtol=1e-9)
    np.testing.assert_allclose(spd_inverse(a[0, 0]), np.linalg.inv(a[0, 0]), rtol=1e-9)
    np.testing.assert_allclose(
        jax.jit(jax.vmap(inverse.spd_inverse))(a), np.linalg.inv(a), rtol=1e-9
    )


def test_derivatives(rng):
    a = spd(rng, 22, "float64", batch=2)

    # Of symmetric matrices alone.
    def symmetrised(x):
        return spd_inverse((x + x.transpose(0, 2, 1)) / 2)

    check_grads(symmetrised, (a,), order=1, eps=1e-6)
