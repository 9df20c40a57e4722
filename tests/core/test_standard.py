"""The scale of the standard form is a power of two, and its inverse is exact."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxdenoise._core.standard import power_of_two


@pytest.mark.parametrize("x", [1.2e-38, 1e-30, 0.3, 1.0, 3.0, 1e18, 1.5e38, 3.4e38])
def test_power_of_two_and_its_inverse(x):
    power, inverse = power_of_two(jnp.float32(x))
    assert np.frexp(power)[0] == 0.5
    assert power * inverse == 1
    assert 0.6 < np.float64(x) / np.float64(power) <= 4


@pytest.mark.parametrize("x", [0.0, np.inf, np.nan])
def test_one_without_a_scale(x):
    assert power_of_two(jnp.float32(x)) == (1, 1)
