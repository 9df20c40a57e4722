"""The trace energy of groups of similar patches, given the subspaces that a pilot shows."""

from dataclasses import field
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxdenoise._core.channels import mix, mix_variances
from jaxdenoise._core.checks import check_count, check_image, check_positive_scalar, check_schedule
from jaxdenoise._core.grid import Grid, GroupSizes, each_axis, gather
from jaxdenoise._core.inverse import spd_inverse
from jaxdenoise._core.parallel import map_pieces
from jaxdenoise._core.patches import match, reflected_to
from jaxdenoise._core.planes import as_float, spatial_shape, to_planes
from jaxdenoise._core.pytree import pytree_dataclass
from jaxdenoise._core.schedule import Schedule, map_by, scheduled
from jaxdenoise.noise import Gaussian, NoiseModel
from jaxdenoise.posterior.coordinates import coordinates
from jaxdenoise.posterior.density import check_noise
from jaxdenoise.posterior.prior import Prior, check_built_for


@pytree_dataclass
class TracePrior(Prior):
    r"""Patches as a pilot shows them: near the mean of similar ones, in the subspace they span.

    For the patch $P_g x$ of every reference g, in coordinates u in which the noise is 1,

    $$E(x) = \frac12 \sum_g a_g\, \mathrm{tr}[Q_g\, (P_g u - \mu_g)(P_g u - \mu_g)^T],
    \qquad Q_g = (C_g + \epsilon I)^{-1},$$

    where $\mu_g$ and $C_g$ are the mean and the covariance of the k patches of the pilot that are
    most like its own: a soft projection, which costs nothing within the subspace of the group and
    $1 / \epsilon$ across it. $a_g$ is the mean over its pixels of one over the number of patches
    that a pixel is in: so every pixel counts about once, at the border too. Quadratic in u: with
    Gaussian noise the posterior is Gaussian.

    Built by `TracePrior.learn(pilot, noise)`.

    **References:** Lebrun, Buades & Morel, "A nonlocal Bayesian image denoising algorithm", SIAM
    Journal on Imaging Sciences 2013 (the Gaussian model of a group). Zoran & Weiss, "From learning
    models of natural image patches to whole image restoration", ICCV 2011 (the energy of all
    patches of an image).
    """

    over_coordinates = True
    mean: Float[Array, "channels groups pixels"]
    precision: Float[Array, "channels groups pixels pixels"]
    coordinates: Any
    grid: Grid = field(metadata={"static": True})
    shape: tuple[int, ...] = field(metadata={"static": True})
    channel_axis: int | None = field(default=None, metadata={"static": True})

    @classmethod
    def learn(
        cls,
        pilot: ArrayLike,
        noise: ArrayLike | NoiseModel,
        *,
        floor: ArrayLike = 0.03,
        patch_size: int = 6,
        members: int = 64,
        stride: int = 3,
        window_size: int = 37,
        channel_axis: int | None = None,
        schedule: Schedule | None = None,
    ) -> "TracePrior":
        """Learn means and subspaces from a pilot, an estimate of the image.

        **Arguments:**

        - `pilot`: 2-D, with or without a channel axis, such as `jd.subspace(noisy, sigma)`.
        - `noise`: of the image to come: a standard deviation, a map of it, or a noise model.
        - `floor`: epsilon, in units of the noise's variance, the variance that is left for what the
            pilot does not show.
        - `patch_size`, `members`, `stride`, `window_size`: pixels of a patch's side, patches of a
            group, pixels between references and of the window's side.
        - `channel_axis`: the axis of the channels, which are decorrelated; `None` for grey.
        - `schedule`: how the work is cut, a `Schedule`. Default: that of the platform.

        **Raises:** `ValueError` for wrong shapes or sizes, pixels that are not finite, an epsilon
            that is not positive.
        """
        check_schedule(schedule)
        check_image(pilot, channel_axis=channel_axis, name="pilot")
        check_noise(pilot, noise, name="pilot")
        check_positive_scalar(floor, name="floor")
        for name, size in (("patch_size", patch_size), ("members", members), ("stride", stride)):
            check_count(size, name=name)
        check_count(window_size, name="window_size")
        noise = noise if isinstance(noise, NoiseModel) else Gaussian(noise)
        sizes = GroupSizes(patch_size, members, stride, window_size)
        return _learn(pilot, noise, floor, sizes, channel_axis, schedule)

    def energy(self, image: ArrayLike) -> Float[Array, ""]:
        """E(x) of an image of the pilot's shape."""
        check_built_for(image, self.shape)
        u = _planes(self.coordinates.of(as_float(image)), self.channel_axis, self.grid)
        mean, precision = (x.astype(u.dtype) for x in (self.mean, self.precision))
        deviation = _references(u, self.grid) - mean
        shares = jnp.asarray(_shares(self.grid), u.dtype)
        return jnp.sum(_half_quadratic(precision, deviation) @ shares)


