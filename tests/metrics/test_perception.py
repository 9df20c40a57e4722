import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage import data
from skimage.metrics import structural_similarity

import jaxdenoise as jd
from tests.gradients import check_grads


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


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    clean = data.camera()[100:292, 160:368] / 255
    noise = 0.1 * np.random.default_rng(0).normal(size=clean.shape)
    return clean, np.clip(clean + noise, 0, 1)


def test_ms_ssim_equals_a_reference(pair):
    """`multi_scale_ssim` of piq 0.8.0."""
    np.testing.assert_allclose(jd.ms_ssim(*pair, data_range=1), 0.853236101408465, rtol=1e-10)


def test_ms_ssim_of_one_scale_is_ssim(pair):
    expected = jd.ssim(*pair, data_range=1)
    np.testing.assert_allclose(jd.ms_ssim(*pair, data_range=1, scales=1), expected**1.0001)


def test_ms_ssim_of_colours_and_volumes(rng):
    a = rng.uniform(size=(22, 24, 2))
    b = np.clip(a + 0.1 * rng.normal(size=a.shape), 0, 1)
    each = [jd.ms_ssim(a[..., k], b[..., k], data_range=1, scales=2) for k in range(2)]
    together = jd.ms_ssim(a, b, data_range=1, scales=2, channel_axis=-1)
    np.testing.assert_allclose(together, np.mean(each))
    volume = rng.uniform(size=(22, 23, 24))
    np.testing.assert_allclose(jd.ms_ssim(volume, volume, data_range=1, scales=2), 1)


def test_ms_ssim_gradients(rng):
    a = rng.uniform(size=(23, 24))
    b = a + 0.1 * rng.normal(size=a.shape)
    check_grads(lambda x: jd.ms_ssim(x, b, data_range=1, scales=2), (a,), order=1)
    # A negative mean counts as 0, without a slope.
    value, slope = jax.value_and_grad(lambda x: jd.ms_ssim(x, 1 - x, data_range=1, scales=2))(a)
    assert value == 0
    assert np.isfinite(slope).all()


def test_nan_is_not_silent():
    for metric in (jd.ssim, jd.ms_ssim):
        given = {"scales": 1} if metric is jd.ms_ssim else {}
        assert np.isnan(metric(np.full((16, 17), np.nan), np.ones((16, 17)), data_range=1, **given))


def test_ms_ssim_too_small():
    with pytest.raises(ValueError, match="at least 176 pixels"):
        jd.ms_ssim(np.zeros((175, 200)), np.zeros((175, 200)), data_range=1)
    with pytest.raises(ValueError, match="scales must be one of 1, 2, 3, 4, 5"):
        jd.ms_ssim(np.zeros((175, 200)), np.zeros((175, 200)), data_range=1, scales=6)
