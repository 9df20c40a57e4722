"""Non-local means."""

import math
from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxdenoise._core.checks import (
    check_choice,
    check_denoiser_input,
    check_parameter,
    check_schedule,
    check_sizes,
)
from jaxdenoise._core.safe import positive_floor, safe_divide
from jaxdenoise._core.schedule import Schedule
from jaxdenoise._core.standard import standardise
from jaxdenoise._core.tiles import crop, map_tiles
from jaxdenoise._core.window import (
    box_sum,
    clip_radius,
    scaled_difference,
    symmetric_halo,
    symmetric_window_sums,
    weight_shape,
)

# Default sizes by the number of spatial axes.
_PATCH_SIZE = {2: 7, 3: 3}
_WINDOW_SIZE = {2: 21, 3: 5}
# Measured on Set12; the optimum is flat from 0.1 to 0.4.
_SELF_WEIGHT = 0.2


def nlm(
    image: ArrayLike,
    sigma: ArrayLike,
    *,
    h: ArrayLike | None = None,
    patch_size: int | tuple[int, ...] | None = None,
    window_size: int | tuple[int, ...] | None = None,
    variant: Literal["pixel", "patch"] = "pixel",
    channel_axis: int | None = None,
    schedule: Schedule | None = None,
) -> Float[Array, "..."]:
    r"""Non-local means: a pixel is the mean of the pixels whose patches look like its own.

    $$\hat x_i = \frac{\sum_j w_{ij} y_j}{\sum_j w_{ij}}, \qquad
    w_{ij} = \exp\!\Big(-\Big(\frac{\max(d_{ij}^2 - 2\sigma^2, 0)}{h^2}\Big)^2\Big)$$

    where $d_{ij}^2$ is the weighted mean squared difference of the patches at i and j, over
    channels too, and j runs over the window, clipped at the border; patches are continued over it
    by reflection. A pixel itself has the weight $w_{ii} = 0.2$, not 1: its patch is at distance 0
    only because it shares its own noise. Pixels of a patch weigh by the
    convolution of two boxes (5 and 3 for `patch_size=7`), a flat-topped Gaussian; w falls faster
    than the classical exp(-t), since hundreds of weak weights blur (0.3 dB on Set12).

    With `variant="patch"` the estimates of all patches that hold a pixel are averaged. There
    the weights are first normalised symmetrically, $w_{ij} / \sqrt{c_i c_j}$ with
    $c_i = \sum_j w_{ij}$, so that patches of flat regions, which have many likes, do not outvote
    the others. Better by 0.2 to 0.4 dB, at twice the time.

    **Arguments:**

    - `image`: 2-D or 3-D, with or without a channel axis; any size, also below the window's.
    - `sigma`: noise standard deviation in units of the image, a scalar or a map.
    - `h`: filtering strength in units of the image, a scalar or a map. Default 0.9 C^(-1/6) sigma
        for C channels, and 0.75 C^(-1/6) sigma for `variant="patch"`: good on Set12 and McMaster
        at 15 to 50 of 255. Less is better at higher noise.
    - `patch_size`, `window_size`: odd side lengths in pixels, one for all spatial axes or one for
        each. Default 7 and 21, in a volume 3 and 5: measured on a magnetic resonance image, where
        larger ones cost more and gain nothing.
    - `variant`: `"pixel"` or `"patch"`.
    - `channel_axis`: the axis of the channels, `None` for grey; one weight for all channels.
    - `schedule`: how the work is cut, a `Schedule`. Default: that of the platform.

    **Returns:** an image of the same shape and units.

    **Raises:** `ValueError` for wrong shapes, sizes, or a negative or non-finite number;
    `TypeError` for complex images.

    **References:** Buades, Coll & Morel, "Non-local means denoising", IPOL 2011 (the weights, and
    the two variants). Milanfar, "Symmetrizing smoothing filters", SIAM J. Imaging Sciences 2013
    (the symmetric normalisation).
    """
    image, sigma = check_denoiser_input(image, sigma, channel_axis=channel_axis, ndim=(2, 3))
    check_schedule(schedule)
    h = check_parameter(h, image, name="h")
    patch_size = check_sizes(patch_size, _PATCH_SIZE, image, channel_axis, name="patch_size")
    window_size = check_sizes(window_size, _WINDOW_SIZE, image, channel_axis, name="window_size")
    check_choice(variant, ("pixel", "patch"), name="variant")
    return _nlm(image, sigma, h, patch_size, window_size, variant, channel_axis, schedule)


def default_h(sigma: Array, channels: int, axes: int, variant: str = "pixel") -> Array:
    return (0.9 if variant == "pixel" else 0.75) * channels ** (-1 / 6) * sigma


