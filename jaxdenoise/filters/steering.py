"""Steering kernel regression."""

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxdenoise._core.checks import (
    check_choice,
    check_count,
    check_denoiser_input,
    check_positive_scalar,
    check_scalar,
    check_schedule,
    check_sizes,
)
from jaxdenoise._core.safe import positive_floor
from jaxdenoise._core.schedule import Schedule
from jaxdenoise._core.standard import standardise
from jaxdenoise._core.steering_metric import steering_metric
from jaxdenoise._core.symmetric import determinant, dot, pairs_of_axes, solve
from jaxdenoise._core.tiles import map_tiles
from jaxdenoise._core.window import clip_radius, window_sums

# Defaults by the number of spatial axes. Measured on Set12, and in three dimensions on a magnetic
# resonance image.
_WINDOW_SIZE = {2: 11, 3: 5}
_BANDWIDTH = {2: 2.4, 3: 1.8}
_SENSITIVITY = {2: 0.5, 3: 0.2}


def steering(
    image: ArrayLike,
    sigma: ArrayLike,
    *,
    bandwidth: ArrayLike | None = None,
    sensitivity: ArrayLike | None = None,
    order: Literal[0, 1] = 1,
    window_size: int | tuple[int, ...] | None = None,
    iterations: int = 2,
    channel_axis: int | None = None,
    schedule: Schedule | None = None,
) -> Float[Array, "..."]:
    r"""Steering kernel regression: a local fit under kernels deformed along the image's structure.

    Around every pixel a constant (`order=0`) or a plane (`order=1`) is fitted to the window,

    $$\min_{a, b} \sum_j w_{ij} \, \|y_j - a - b \cdot (j - i)\|^2, \qquad
    w_{ij} = \sqrt{\det C_j} \, \exp\!\Big(-\frac{(j - i)^T C_j (j - i)}{2 h^2}\Big)$$

    and $\hat x_i = a$. The metric of a pixel deforms its kernel: with the structure tensor
    $J$ of the current estimate (Gaussian gradients at 1 pixel, their products averaged at 2, the
    image continued by reflection), in units of a tenth of the noise variance of one gradient, and
    $A = J + I$,

    $$C = A \, (\det A)^{(\alpha - 1)/d}$$

    so that the kernel is round and of width h in flat regions, elongated along edges, and smaller
    where the contrast is high. Every iteration measures the tensor on the last estimate and fits
    the noisy image again.

    **Arguments:**

    - `image`: 2-D or 3-D, with or without a channel axis.
    - `sigma`: noise standard deviation in units of the image, a scalar or a map.
    - `bandwidth`: h in pixels, a scalar. Default 2.4, the best on Set12 at 15 to 50 of 255; in a
        volume 1.8.
    - `sensitivity`: alpha, how fast the kernel shrinks with contrast, a scalar; 0 keeps its area.
        Default 0.5, in a volume 0.2.
    - `order`: 0 for a locally constant, 1 for a locally linear fit.
    - `window_size`: odd side length of the window in pixels, one for all spatial axes or one for
        each. Default 11, in a volume 5.
    - `iterations`: how often the metric is measured; the first time on the noisy image.
    - `channel_axis`: the axis of the channels, `None` for grey; one metric for all channels.
    - `schedule`: how the work is cut, a `Schedule`. Default: that of the platform.

    **Returns:** an image of the same shape and units.

    **Raises:** `ValueError` for wrong shapes, sizes, or a negative or non-finite number;
    `TypeError` for complex images.

    **Reference:** Takeda, Farsiu & Milanfar, "Kernel regression for image processing and
    reconstruction", IEEE TIP 2007, sections II and III-B. Their elongation and scaling of the
    kernel come from a singular value decomposition; the determinant does both in closed form.
    """
    image, sigma = check_denoiser_input(image, sigma, channel_axis=channel_axis, ndim=(2, 3))
    check_schedule(schedule)
    if bandwidth is not None:
        bandwidth = check_positive_scalar(bandwidth, name="bandwidth")
    if sensitivity is not None:
        sensitivity = check_scalar(sensitivity, name="sensitivity")
    check_choice(order, (0, 1), name="order")
    window_size = check_sizes(window_size, _WINDOW_SIZE, image, channel_axis, name="window_size")
    check_count(iterations, name="iterations")
    return _steering(
        image, sigma, bandwidth, sensitivity, order, window_size, iterations, channel_axis, schedule
    )


