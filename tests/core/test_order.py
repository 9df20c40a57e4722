"""Order statistics are those of a sorted array, ties included, and so are their derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdenoise._core.order import order_statistics


@pytest.mark.parametrize("n", [1, 2, 7, 16])
@pytest.mark.parametrize("levels", [2, 1000])
def test_order_statistics_are_those_of_a_sorted_array(n, levels, rng):
    x = rng.integers(0, levels, (n, 3, 5)).astype(float)
    found = order_statistics(jnp.asarray(x), *range(n))
    np.testing.assert_array_equal(np.stack(found), np.sort(x, axis=0))


def test_the_derivative_picks_a_number(rng):
    x = jnp.asarray(rng.permutation(9.0 * np.arange(5))[:, None])

    def third(x):
        return jnp.sum(order_statistics(x, 2)[0])

    np.testing.assert_array_equal(jax.grad(third)(x), np.asarray(x) == 18)
    ties = jnp.asarray([[1.0], [0.0], [1.0]])
    np.testing.assert_array_equal(jax.grad(third)(ties), [[0], [0], [1]])
