"""The peers, as functions of (noisy, sigma, scale) on images in [0, 1].

`scale` is the parameter that a peer leaves to its user, in multiples of sigma. The `bm3d` package
takes part where it is installed; its licence forbids commercial use, so nothing here depends on it.
"""

import cv2
import numpy as np
from measure import usable_cores
from skimage import restoration

try:
    import bm3d
except ImportError:
    bm3d = None

cv2.setNumThreads(len(usable_cores()))


def opencv_nlm_8bit(noisy: np.ndarray, sigma: float, h: float) -> np.ndarray:
    """The only input it takes is 8 bit, so the noisy image is rounded and clipped first."""
    denoised = cv2.fastNlMeansDenoising(
        to_8bit(noisy), None, h=255 * h * sigma, templateWindowSize=7, searchWindowSize=21
    )
    return denoised / np.float32(255)


def to_8bit(image: np.ndarray) -> np.ndarray:
    return np.round(255 * np.clip(image, 0, 1)).astype(np.uint8)


def opencv_bilateral(noisy: np.ndarray, sigma: float, sigma_range: float) -> np.ndarray:
    return cv2.bilateralFilter(noisy, d=11, sigmaColor=sigma_range * sigma, sigmaSpace=1.6)


def skimage_nlm(noisy: np.ndarray, sigma: float, h: float) -> np.ndarray:
    return restoration.denoise_nl_means(
        noisy, patch_size=7, patch_distance=10, h=h * sigma, sigma=sigma, fast_mode=True
    )


def skimage_tv(noisy: np.ndarray, sigma: float, weight: float) -> np.ndarray:
    return restoration.denoise_tv_chambolle(noisy, weight=weight * sigma)


def skimage_bilateral(noisy: np.ndarray, sigma: float, sigma_range: float) -> np.ndarray:
    """It refuses negative pixels, so the noisy image is clipped first."""
    return restoration.denoise_bilateral(
        np.maximum(noisy, 0), win_size=11, sigma_color=sigma_range * sigma, sigma_spatial=1.6
    )


def skimage_wavelet(noisy: np.ndarray, sigma: float, _) -> np.ndarray:
    return restoration.denoise_wavelet(
        noisy, sigma=sigma, method="BayesShrink", mode="soft", rescale_sigma=True
    )


def bm3d_package(noisy: np.ndarray, sigma: float, _=None) -> np.ndarray:
    return (bm3d.bm3d if noisy.ndim == 2 else bm3d.bm3d_rgb)(noisy, sigma)


# The `bm3d` package where it is installed: the one that takes colour images too.
BM3D = {} if bm3d is None else {"bm3d package": bm3d_package}

# The scales that `quality.py` tries.
SCANNED = {
    "scikit-image nlm": (skimage_nlm, (0.4, 0.5, 0.6, 0.7, 0.8)),
    "scikit-image tv": (skimage_tv, (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)),
    "scikit-image wavelet": (skimage_wavelet, (1.0,)),
    "OpenCV nlm, 8 bit": (opencv_nlm_8bit, (0.7, 0.8, 0.9, 1.0, 1.1)),
    "OpenCV bilateral": (opencv_bilateral, (1.5, 2.0, 2.5, 3.0, 4.0, 5.0)),
    **{name: (denoise, (1.0,)) for name, denoise in BM3D.items()},
}
