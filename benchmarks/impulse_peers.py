"""What else removes impulses, as functions of (noisy, strength) on images in [0, 1], in NumPy."""

import numpy as np
from peers import BM3D
from scipy.ndimage import maximum_filter, minimum_filter
from skimage.filters import median


def adaptive_median(noisy: np.ndarray, largest: int) -> np.ndarray:
    """Hwang & Haddad, IEEE TIP 1995 (RAMF): the window grows until its median is no extreme.

    A pixel that is no extreme of that window stays.
    """
    out = noisy.copy()
    undecided = np.ones(noisy.shape, bool)
    for size in range(3, largest + 1, 2):
        square = np.ones((size, size), bool)
        middle = median(noisy, square)
        low, high = minimum_filter(noisy, size), maximum_filter(noisy, size)
        decided = undecided & (low < middle) & (middle < high)
        replaced = decided & ~((low < noisy) & (noisy < high))
        out[replaced] = middle[replaced]
        undecided &= ~decided
    out[undecided] = middle[undecided]
    return out


def square_median(noisy: np.ndarray, size: int) -> np.ndarray:
    return median(noisy, np.ones((size, size), bool))


def tv_l1(noisy: np.ndarray, weight: float, iterations: int = 300) -> np.ndarray:
    """argmin over x of |grad x|_1 + weight |x - y|_1, isotropic.

    The primal-dual algorithm of Chambolle & Pock, JMIV 2011, section 6.2.2.
    """
    step = 1 / np.sqrt(8)
    x, ahead = noisy.copy(), noisy.copy()
    dual = np.zeros((2, *noisy.shape))
    for _ in range(iterations):
        dual[0, :-1] += step * (ahead[1:] - ahead[:-1])
        dual[1, :, :-1] += step * (ahead[:, 1:] - ahead[:, :-1])
        dual /= np.maximum(1, np.hypot(*dual))
        before = x
        x = x.copy()
        x[:-1] += step * dual[0, :-1]
        x[1:] -= step * dual[0, :-1]
        x[:, :-1] += step * dual[1, :, :-1]
        x[:, 1:] -= step * dual[1, :, :-1]
        residual = x - noisy
        x = noisy + np.sign(residual) * np.maximum(np.abs(residual) - step * weight, 0)
        ahead = 2 * x - before
    return x


# The strengths that are tried.
SCANNED = {
    "scikit-image median": (square_median, (3, 5, 7)),
    "TV with L1 data term": (tv_l1, (0.9, 1.1, 1.4, 1.7, 2.0, 2.4)),
    "adaptive median": (adaptive_median, (7,)),
}


def adaptive_median_bm3d(noisy: np.ndarray, sigma: float) -> np.ndarray:
    """The `bm3d` package, told `sigma`, on the adaptive median's result."""
    return BM3D["bm3d package"](adaptive_median(noisy, 7), sigma)