def default_bandwidth(sigma: Array, channels: int, axes: int) -> Array:
    return jnp.asarray(_BANDWIDTH[axes], sigma.dtype)


def default_sensitivity(sigma: Array, channels: int, axes: int) -> Array:
    return jnp.asarray(_SENSITIVITY[axes], sigma.dtype)


@partial(
    jax.jit, static_argnames=("order", "window_size", "iterations", "channel_axis", "schedule")
)
def _steering(
    image, sigma, bandwidth, sensitivity, order, window_size, iterations, channel_axis, schedule
):
    standard = standardise(image, channel_axis, sigma, bandwidth, sensitivity)
    y = standard.planes
    sigma = positive_floor(standard.strength(sigma), y)
    rule = y, len(y), y.ndim - 1
    bandwidth = default_bandwidth(*rule) if bandwidth is None else bandwidth
    sensitivity = default_sensitivity(*rule) if sensitivity is None else sensitivity
    bandwidth, sensitivity = (jnp.asarray(v, y.dtype) for v in (bandwidth, sensitivity))
    radius = clip_radius(window_size, y.shape[1:])
    estimate = y
    for _ in range(iterations):
        metric = steering_metric(estimate, sigma, sensitivity) / (2 * jnp.square(bandwidth))
        estimate = _regress(y, metric, radius, order, schedule)
    return standard.restore(estimate)


def _regress(
    y: Array, metric: Array, radius: tuple[int, ...], order: int, schedule: Schedule | None
) -> Array:
    """Fit a constant or a plane around every pixel, weighted by its neighbours' kernels."""
    c, d = len(y), y.ndim - 1
    pairs = pairs_of_axes(d)
    norm = jnp.sqrt(determinant(dict(zip(pairs, metric, strict=True))))

    def fit(tile: Array, inside: Array) -> Array:
        fields = [*tile[:-1], tile[-1] * inside]

        def contribution(there: list[Array], offset: Array) -> list[Array]:
            steps = [offset[axis].astype(y.dtype) for axis in range(d)]
            length = sum(
                entry * (steps[a] * steps[b] * (1 if a == b else 2))
                for (a, b), entry in zip(pairs, there[c:-1], strict=True)
            )
            w = jnp.exp(-length) * there[-1]
            basis = [w, *(w * s for s in steps)] if order else [w]
            moments = [w * (steps[a] * steps[b]) for a, b in pairs] if order else []
            return [*basis, *moments, *(b * v for v in there[:c] for b in basis)]

        total, *sums = window_sums(contribution, fields, radius)
        # A tile may reach so far beyond the image that no neighbour is left.
        total = jnp.where(total > 0, total, 1)
        if order == 0:
            return jnp.stack([s / total for s in sums])
        first, second, data = sums[:d], sums[d : d + len(pairs)], sums[d + len(pairs) :]
        second = dict(zip(pairs, second, strict=True))
        # Across a window one pixel wide, or a kernel as thin, there is no slope: a ridge well above
        # rounding keeps the moments invertible.
        for a in range(d):
            second[a, a] += jnp.finfo(y.dtype).eps ** 0.75 * total
        tilt, _ = solve(second, first)
        total -= dot(tilt, first)
        terms = [data[k * (d + 1) : (k + 1) * (d + 1)] for k in range(c)]
        return jnp.stack([(mean - dot(tilt, slopes)) / total for mean, *slopes in terms])

    return map_tiles(fit, jnp.concatenate([y, metric, norm[None]]), radius, schedule=schedule)
