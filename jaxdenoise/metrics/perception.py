"""Metrics modelled on what a person sees."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxdenoise._core.checks import check_choice
from jaxdenoise._core.separable import correlate, gaussian_taps
from jaxdenoise.metrics.pair import planes_of_pair

_WINDOW = gaussian_taps(1.5, truncate=3.5)
_EXPONENTS = 0.0448, 0.2856, 0.3001, 0.2363, 0.1333


def ssim(
    a: ArrayLike, b: ArrayLike, *, data_range: ArrayLike, channel_axis: int | None = None
) -> Float[Array, ""]:
    r"""Structural similarity, averaged over the pixels whose window lies inside the image.

    $$\frac{(2\mu_a\mu_b + c_1)(2\sigma_{ab} + c_2)}
           {(\mu_a^2 + \mu_b^2 + c_1)(\sigma_a^2 + \sigma_b^2 + c_2)},
    \qquad c_1 = (0.01 L)^2, \; c_2 = (0.03 L)^2$$

    with means, variances and covariance under a Gaussian window of standard deviation 1.5 pixels
    (11 taps an axis) and L = `data_range`. Equal to scikit-image's `structural_similarity` with
    `gaussian_weights=True, use_sample_covariance=False`, the setting of the original paper.

    **Arguments:**

    - `a`, `b`: images of the same shape, 2-D or 3-D, at least 11 pixels a side.
    - `data_range`: the difference of the largest and the smallest possible value.
    - `channel_axis`: the axis of the channels, over which the index is averaged.

    **Returns:** a scalar, 1 for equal images.

    **Raises:** `ValueError` if shapes differ, a side is below 11 or `data_range` is not positive;
    `TypeError` for complex images.

    **Reference:** Wang, Bovik, Sheikh & Simoncelli, "Image quality assessment: from error
    visibility to structural similarity", IEEE TIP 2004, equation 13.
    """
    smallest = len(_WINDOW)
    return _ssim(*planes_of_pair(a, b, data_range, channel_axis, ndim=(2, 3), smallest=smallest))


def ms_ssim(
    a: ArrayLike,
    b: ArrayLike,
    *,
    data_range: ArrayLike,
    scales: int = 5,
    channel_axis: int | None = None,
) -> Float[Array, ""]:
    r"""Multi-scale structural similarity: `ssim` at several viewing distances in one number.

    $$\overline{(l c)}_M^{\,w_M} \prod_{k=1}^{M-1} \bar c_k^{\,w_k}$$

    with means over the pixels of the two factors of `ssim`, luminance l (which counts at the
    coarsest scale alone) and contrast with structure c, at M scales, each half as fine as the one
    before (means of 2 x 2 pixels; an odd last row or column is left out). The exponents
    (0.0448, 0.2856, 0.3001, 0.2363, 0.1333) were measured with observers: they follow the contrast
    sensitivity of the eye. A mean that is negative counts as 0.

    **Arguments:**

    - `a`, `b`: images of the same shape, 2-D or 3-D, at least 11 * 2^(scales - 1) pixels a side:
        176 for five scales.
    - `data_range`: the difference of the largest and the smallest possible value.
    - `scales`: 1 to 5, for smaller images; the exponents are then scaled to the sum of all.
    - `channel_axis`: the axis of the channels, over which the index is averaged.

    **Returns:** a scalar, 1 for equal images.

    **Raises:** `ValueError` if shapes differ, a side is too short or `data_range` is not positive;
    `TypeError` for complex images.

    **Reference:** Wang, Simoncelli & Bovik, "Multiscale structural similarity for image quality
    assessment", Asilomar Conference 2003, equation 7 and the measured exponents.
    """
    check_choice(scales, tuple(range(1, len(_EXPONENTS) + 1)), name="scales")
    smallest = len(_WINDOW) * 2 ** (scales - 1)
    pair = planes_of_pair(a, b, data_range, channel_axis, ndim=(2, 3), smallest=smallest)
    return _ms_ssim(*pair, scales)


@jax.jit
def _ssim(x: Array, y: Array, data_range: Array) -> Array:
    luminance, structure = _compare(x, y, data_range)
    return jnp.mean(luminance * structure)


@partial(jax.jit, static_argnames="scales")
def _ms_ssim(x: Array, y: Array, data_range: Array, scales: int) -> Array:
    axes = tuple(range(1, x.ndim))
    exponents = np.array(_EXPONENTS[:scales]) * (sum(_EXPONENTS) / sum(_EXPONENTS[:scales]))
    index = jnp.ones(len(x), x.dtype)
    for k, exponent in enumerate(exponents):
        luminance, structure = _compare(x, y, data_range)
        last = k == scales - 1
        mean = jnp.mean(luminance * structure if last else structure, axis=axes)
        zero = mean <= 0  # not where it is NaN
        index = index * jnp.where(zero, 0, jnp.where(zero, 1, mean) ** float(exponent))
        if not last:
            x, y = _halve(x), _halve(y)
    return jnp.mean(index)


def _compare(x: Array, y: Array, data_range: Array) -> tuple[Array, Array]:
    """Luminance, and contrast with structure, where the window lies inside the image."""
    # Moments about a common level: E[x^2] - E[x]^2 would cancel on a bright smooth image.
    level = lax.stop_gradient(jnp.mean(x))
    x, y = x - level, y - level
    c1, c2 = jnp.square(0.01 * data_range), jnp.square(0.03 * data_range)

    def mean(z: Array) -> Array:
        return correlate(z, [_WINDOW] * (z.ndim - 1))

    mean_x, mean_y = mean(x), mean(y)
    variance_x = mean(x * x) - mean_x * mean_x
    variance_y = mean(y * y) - mean_y * mean_y
    covariance = mean(x * y) - mean_x * mean_y
    mean_x, mean_y = mean_x + level, mean_y + level
    luminance = (2 * mean_x * mean_y + c1) / (mean_x * mean_x + mean_y * mean_y + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return luminance, structure


def _halve(x: Array) -> Array:
    for axis in range(1, x.ndim):
        n = x.shape[axis] // 2
        even, odd = (lax.slice_in_dim(x, k, k + 2 * n - 1, 2, axis=axis) for k in (0, 1))
        x = (even + odd) / 2
    return x
