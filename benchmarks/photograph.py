"""The photograph that speed is measured on."""

from pathlib import Path

import numpy as np
from imageio.v3 import imread
from skimage.data import camera

SIGMA = 25 / 255


def photograph(data: Path | None) -> np.ndarray:
    """512x512, in [0, 1]: one that scikit-image ships, or number 8 of Set12 in `data`."""
    return (camera() if data is None else imread(data / "Set12" / "08.png")) / 255


def resized(clean: np.ndarray, side: int) -> np.ndarray:
    """The photograph's middle, or the photograph continued by reflection."""
    if side > len(clean):
        return np.pad(clean, (0, side - len(clean)), mode="symmetric")
    margin = (len(clean) - side) // 2
    return clean[margin:, margin:][:side, :side]


def add_noise(clean: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(1000).normal(size=clean.shape) * SIGMA
    return (clean + noise).astype(np.float32)


def psnr(clean: np.ndarray, x) -> float:
    error = np.clip(np.asarray(x, np.float64), 0, 1) - clean
    return -10 * np.log10(np.mean(np.square(error)))
