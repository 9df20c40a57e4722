import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdenoise._core import safe


@pytest.mark.parametrize("x", [0.0, -1.0, 4.0])
def test_safe_sqrt(x):
    value, slope = jax.value_and_grad(safe.safe_sqrt)(x)
    assert value == (2.0 if x > 0 else 0.0)
    assert slope == (0.25 if x > 0 else 0.0)


def test_safe_divide():
    assert safe.safe_divide(jnp.asarray(3.0), jnp.asarray(2.0)) == 1.5
    value, slopes = jax.value_and_grad(safe.safe_divide, argnums=(0, 1))(3.0, 0.0)
    assert (value, *slopes) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_positive_floor_keeps_powers_and_derivatives_finite(dtype):
    image = jnp.asarray([0.0, 1e4], dtype)

    def power(scale):
        return jnp.sum((image / safe.positive_floor(scale, image)) ** 4)

    value, slope = jax.value_and_grad(power)(jnp.zeros((), dtype))
    assert np.isfinite(value)
    assert slope == 0
    assert safe.positive_floor(jnp.asarray(0.5, dtype), image) == 0.5
