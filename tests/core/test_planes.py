import jax.numpy as jnp
import numpy as np
import pytest

from jaxdenoise._core.planes import from_planes, to_planes


@pytest.mark.parametrize(
    ("dtype", "computed", "result"),
    [
        ("bool", "float32", "float32"),
        ("uint8", "float32", "float32"),
        ("uint16", "float32", "float32"),
        ("float16", "float32", "float16"),
        ("bfloat16", "float32", "bfloat16"),
        ("float32", "float32", "float32"),
        ("float64", "float64", "float64"),
    ],
)
def test_numbers_are_kept_and_results_are_floating(dtype, computed, result):
    image = jnp.asarray(np.random.default_rng(0).integers(0, 2, (4, 5, 3)), dtype)
    planes = to_planes(image, -1)
    assert (planes.shape, planes.dtype) == ((3, 4, 5), computed)
    back = from_planes(planes, image, -1)
    assert (back.shape, back.dtype) == (image.shape, result)
    np.testing.assert_array_equal(back, image.astype(result))
