import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxdenoise._core.inverse import spd_inverse


def spd(rng, order, dtype, batch=5):
    x = rng.normal(size=(batch, order, order + 3))
    return jnp.asarray(x @ x.transpose(0, 2, 1) + np.eye(order), dtype)


@pytest.mark.parametrize("order", [1, 8, 20, 21, 36, 81])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equals_lapack(rng, order, dtype):
    a = spd(rng, order, dtype)
    expected = np.linalg.inv(np.asarray(a, np.float64))
    found = np.asarray(jax.jit(spd_inverse)(a), np.float64)
    error = np.abs(found - expected).max() / np.abs(expected).max()
    assert error < 2000 * jnp.finfo(dtype).eps


def test_batches_of_any_rank(rng):
    a = spd(rng, 8, "float64", batch=6).reshape(2, 3, 8, 8)
    np.testing.assert_allclose(spd_inverse(a), np.linalg.inv(a), rtol=1e-9)
    np.testing.assert_allclose(spd_inverse(a[0, 0]), np.linalg.inv(a[0, 0]), rtol=1e-9)
    np.testing.assert_allclose(jax.vmap(spd_inverse)(a), np.linalg.inv(a), rtol=1e-9)


def test_derivatives(rng):
    a = spd(rng, 22, "float64", batch=2)

    # Of symmetric matrices: only one triangle is read.
    def inverse(x):
        return spd_inverse(jnp.asarray(x + x.transpose(0, 2, 1)) / 2)

    check_grads(inverse, (a,), order=1, eps=1e-6)
