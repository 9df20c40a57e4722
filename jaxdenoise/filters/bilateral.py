"""The bilateral filter."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxdenoise._core.checks import (
    check_denoiser_input,
    check_parameter,
    check_positive_scalar,
    check_schedule,
    check_sizes,
)
from jaxdenoise._core.safe import positive_floor, safe_divide
from jaxdenoise._core.schedule import Schedule
from jaxdenoise._core.standard import standardise
from jaxdenoise._core.tiles import crop, map_tiles
from jaxdenoise._core.window import (
    clip_radius,
    scaled_difference,
    symmetric_halo,
    symmetric_window_sums,
    weight_shape,
)

# Defaults by the number of spatial axes, bandwidths in units of sigma and in pixels. Measured on
# Set12 and McMaster, and in three dimensions on a magnetic resonance image.
_WINDOW_SIZE = {2: 11, 3: 5}
_RANGE = {2: 2.5, 3: 3.5}
_SPATIAL = {2: 1.6, 3: 1.1}


def bilateral(
    image: ArrayLike,
    sigma: ArrayLike,
    *,
    sigma_range: ArrayLike | None = None,
    sigma_spatial: ArrayLike | None = None,
    window_size: int | tuple[int, ...] | None = None,
    channel_axis: int | None = None,
    schedule: Schedule | None = None,
) -> Float[Array, "..."]:
    r"""Bilateral filter: a mean over pixels that are near in space and in value.

    $$\hat x_i = \frac{\sum_j w_{ij} y_j}{\sum_j w_{ij}}, \qquad
    w_{ij} = \exp\!\Big(-\frac{\|y_i - y_j\|^2}{2\sigma_r^2}
                        -\frac{\|i - j\|^2}{2\sigma_s^2}\Big)$$

    where the distance of values is the root mean square over the channels and j runs over the
    window, clipped at the border.

    **Arguments:**

    - `image`: 2-D or 3-D, with or without a channel axis.
    - `sigma`: noise standard deviation in units of the image, a scalar or a map.
    - `sigma_range`: standard deviation of the range kernel in units of the image, a scalar or a
        map (a pair of pixels uses the mean of its two squares). Default
        2.5 C^(-1/6) sigma for C channels: good on Set12 and McMaster at 15 to 50 of 255; in a
        volume 3.5 C^(-1/6) sigma.
    - `sigma_spatial`: standard deviation of the spatial kernel in pixels, a scalar. Default 1.6, in
        a volume 1.1.
    - `window_size`: odd side length of the window in pixels, one for all spatial axes or one for
        each; 6 sigma_spatial holds the kernel. Default 11, in a volume 5.
    - `channel_axis`: the axis of the channels, `None` for grey; one weight for all channels.
    - `schedule`: how the work is cut, a `Schedule`. Default: that of the platform.

    **Returns:** an image of the same shape and units.

    **Raises:** `ValueError` for wrong shapes, sizes, or a negative or non-finite number;
    `TypeError` for complex images.

    **Reference:** Tomasi & Manduchi, "Bilateral filtering for gray and color images", ICCV 1998.
    """
    image, sigma = check_denoiser_input(image, sigma, channel_axis=channel_axis, ndim=(2, 3))
    check_schedule(schedule)
    sigma_range = check_parameter(sigma_range, image, name="sigma_range")
    if sigma_spatial is not None:
        sigma_spatial = check_positive_scalar(sigma_spatial, name="sigma_spatial")
    window_size = check_sizes(window_size, _WINDOW_SIZE, image, channel_axis, name="window_size")
    return _bilateral(image, sigma, sigma_range, sigma_spatial, window_size, channel_axis, schedule)


def default_sigma_range(sigma: Array, channels: int, axes: int) -> Array:
    return _RANGE[axes] * channels ** (-1 / 6) * sigma


def default_sigma_spatial(sigma: Array, channels: int, axes: int) -> Array:
    return jnp.asarray(_SPATIAL[axes], sigma.dtype)


@partial(jax.jit, static_argnames=("window_size", "channel_axis", "schedule"))
def _bilateral(image, sigma, sigma_range, sigma_spatial, window_size, channel_axis, schedule):
    standard = standardise(image, channel_axis, sigma, sigma_range, sigma_spatial)
    y = standard.planes
    if sigma_range is None:
        sigma_range = default_sigma_range(standard.strength(sigma), len(y), y.ndim - 1)
    else:
        sigma_range = standard.strength(sigma_range)
    sigma_range = positive_floor(sigma_range, y)
    if sigma_spatial is None:
        sigma_spatial = default_sigma_spatial(y, len(y), y.ndim - 1)
    falloff = 1 / (2 * jnp.square(jnp.asarray(sigma_spatial, y.dtype)))
    radius = clip_radius(window_size, y.shape[1:])
    halo = symmetric_halo(radius)
    features, squared_difference = scaled_difference(y, sigma_range)
    f = len(features)

    def filter_tile(tile: Array, inside: Array, falloff: Array) -> Array:
        falloffs = jnp.broadcast_to(falloff, weight_shape(inside.shape, radius))

        def weight(here: list[Array], there: list[Array], offset: Array) -> Array:
            squared_length = jnp.sum(jnp.square(offset)).astype(y.dtype)
            return jnp.exp(-(squared_difference(here, there) / 2 + squared_length * falloffs))

        values = [*(v * inside for v in tile[f:]), inside]
        sums = symmetric_window_sums(weight, [*tile[:f]], values, radius, [(0,) * len(radius)] * f)
        *x, total = (s + crop(v, halo) for s, v in zip(sums, values, strict=True))
        return jnp.stack([safe_divide(v, total) for v in x])

    planes = jnp.concatenate([features, y])
    x = map_tiles(filter_tile, planes, halo, (falloff,), schedule=schedule)
    return standard.restore(x)
