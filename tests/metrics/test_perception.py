import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from skimage.metrics import structural_similarity

import jaxdenoise as jd


@pytest.mark.parametrize(
    ("shape", "axis"), [((33, 40), None), ((20, 24, 3), -1), ((12, 13, 14), None)]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1, 255])
def test_equals_scikit_image(rng, shape, axis, dtype, scale):
    a = (scale * rng.uniform(size=shape)).astype(dtype)
    b = np.clip(a + 0.1 * scale * rng.normal(size=shape), 0, scale).astype(dtype)
    expected = structural_similarity(
        a.astype(float),
        b.astype(float),
        data_range=scale,
        channel_axis=axis,
        gaussian_weights=True,
        use_sample_covariance=False,
    )
    out = jd.ssim(a, b, data_range=scale, channel_axis=axis)
    np.testing.assert_allclose(out, expected, atol=1e-5)


def test_equal_images_are_one_also_where_they_are_flat():
    a = jnp.full((16, 16), 0.5)
    np.testing.assert_allclose(jd.ssim(a, a, data_range=1), 1)
    assert np.isfinite(jax.grad(lambda x: jd.ssim(x, a, data_range=1))(a)).all()


def test_bright_smooth_image_in_single_precision(rng):
    a = (250 + 0.1 * rng.normal(size=(40, 40))).astype("float32")
    b = (250 + 0.1 * rng.normal(size=(40, 40))).astype("float32")
    expected = structural_similarity(
        a.astype(float),
        b.astype(float),
        data_range=255,
        gaussian_weights=True,
        use_sample_covariance=False,
    )
    np.testing.assert_allclose(jd.ssim(a, b, data_range=255), expected, atol=1e-5)


def test_gradients(rng):
    a, b = rng.uniform(size=(2, 12, 13))
    check_grads(lambda x: jd.ssim(x, b, data_range=1), (a,), order=1)


def test_too_small():
    with pytest.raises(ValueError, match="at least 11 pixels"):
        jd.ssim(np.zeros((10, 20)), np.zeros((10, 20)), data_range=1)
