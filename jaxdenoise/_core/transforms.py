"""Small orthonormal and biorthogonal transforms, as matrices: their rows are analysed by."""

from collections.abc import Callable
from functools import reduce

import numpy as np


def separable(transform: Callable[[int], np.ndarray], sizes: tuple[int, ...]) -> np.ndarray:
    """The transform of a patch of these sizes, its pixels in raster order."""
    return reduce(np.kron, [transform(size) for size in sizes])


def dct(size: int) -> np.ndarray:
    """The orthonormal DCT-II; its first row takes the mean."""
    u, i = np.mgrid[:size, :size]
    rows = np.cos(np.pi * (i + 0.5) * u / size)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def biorthogonal_wavelet(size: int) -> np.ndarray:
    """The periodic (1, 5) biorthogonal spline wavelet over all levels, its rows of unit norm.

    `size` is a power of two. Cohen, Daubechies & Feauveau 1992, table 6.1: the synthesis of Haar,
    and for the analysis a scaling function of ten taps with four vanishing moments more.
    """
    low = np.asarray([3, -3, -22, 22, 128, 128, 22, -22, -3, 3]) / 128
    details, scaling = [], np.eye(size)
    while len(scaling) > 1:
        n = len(scaling)
        pairs = np.arange(0, n, 2)
        details.append(scaling[pairs] - scaling[pairs + 1])
        # Over rows shorter than the filter its taps wrap around and add up.
        neighbours = (pairs[:, None] + np.arange(-4, 6)) % n
        scaling = np.einsum("k,pkx->px", low, scaling[neighbours])
    rows = np.concatenate([scaling, *reversed(details)])
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def haar(size: int) -> np.ndarray:
    """The orthonormal Haar wavelet over all levels; `size` is a power of two."""
    rows = np.ones((1, 1))
    while len(rows) < size:
        details = np.kron(np.eye(len(rows)), [1, -1])
        rows = np.concatenate([np.kron(rows, [1, 1]), details])
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
