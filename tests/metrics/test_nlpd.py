"""The distance against its definition, with matrices and full convolutions."""

import jax
import numpy as np
import pytest
from scipy.signal import convolve2d

import jaxdenoise as jd
from tests.gradients import check_grads

TAPS = np.array([0.05, 0.25, 0.4, 0.25, 0.05])
CONSTANTS = 0.0248, 0.0185, 0.0179, 0.0191, 0.0220, 0.2782
# The kernels of the convolution of |z|: above, left, right and below of the middle.
CROSSES = [
    (0.1011, 0.1493, 0.1460, 0.1015),
    (0.0757, 0.1986, 0.1846, 0.0837),
    (0.0477, 0.2138, 0.2243, 0.0467),
    (0, 0.2503, 0.2616, 0),
    (0, 0.2598, 0.2552, 0),
    (0, 0.2215, 0.0717, 0),
]


def naive_pyramid(image: np.ndarray) -> list[np.ndarray]:
    low_pass, bands = np.outer(TAPS, TAPS), []
    for _ in range(5):
        wide = np.pad(image, 2, mode="symmetric")
        coarse = convolve2d(wide, low_pass, mode="valid")[::2, ::2]
        zeros = np.zeros(2 * np.array(coarse.shape) + 4)
        zeros[::2, ::2] = np.pad(coarse, 1, mode="edge")
        fine = 4 * convolve2d(zeros, low_pass, mode="same")[2:, 2:]
        bands.append(image - fine[: image.shape[0], : image.shape[1]])
        image = coarse
    bands.append(image)
    normalised = []
    for k, (band, constant) in enumerate(zip(bands, CONSTANTS, strict=True)):
        kernel = np.zeros((5, 5))
        kernel[1, 2], kernel[2, 1], kernel[2, 3], kernel[3, 2] = CROSSES[k]
        kernel[2, 4] = 0.0072 if k == 0 else 0
        normalised.append(band / (constant + convolve2d(np.abs(band), kernel, mode="same")))
    return normalised


@pytest.mark.parametrize("shape", [(64, 96), (37, 50), (5, 1)])
def test_equals_the_definition(rng, shape):
    a, b = rng.uniform(size=(2, *shape))
    pairs = zip(naive_pyramid(a), naive_pyramid(b), strict=True)
    expected = np.mean([np.sqrt(np.mean((p - q) ** 2)) for p, q in pairs])
    np.testing.assert_allclose(jd.nlpd(a, b, data_range=1), expected)
    np.testing.assert_allclose(jd.nlpd(255 * a, 255 * b, data_range=255), expected)


def test_colours_are_averaged(rng):
    a, b = rng.uniform(size=(2, 20, 24, 3))
    each = [jd.nlpd(a[..., k], b[..., k], data_range=1) for k in range(3)]
    np.testing.assert_allclose(jd.nlpd(a, b, data_range=1, channel_axis=-1), np.mean(each))


def test_gradients(rng):
    a, b = rng.uniform(size=(2, 12, 13))
    check_grads(lambda x: jd.nlpd(x, b, data_range=1), (a,), order=1, eps=1e-6)


def test_equal_images_are_at_no_distance():
    flat = np.full((16, 17), 0.5)
    value, slope = jax.value_and_grad(lambda x: jd.nlpd(x, flat, data_range=1))(flat)
    assert value == 0
    assert np.isfinite(slope).all()


def test_nan_is_not_silent():
    assert np.isnan(jd.nlpd(np.full((16, 17), np.nan), np.ones((16, 17)), data_range=1))


def test_bad_input():
    with pytest.raises(ValueError, match="a and b must have the same shape"):
        jd.nlpd(np.zeros((4, 5)), np.zeros((5, 4)), data_range=1)
    with pytest.raises(ValueError, match="data_range must be finite and positive"):
        jd.nlpd(np.zeros((4, 5)), np.zeros((4, 5)), data_range=0)