@partial(jax.jit, static_argnums=(3, 4, 5))
def _learn(pilot, noise, floor, sizes, channel_axis, schedule):
    axes = coordinates(noise, as_float(pilot))
    spatial = spatial_shape(pilot, channel_axis)
    patch = each_axis(sizes.patch_size, len(spatial))
    grid = Grid.of(tuple(map(max, spatial, patch)), sizes)
    u = _planes(axes.of_pilot(as_float(pilot)), channel_axis, grid)
    mean, covariance = scheduled(partial(_moments, sizes))(u, schedule=schedule)
    variance = axes.variance(noise, as_float(pilot))
    variance = mix_variances(to_planes(variance, channel_axis))
    variance = _references(reflected_to(variance, grid.patch_size), grid)
    left = jnp.asarray(floor, u.dtype) * jnp.mean(variance, axis=2)[..., None, None]
    precision = spd_inverse(covariance + left * jnp.eye(mean.shape[2], dtype=u.dtype)[None, None])
    return TracePrior(mean, precision, axes, grid, jnp.shape(pilot), channel_axis)


def _moments(sizes: GroupSizes, u: Array, *, schedule: Schedule) -> tuple[Array, Array]:
    """Mean and covariance of the patches of every group, (channels, groups, ...)."""
    grid = Grid.of(u.shape[1:], sizes, schedule=schedule)
    members = min(sizes.group_size, grid.fewest_candidates)
    matches = match(u[:1], grid, members, schedule=schedule)
    offsets, references = jnp.asarray(grid.offsets), jnp.asarray(grid.corners_in_tile)[:, None]

    def in_tile(tile: tuple[Array, Array]) -> tuple[Array, Array]:
        pixels, matches = tile
        corners = references + jnp.take(offsets, matches.astype(jnp.int32), axis=0, mode="clip")

        def of_plane(plane: Array) -> tuple[Array, Array]:
            group = gather(plane[None], corners, grid.patch_size).reshape(*corners.shape[:2], -1)
            mean = jnp.mean(group, axis=1)
            x = group - mean[:, None]
            return mean, x.mT @ x / members

        return map_by(of_plane, pixels, schedule.channels)

    of_tiles = map_pieces(in_tile, (grid.cut(u), matches), schedule=schedule)
    mean, covariance = (jax.vmap(grid.in_raster_order, in_axes=1)(x) for x in of_tiles)
    return mean, covariance


def _planes(u: Array, channel_axis: int | None, grid: Grid) -> Array:
    return reflected_to(mix(to_planes(u, channel_axis)), grid.patch_size)


@lru_cache(maxsize=8)
def _shares(grid: Grid) -> np.ndarray:
    """What a patch counts for: the mean of its pixels' shares in all the patches over them."""
    in_patch = np.indices(grid.patch_size).reshape(len(grid.patch_size), -1)
    pixels = np.ravel_multi_index(grid.corners.T[:, :, None] + in_patch[:, None], grid.shape)
    number = np.bincount(pixels.ravel())
    return np.mean(1 / number[pixels], axis=1)


def _references(planes: Array, grid: Grid) -> Array:
    """The patches of all references, (channels, groups, pixels)."""
    patches = gather(planes, jnp.asarray(grid.corners), grid.patch_size)
    return jnp.moveaxis(patches, 1, 0).reshape(len(planes), len(patches), -1)


@jax.custom_jvp
def _half_quadratic(q: Array, x: Array) -> Array:
    """x^T Q x / 2 for symmetric Q; its derivative needs no second product with Q."""
    return jnp.sum(x * _product(q, x), axis=-1) / 2


@_half_quadratic.defjvp
def _half_quadratic_jvp(primals, tangents):
    (q, x), (dq, dx) = primals, tangents
    qx = _product(q, x)
    tangent = jnp.sum(qx * dx, axis=-1) + jnp.sum(x * _product(dq, x), axis=-1) / 2
    return jnp.sum(x * qx, axis=-1) / 2, tangent


def _product(q: Array, x: Array) -> Array:
    return jnp.einsum("cgij,cgj->cgi", q, x, precision="highest")
