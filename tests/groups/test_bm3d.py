"""BM3D beside slow, obvious loops."""

import numpy as np
import pytest
import scipy.fft

import jaxdenoise as jd
from jaxdenoise._core.grid import Grid, GroupSizes
from jaxdenoise._core.transforms import biorthogonal_wavelet
from tests.gradients import check_grads

SIGMA = 0.1
P = 8
WAVELET = biorthogonal_wavelet(P)


def wavelet2(patch):
    return WAVELET @ patch @ WAVELET.T


def inverse_wavelet2(spectrum):
    inverse = np.linalg.inv(WAVELET)
    return inverse @ spectrum @ inverse.T


def dct2(patch):
    return scipy.fft.dctn(patch, norm="ortho")


def inverse_dct2(spectrum):
    return scipy.fft.idctn(spectrum, norm="ortho")


def haar3(stack):
    """Pairs of neighbours, level by level: the mean, then details from coarse to fine."""
    details = []
    while len(stack) > 1:
        a, b = stack[::2], stack[1::2]
        details = [*((a - b) / 2**0.5), *details]
        stack = (a + b) / 2**0.5
    return np.stack([*stack, *details])


def inverse_haar3(spectrum):
    stack, details = spectrum[:1], spectrum[1:]
    while len(details):
        d, details = details[: len(stack)], details[len(stack) :]
        pairs = np.stack([stack + d, stack - d], axis=1) / 2**0.5
        stack = pairs.reshape(-1, P, P)
    return stack


def similar_patches(guide, corner, radius, members):
    y0, x0 = corner
    here = guide[y0 : y0 + P, x0 : x0 + P]
    found = []
    for y in range(max(0, y0 - radius), min(guide.shape[0] - P, y0 + radius) + 1):
        for x in range(max(0, x0 - radius), min(guide.shape[1] - P, x0 + radius) + 1):
            found.append((np.sum((guide[y : y + P, x : x + P] - here) ** 2), y, x))
    return [(y, x) for _, y, x in sorted(found)[:members]]


def stage(noisy, guide, members, stride, window_size, forward, backward, loss):
    kaiser = np.outer(np.kaiser(P, 2.5), np.kaiser(P, 2.5))
    total, weights = np.zeros_like(noisy), np.zeros_like(noisy)
    grid = Grid.of(noisy.shape, GroupSizes(P, members, stride, window_size))
    rows, columns = (axis.references[axis.counts] for axis in grid.axes)
    for corner in ((y, x) for y in rows for x in columns):
        at = similar_patches(guide, corner, window_size // 2, members)
        stack = np.stack([noisy[y : y + P, x : x + P] for y, x in at])
        guides = np.stack([guide[y : y + P, x : x + P] for y, x in at])
        share = loss(haar3(np.stack([forward(p) for p in guides])) ** 2)
        share[0, 0, 0] = 0
        spectrum = haar3(np.stack([forward(p) for p in stack]))
        spectrum = (1 - share) * spectrum
        estimates = [backward(p) for p in inverse_haar3(spectrum)]
        weight = kaiser / np.sum((1 - share) ** 2)
        for (y, x), estimate in zip(at, estimates, strict=True):
            total[y : y + P, x : x + P] += weight * estimate
            weights[y : y + P, x : x + P] += weight
    return total / weights


def test_both_stages_equal_loops(photograph):
    clean = photograph[20:41, 20:44]
    noisy = clean + SIGMA * np.random.default_rng(0).normal(size=clean.shape)

    def threshold(energy):
        return 1 / (1 + (energy / (2.5 * SIGMA) ** 2) ** 8)

    def wiener(energy):
        return 1 / (1 + (energy / (0.8 * SIGMA**2)) ** 1.25)

    pilot = stage(noisy, noisy, 16, 3, 39, wavelet2, inverse_wavelet2, threshold)
    expected = stage(noisy, pilot, 32, 4, 39, dct2, inverse_dct2, wiener)
    out = jd.bm3d(noisy, SIGMA, threshold=2.5)
    np.testing.assert_allclose(out, expected, atol=1e-9)


@pytest.mark.parametrize("level", [SIGMA, np.linspace(0.05, 0.2, 40)])
def test_pure_noise_becomes_flat(level):
    noise = np.random.default_rng(0).normal(size=(40, 40)) * level
    assert np.std(np.asarray(jd.bm3d(noise, level)) / level) < 0.12


def test_gradient_in_a_noise_map(photograph):
    noisy = photograph[30:40, 20:31] + 0.05 * np.random.default_rng(2).normal(size=(10, 11))
    level = np.linspace(0.04, 0.08, 11)[None]
    check_grads(lambda s: jd.bm3d(noisy, s), (level,), order=1, atol=1e-3, rtol=1e-3, eps=1e-6)
