"""Metrics modelled on what a person sees."""

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxdenoise._core.checks import check_image, check_positive, check_same_shape
from jaxdenoise._core.planes import to_planes
from jaxdenoise._core.separable import correlate, gaussian_taps

_WINDOW = gaussian_taps(1.5, truncate=3.5)


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
    check_same_shape(a, b, ("a", "b"))
    check_image(a, channel_axis=channel_axis, ndim=(2, 3), name="a")
    check_image(b, channel_axis=channel_axis, ndim=(2, 3), name="b")
    check_positive(data_range, name="data_range")
    x, y = to_planes(a, channel_axis), to_planes(b, channel_axis)
    if min(x.shape[1:]) < len(_WINDOW):
        raise ValueError(
            f"a and b must be at least {len(_WINDOW)} pixels a side, got shape {jnp.shape(a)}"
        )
    dtype = jnp.promote_types(x.dtype, y.dtype)
    x, y = x.astype(dtype), y.astype(dtype)
    # Moments about a common level: E[x^2] - E[x]^2 would cancel on a bright smooth image.
    level = lax.stop_gradient(jnp.mean(x))
    x, y = x - level, y - level
    c1 = jnp.square(0.01 * jnp.asarray(data_range, dtype))
    c2 = jnp.square(0.03 * jnp.asarray(data_range, dtype))

    def mean(z):
        return correlate(z, [_WINDOW] * (z.ndim - 1))

    mean_x, mean_y = mean(x), mean(y)
    variance_x = mean(x * x) - mean_x * mean_x
    variance_y = mean(y * y) - mean_y * mean_y
    covariance = mean(x * y) - mean_x * mean_y
    mean_x, mean_y = mean_x + level, mean_y + level
    luminance = (2 * mean_x * mean_y + c1) / (mean_x * mean_x + mean_y * mean_y + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return jnp.mean(luminance * structure)
