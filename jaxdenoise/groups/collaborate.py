"""What denoisers on groups of similar patches share: their channels, and a visit of all groups."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxdenoise._core.grid import Grid
from jaxdenoise._core.patches import filter_groups, match, reflected_to
from jaxdenoise._core.planes import from_planes, map_to_planes, to_planes
from jaxdenoise._core.transforms import dct


class Sizes(NamedTuple):
    """Pixels of a patch, patches of a group, pixels between references and of the window."""

    patch_size: int
    members: int
    stride: int
    window_size: int


def decorrelate(
    image: ArrayLike, sigma: ArrayLike, channel_axis: int | None, patch_size: int
) -> tuple[Array, Array]:
    """An image and the variance of its noise in decorrelated channels, the first their mean.

    The DCT of the channels is orthonormal, for three of them the mean and two opponent colours;
    so a scalar variance stays one. An image smaller than a patch is continued.
    """
    planes = to_planes(image, channel_axis)
    variance = jnp.square(map_to_planes(sigma, image, channel_axis))
    mix = jnp.asarray(dct(len(planes)), planes.dtype)
    planes = reflected_to(jnp.tensordot(mix, planes, axes=1), patch_size)
    if variance.ndim:
        variance = jnp.tensordot(jnp.square(mix), variance, axes=1)
        variance = reflected_to(variance, patch_size)
    return planes, variance


def recorrelate(planes: Array, image: ArrayLike, channel_axis: int | None) -> Array:
    """Back to the channels, size and layout of `image`."""
    height, width = to_planes(image, channel_axis).shape[1:]
    mix = jnp.asarray(dct(len(planes)), planes.dtype)
    planes = jnp.tensordot(mix.T, planes[:, :height, :width], axes=1)
    return from_planes(planes, image, channel_axis)


def collaborate(
    shrink: Callable[..., tuple[list[Array], Array, list[Array]]],
    sizes: Sizes,
    guide: Array,
    planes: list[Array],
    shared: tuple[Array, ...] = (),
    *,
    window: np.ndarray | None = None,
    members_axis: int = 1,
) -> tuple[Array, Array]:
    """Match on the first channel of `guide`, then filter the groups of every channel.

    `planes` are arrays (C, H, W) of which `shrink` gets the groups; the rest is as in
    `filter_groups`. Returns the averages of the estimates and extras of `shrink`, (K, C, H, W) and
    (E, C, H, W).
    """
    _, height, width = guide.shape
    grid = Grid((height, width), sizes.patch_size, sizes.stride, sizes.window_size)
    # A tiny image has few candidates; a power of two of them suits the Haar transform.
    members = min(sizes.members, 2 ** (grid.fewest_candidates.bit_length() - 1))
    matches = match(guide[:1], grid, members)

    def of_channel(planes: list[Array]) -> tuple[Array, Array]:
        return filter_groups(
            shrink,
            jnp.stack(planes),
            grid,
            matches,
            shared,
            window=window,
            members_axis=members_axis,
        )

    images, extras = lax.map(of_channel, planes)
    return jnp.swapaxes(images, 0, 1), jnp.swapaxes(extras, 0, 1)
