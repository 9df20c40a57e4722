"""What denoisers on groups of similar patches share: their channels, and a visit of all groups."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxdenoise._core.channels import mix, mix_variances, unmix
from jaxdenoise._core.grid import Grid, GroupSizes
from jaxdenoise._core.patches import filter_groups, match, reflected_to
from jaxdenoise._core.safe import positive_floor, safe_sqrt
from jaxdenoise._core.schedule import Schedule, map_by, scheduled
from jaxdenoise._core.standard import Standard, standardise

# Of a noise map, relative to its mean: patches without any noise would weigh infinitely much.
_LEAST_VARIANCE = 1e-6


class Decorrelated(NamedTuple):
    """An image in decorrelated channels, the first their mean, and in units of its noise."""

    planes: Array
    variance: Array  # 1, or a map of mean 1
    unit: Array
    standard: Standard

    def restore(self, planes: Array) -> Array:
        """Bring a result back to the channels, units, size and layout of the image."""
        return self.standard.restore(unmix(self.unit * self.crop(planes)))

    def crop(self, planes: Array) -> Array:
        """Drop what continues an image that is smaller than a patch."""
        spatial = self.standard.planes.shape[1:]
        return planes[(slice(None), *map(slice, spatial))]


def channel_by_channel(
    denoise: Callable[..., Any], image: ArrayLike, sigma: ArrayLike, channel_axis: int | None
) -> Any:
    """`denoise(image, sigma, channel_axis)`, a channel at a time where sigma differs among them.

    Decorrelated channels are mixtures: a channel would get some of the others' noise.
    """
    if channel_axis is None or np.ndim(sigma) == 0:
        return denoise(image, sigma, channel_axis)
    missing = np.ndim(image) - np.ndim(sigma)
    sigma = jnp.expand_dims(jnp.asarray(sigma), tuple(range(missing)))
    if sigma.shape[channel_axis] == 1:
        return denoise(image, sigma, channel_axis)
    sigma = jnp.moveaxis(sigma, channel_axis, 0)
    sigma = sigma.reshape(-1) if sigma.size == len(sigma) else sigma
    channels = jnp.moveaxis(jnp.asarray(image), channel_axis, 0)
    results = lax.map(lambda channel: denoise(*channel, None), (channels, sigma))
    return jax.tree.map(lambda x: jnp.moveaxis(x, 0, channel_axis), results)


def decorrelate(
    image: ArrayLike,
    sigma: ArrayLike,
    channel_axis: int | None,
    patch_size: int | tuple[int, ...],
    *parameters: ArrayLike | None,
) -> Decorrelated:
    """Ready for `collaborate`; an image smaller than a patch is continued.

    The DCT of the channels is orthonormal (for three of them the mean and two opponent colours),
    so noise of one strength stays so. `parameters` are those of the method, to be checked.
    """
    standard = standardise(image, channel_axis, sigma, *parameters)
    planes = standard.planes
    variance = jnp.square(_below_the_range(standard.strength(sigma), planes))
    planes = reflected_to(mix(planes), patch_size)
    unit = positive_floor(safe_sqrt(jnp.mean(variance)), planes)
    # Not a quotient, which XLA may turn into this product or not: matches would fall another way.
    inverse = 1 / unit
    if variance.ndim:
        variance = reflected_to(mix_variances(variance) * jnp.square(inverse), patch_size)
        variance = jnp.maximum(variance, _LEAST_VARIANCE)
    else:
        variance = jnp.ones((), planes.dtype)
    return Decorrelated(planes * inverse, variance, unit, standard)


def _below_the_range(sigma: Array, planes: Array) -> Array:
    """A map of noise below the image's range: more says of a pixel only that it tells nothing.

    Else the largest values would rule whatever is averaged over the map.
    """
    if sigma.ndim == 0:
        return sigma
    limit = jnp.maximum(jnp.max(planes) - jnp.min(planes), jnp.min(sigma))
    return jnp.minimum(sigma, lax.stop_gradient(limit))


def collaborate(
    shrink: Callable[..., tuple[list[Array], Array, list[Array]]],
    sizes: GroupSizes,
    guide: Array,
    planes: list[Array],
    shared: tuple[Array, ...] = (),
    *,
    limits: Array | None = None,
    window: Callable[[int], np.ndarray] = np.ones,
    members_axis: int = 1,
    extent: Array | None = None,
    schedule: Schedule | None,
) -> tuple[Array, list[Array]]:
    """Match on the first channel of `guide`, then filter the groups of every channel.

    `planes` are arrays (C, *spatial) of which `shrink` gets the groups; `limits` are as in `match`,
    the rest as in `filter_groups` and in `Grid`. Returns the averages of the estimates of `shrink`,
    (K, C, *spatial), and of each of its extras, (C, *spatial).
    """

    def work(
        guide: Array,
        planes: list[Array],
        shared: tuple[Array, ...],
        limits: Array | None,
        extent: Array | None,
        *,
        schedule: Schedule,
    ) -> tuple[Array, list[Array]]:
        grid = Grid.of(guide.shape[1:], sizes, extent, schedule)
        # A tiny image has few candidates; a power of two of them suits the Haar transform.
        members = min(sizes.group_size, 2 ** (grid.fewest_candidates.bit_length() - 1))
        matches = match(guide[:1], grid, members, limits, schedule=schedule)

        def of_channel(planes: list[Array]) -> tuple[Array, list[Array]]:
            return filter_groups(
                shrink,
                jnp.stack(planes),
                grid,
                matches,
                shared,
                window=window,
                members_axis=members_axis,
                schedule=schedule,
            )

        images, extras = map_by(of_channel, planes, schedule.channels)
        return jnp.swapaxes(images, 0, 1), extras

    return scheduled(work)(guide, planes, shared, limits, extent, schedule=schedule)


def own_noise(removed: Array, variance: Array, members_axis: int = 1) -> Array:
    """What is taken from the pixels of groups, bounded by their own noise.

    Where a pixel is less noisy than its group on average, what it loses beyond 4 of its standard
    deviations is its neighbours' noise.
    """
    bound = 4 * jnp.sqrt(variance)
    own = jnp.clip(removed, -bound, bound)
    average = jnp.mean(variance, axis=(members_axis, 2), keepdims=True)
    return own + jnp.minimum(variance / average, 1) * (removed - own)
