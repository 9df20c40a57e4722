import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from jaxdenoise._core import separable
from tests.gradients import check_grads


def test_gaussian_taps_are_scipys():
    spike = np.zeros(41)
    spike[20] = 1
    expected = ndimage.gaussian_filter1d(spike, 1.5, truncate=3.5)
    taps = separable.gaussian_taps(1.5, truncate=3.5)
    np.testing.assert_allclose(taps, expected[15:26], atol=1e-15)


def test_derivative_taps_are_exact_on_a_ramp():
    ramp = jnp.arange(30.0) * 2
    taps = separable.gaussian_derivative_taps(1.0, truncate=3.0)
    np.testing.assert_allclose(separable.correlate(ramp, [taps]), 2)


@pytest.mark.parametrize("shape", [(12, 15), (3, 12, 15), (9, 10, 11)])
def test_mirrored_correlation_is_scipys(rng, shape):
    x = rng.normal(size=shape)
    kernels = [np.array([0.2, 0.5, -0.1]), np.array([1.0, 2.0, 3.0, 4.0, 5.0])]
    expected = x
    for axis, kernel in zip((-2, -1), kernels, strict=True):
        expected = ndimage.correlate1d(expected, kernel, axis=axis, mode="mirror")
    np.testing.assert_allclose(separable.correlate_mirrored(jnp.asarray(x), kernels), expected)


def test_differentiates_both_ways(rng):
    x = jnp.asarray(rng.normal(size=(7, 8)))

    def blurred_square(x):
        return jnp.square(separable.correlate(jnp.asarray(x), [np.ones(3), np.ones(2)]))

    check_grads(blurred_square, (x,), order=2)
    assert jax.vmap(lambda x: separable.correlate(x, [np.ones(3)]))(x).shape == (7, 6)
