import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

import jaxdenoise as jd
from tests.gradients import check_grads


def test_psnr_equals_scikit_image(rng):
    a, b = rng.uniform(size=(2, 20, 30, 3))
    expected = peak_signal_noise_ratio(a, b, data_range=1)
    np.testing.assert_allclose(jd.psnr(a, b, data_range=1), expected)


def test_eight_bit_differences_do_not_wrap():
    a, b = np.array([[0, 255]], np.uint8), np.array([[255, 0]], np.uint8)
    assert jd.mse(a, b) == 255**2
    assert jd.psnr(a, b, data_range=255) == 0


def test_equal_images_have_infinite_psnr_and_no_gradient(rng):
    a = jnp.asarray(rng.uniform(size=(5, 5)))
    value, gradient = jax.value_and_grad(lambda x: jd.psnr(x, a, data_range=1))(a)
    assert value == np.inf
    np.testing.assert_array_equal(gradient, 0)


def test_nan_and_complex_images_are_not_perfect():
    nan = np.full((2, 2), np.nan)
    assert np.isnan(jd.psnr(nan, np.ones((2, 2)), data_range=1))
    with pytest.raises(TypeError, match="a must be a real array"):
        jd.mse(nan + 1j, nan)


def test_gradients(rng):
    a, b = rng.uniform(size=(2, 6, 7))
    check_grads(lambda x: jd.psnr(x, b, data_range=1), (a,), order=1)


@pytest.mark.parametrize("data_range", [0, -1.0, np.nan])
def test_bad_data_range(data_range):
    with pytest.raises(ValueError, match="data_range"):
        jd.psnr(np.zeros((2, 2)), np.ones((2, 2)), data_range=data_range)


def test_different_shapes():
    with pytest.raises(ValueError, match=r"a and b must have the same shape, got \(2, 2\)"):
        jd.mse(np.zeros((2, 2)), np.ones((2, 1)))
