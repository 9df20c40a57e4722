import numpy as np
import pytest
import scipy.fft

from jaxdenoise._core.transforms import biorthogonal_wavelet, dct, haar


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_dct_is_scipys(size, rng):
    x = rng.normal(size=size)
    np.testing.assert_allclose(dct(size) @ x, scipy.fft.dct(x, norm="ortho"), atol=1e-14)


def test_haar_of_four():
    r = 0.5**0.5
    rows = [[0.5, 0.5, 0.5, 0.5], [0.5, 0.5, -0.5, -0.5], [r, -r, 0, 0], [0, 0, r, -r]]
    np.testing.assert_allclose(haar(4), rows, atol=1e-15)
    for size in (1, 2, 32):
        np.testing.assert_allclose(haar(size) @ haar(size).T, np.eye(size), atol=1e-14)


def test_wavelet_is_dual_to_haar():
    """What it synthesises at the coarsest scale is Haar's; its details have Haar's one moment."""
    wavelet = biorthogonal_wavelet(8)
    np.testing.assert_allclose(np.linalg.norm(wavelet, axis=1), 1)
    synthesis = np.linalg.inv(wavelet)
    np.testing.assert_allclose(np.ptp(synthesis[:, 0]), 0, atol=1e-14)
    np.testing.assert_allclose(wavelet[4:], haar(8)[4:], atol=1e-14)
    np.testing.assert_allclose(wavelet[1:].sum(axis=1), 0, atol=1e-14)


def test_wavelet_synthesises_smoothly():
    """Its synthesis is of order 5: details of a cubic vanish away from the ends, Haar's do not."""
    x = np.linspace(-1, 1, 64) ** 3
    analysis = np.linalg.inv(biorthogonal_wavelet(64)).T
    assert np.abs(analysis[36:60] @ x).max() < 1e-12 < np.abs(haar(64)[36:60] @ x).max()
