"""The filters as slow, obvious loops: one pixel at a time, straight from their equations."""

from itertools import product

import numpy as np


def mirrored(image, i):
    """Reflect an index about the first and the last pixel."""
    out = []
    for k, n in zip(i, image.shape, strict=True):
        k = abs(k) % max(2 * n - 2, 1)
        out.append(min(k, 2 * n - 2 - k))
    return tuple(out)


def neighbours(shape, i, radius):
    """Pixels of the window around i that lie inside the image."""
    ranges = (
        range(max(0, k - radius), min(n, k + radius + 1)) for k, n in zip(i, shape, strict=True)
    )
    return list(product(*ranges))


def patch_kernel(patch_size):
    short = 2 * (patch_size // 4) + 1
    kernel = np.convolve(np.ones(short), np.ones(patch_size + 1 - short))
    kernel = np.outer(kernel, kernel)
    return kernel / kernel.sum()


def patch(image, i, reach):
    offsets = product(range(-reach, reach + 1), repeat=2)
    values = [image[mirrored(image, (i[0] + a, i[1] + b))] for a, b in offsets]
    return np.reshape(values, (2 * reach + 1, 2 * reach + 1))


def similarity(image, i, j, sigma, h, patch_size):
    if i == j:
        return 0.2
    reach = patch_size // 2
    difference = patch(image, i, reach) - patch(image, j, reach)
    distance = np.sum(patch_kernel(patch_size) * difference**2)
    return np.exp(-((max(distance - 2 * sigma**2, 0) / h**2) ** 2))


def nlm_pixel(image, sigma, h, patch_size, window_size):
    out = np.zeros_like(image)
    for i in np.ndindex(image.shape):
        js = neighbours(image.shape, i, window_size // 2)
        w = [similarity(image, i, j, sigma, h, patch_size) for j in js]
        out[i] = np.dot(w, [image[j] for j in js]) / np.sum(w)
    return out


def nlm_patch(image, sigma, h, patch_size, window_size):
    """Symmetrically normalised patch weights, spread over the pixels of the two patches."""
    reach, radius = patch_size // 2, window_size // 2
    kernel = patch_kernel(patch_size)

    def w(p, q):
        return similarity(image, p, q, sigma, h, patch_size)

    degree = np.zeros_like(image)
    for i in np.ndindex(image.shape):
        degree[i] = sum(w(i, j) for j in neighbours(image.shape, i, radius))

    out = np.zeros_like(image)
    for i in np.ndindex(image.shape):
        total = value = 0.0
        for j in neighbours(image.shape, i, radius):
            o = np.subtract(j, i)
            weight = 0.0
            for a, b in product(range(-reach, reach + 1), repeat=2):
                centre = (i[0] + a, i[1] + b)
                other = tuple(np.add(centre, o))
                normaliser = degree[mirrored(image, centre)] * degree[mirrored(image, other)]
                weight += kernel[a + reach, b + reach] * w(centre, other) / np.sqrt(normaliser)
            total += weight
            value += weight * image[j]
        out[i] = value / total
    return out


def bilateral(image, sigma_range, sigma_spatial, window_size):
    out = np.zeros_like(image)
    for i in np.ndindex(image.shape):
        js = neighbours(image.shape, i, window_size // 2)
        w = [
            np.exp(
                -((image[i] - image[j]) ** 2) / (2 * sigma_range**2)
                - np.sum(np.subtract(i, j) ** 2) / (2 * sigma_spatial**2)
            )
            for j in js
        ]
        out[i] = np.dot(w, [image[j] for j in js]) / np.sum(w)
    return out


def mean_shift(image, sigma_range, sigma_spatial, window_size, iterations):
    out = np.zeros_like(image)
    for i in np.ndindex(image.shape):
        js = neighbours(image.shape, i, window_size // 2)
        values, places = np.array([image[j] for j in js]), np.array(js, float)
        value, place = image[i], np.array(i, float)
        for _ in range(iterations):
            w = np.exp(
                -((value - values) ** 2) / (2 * sigma_range**2)
                - np.sum((place - places) ** 2, axis=1) / (2 * sigma_spatial**2)
            )
            value, place = w @ values / w.sum(), w @ places / w.sum()
        out[i] = value
    return out


def local_fit(image, metric, order, window_size):
    """Weighted least squares around every pixel, neighbours weighing by their own metric."""
    out = np.zeros_like(image)
    for i in np.ndindex(image.shape):
        js = neighbours(image.shape, i, window_size // 2)
        steps = np.array([np.subtract(j, i) for j in js], float)
        w = np.array(
            [
                np.sqrt(np.linalg.det(metric[j])) * np.exp(-step @ metric[j] @ step)
                for j, step in zip(js, steps, strict=True)
            ]
        )
        basis = np.column_stack([np.ones(len(js)), steps]) if order else np.ones((len(js), 1))
        values = np.array([image[j] for j in js])
        out[i] = np.linalg.lstsq(basis * np.sqrt(w)[:, None], values * np.sqrt(w), rcond=None)[0][0]
    return out