@partial(
    jax.jit, static_argnames=("patch_size", "window_size", "variant", "channel_axis", "schedule")
)
def _nlm(image, sigma, h, patch_size, window_size, variant, channel_axis, schedule):
    standard = standardise(image, channel_axis, sigma, h)
    y, sigma = standard.planes, standard.strength(sigma)
    own = default_h(sigma, len(y), y.ndim - 1, variant) if h is None else standard.strength(h)
    h = positive_floor(own, y)
    radius = clip_radius(window_size, y.shape[1:])
    features, squared_difference = scaled_difference(y, h)
    bias = 2 * jnp.square(sigma / h)
    if bias.ndim:
        features, squared_difference = _less_bias(features, squared_difference, bias)
        bias = jnp.zeros((), y.dtype)
    weights = _Weights(squared_difference, len(features), patch_size, radius)
    filtered = _pixelwise if variant == "pixel" else _patchwise
    return standard.restore(filtered(weights, features, y, bias, schedule))


class _Weights(NamedTuple):
    """The weights of the pixels in a window, from the differences of patches of the features."""

    squared_difference: Callable[[list[Array], list[Array]], Array]
    features: int
    patch_size: tuple[int, ...]
    radius: tuple[int, ...]

    @property
    def reach(self) -> tuple[int, ...]:
        return tuple(size // 2 for size in self.patch_size)

    @property
    def halo(self) -> tuple[int, ...]:
        return symmetric_halo(self.radius, self.reach)

    def similarity(self, here: list[Array], there: list[Array], bias: Array) -> Array:
        f, area = self.features, math.prod(map(math.prod, _boxes(self.patch_size)))
        squares = self.squared_difference(here[:f], there[:f])
        distance = _patch_sum(squares, self.patch_size) / area
        return jnp.exp(-jnp.square(jnp.maximum(distance - bias, 0)))

    def sums(self, tile: Array, values: list[Array], bias: Array) -> list[Array]:
        """sum_j w_ij v_j, that of the pixel itself included, of a tile of the features."""
        biases = jnp.broadcast_to(bias, weight_shape(tile.shape[1:], self.radius, self.reach))
        sums = symmetric_window_sums(
            lambda here, there, _: self.similarity(here, there, biases),
            [*tile],
            values,
            self.radius,
            reaches=[self.reach] * self.features,
        )
        own = (_SELF_WEIGHT * crop(v, self.halo) for v in values)
        return [s + v for s, v in zip(sums, own, strict=True)]


def _pixelwise(
    weights: _Weights, features: Array, y: Array, bias: Array, schedule: Schedule | None
) -> Array:
    """The mean of the pixels of the window."""
    f = len(features)

    def average(tile: Array, inside: Array, bias: Array) -> Array:
        values = [*(v * inside for v in tile[f:]), inside]
        *x, total = weights.sums(tile[:f], values, bias)
        return jnp.stack([safe_divide(v, total) for v in x])

    planes = jnp.concatenate([features, y])
    return map_tiles(average, planes, weights.halo, (bias,), schedule=schedule)


def _patchwise(
    weights: _Weights, features: Array, y: Array, bias: Array, schedule: Schedule | None
) -> Array:
    """The mean of the estimates of all patches that hold a pixel."""
    f, radius, reach, patch_size = len(features), weights.radius, weights.reach, weights.patch_size
    # One reach for the distance of two patches, one for spreading their weight over them.
    both = tuple(2 * r for r in reach)
    halo = symmetric_halo(radius, both)

    def degree(tile: Array, inside: Array, bias: Array) -> Array:
        return jnp.stack(weights.sums(tile, [inside], bias))

    def average(tile: Array, inside: Array, bias: Array) -> Array:
        values = [*(v * inside for v in tile[f + 1 :]), inside]
        biases = jnp.broadcast_to(bias, weight_shape(inside.shape, radius, reach))

        def weight(here: list[Array], there: list[Array], _) -> Array:
            w = weights.similarity(here, there, biases)
            return _patch_sum(w * here[f] * there[f], patch_size)

        reaches = [*[both] * f, reach]
        sums = symmetric_window_sums(weight, [*tile[: f + 1]], values, radius, reaches)
        own = crop(tile[f], [m - r for m, r in zip(halo, reach, strict=True)])
        own = _SELF_WEIGHT * _patch_sum(own * own, patch_size)
        *x, total = (s + own * crop(v, halo) for s, v in zip(sums, values, strict=True))
        return jnp.stack([safe_divide(v, total) for v in x])

    total = map_tiles(degree, features, weights.halo, (bias,), schedule=schedule)
    planes = jnp.concatenate([features, lax.rsqrt(total), y])
    return map_tiles(average, planes, halo, (bias,), schedule=schedule)


def _less_bias(features: Array, squared_difference: Callable, bias: Array) -> tuple:
    """Where 2 sigma^2 / h^2 is a map: a pair's bias is the mean over its two pixels."""

    def squared_excess(here: list[Array], there: list[Array]) -> Array:
        return squared_difference(here[:-1], there[:-1]) - (here[-1] + there[-1]) / 2

    return jnp.concatenate([features, jnp.mean(bias, axis=0, keepdims=True)]), squared_excess


def _patch_sum(x: Array, patch_size: tuple[int, ...]) -> Array:
    """The sum over a patch, weighted by the convolution of two boxes."""
    short, long = _boxes(patch_size)
    return box_sum(box_sum(x, long), short)


def _boxes(patch_size: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    short = tuple(2 * (size // 4) + 1 for size in patch_size)
    return short, tuple(size + 1 - s for size, s in zip(patch_size, short, strict=True))
