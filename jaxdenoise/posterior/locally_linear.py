"""Images that are linear around every pixel, as far as similar pixels reach."""

import math
from dataclasses import field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxdenoise._core.channels import mix
from jaxdenoise._core.checks import check_image, check_positive_scalar, check_schedule, check_sizes
from jaxdenoise._core.planes import as_float, to_planes
from jaxdenoise._core.pytree import pytree_dataclass
from jaxdenoise._core.safe import huber
from jaxdenoise._core.schedule import Schedule
from jaxdenoise._core.steering_metric import steering_metric
from jaxdenoise._core.symmetric import dot, pairs_of_axes, solve
from jaxdenoise._core.tiles import crop, map_tiles
from jaxdenoise._core.window import box_sum, clip_radius, window_sums, window_values
from jaxdenoise.noise import Gaussian, NoiseModel
from jaxdenoise.posterior.coordinates import coordinates
from jaxdenoise.posterior.density import check_noise
from jaxdenoise.posterior.prior import Prior, check_built_for

# Default sizes by the number of spatial axes.
_WINDOW_SIZE = {2: 7, 3: 5}
_PATCH_SIZE = {2: 5, 3: 3}
# Of the robust fit of every plane.
_REWEIGHTINGS = 2
# The kernel: its bandwidth in pixels, how fast it shrinks with contrast, the noise of the pilot.
_BANDWIDTH = 2.4
_SENSITIVITY = 0.5
_PILOT_NOISE = 0.3
# A ridge on the moments of a window, relative to its weights, which sum to 1.
_RIDGE = 1e-5


@pytree_dataclass
class LocallyLinear(Prior):
    r"""The non-local, locally linear prior: a plane around every pixel, in a deformed kernel.

    In coordinates u in which the noise is 1,

    $$E(x) = \sum_i \min_{g_i} \sum_j w_{ij}\, \rho_\delta\big(u_i - u_j - g_i \cdot (p_i -
    p_j)\big), \qquad
    w_{ij} \propto \exp\Big(-\frac{(p_i - p_j)^T C_i (p_i - p_j)}{2 h^2}
    - \frac{\|P_i - P_j\|^2}{2 n \tau^2}\Big)$$

    where the metric C, as in `steering`, and the patches P come from a pilot, the weights of a
    pixel sum to 1, and $\rho_\delta$ is Huber's function over $\delta$: neighbours across an edge
    that the pilot does not show count by their distance alone. The planes' slopes are found by
    least squares, reweighted twice.

    Built by `LocallyLinear.learn(pilot, noise)`; its weight is best chosen by `choose_weight`.

    **References:** Takeda, Farsiu & Milanfar, "Kernel regression for image processing and
    reconstruction", IEEE TIP 2007. Buades, Coll & Morel, "A non-local algorithm for image
    denoising", CVPR 2005. Huber, Annals of Mathematical Statistics 1964.
    """

    over_coordinates = True
    weights: Float[Array, "..."]  # (offsets, *spatial)
    delta: ArrayLike
    coordinates: Any
    radius: tuple[int, ...] = field(metadata={"static": True})
    shape: tuple[int, ...] = field(metadata={"static": True})
    channel_axis: int | None = field(default=None, metadata={"static": True})
    schedule: Schedule | None = field(default=None, metadata={"static": True})

    @classmethod
    def learn(
        cls,
        pilot: ArrayLike,
        noise: ArrayLike | NoiseModel,
        *,
        delta: ArrayLike = 0.3,
        tolerance: ArrayLike = 0.5,
        window_size: int | tuple[int, ...] | None = None,
        patch_size: int | tuple[int, ...] | None = None,
        channel_axis: int | None = None,
        schedule: Schedule | None = None,
    ) -> "LocallyLinear":
        """Weigh the neighbours of every pixel by a pilot, an estimate of the image.

        **Arguments:**

        - `pilot`: 2-D or 3-D, with or without a channel axis.
        - `noise`: of the image to come: a standard deviation, a map of it, or a noise model.
        - `delta`: of Huber's function, in units of the noise.
        - `tolerance`: tau, in units of the noise: how unlike patches may be.
        - `window_size`, `patch_size`: odd sides in pixels, one for all spatial axes or one for
            each. Default 7 and 5, in a volume 5 and 3. The prior holds a number for every pixel of
            every window.
        - `channel_axis`: the axis of the channels, which are decorrelated; `None` for grey.
        - `schedule`: how the work is cut, also that of the energy, a `Schedule`. Default: that of
            the platform.

        **Raises:** `ValueError` for wrong shapes or sizes, pixels that are not finite, numbers that
            are not positive.
        """
        check_schedule(schedule)
        check_image(pilot, channel_axis=channel_axis, ndim=(2, 3), name="pilot")
        check_noise(pilot, noise, name="pilot")
        check_positive_scalar(delta, name="delta")
        check_positive_scalar(tolerance, name="tolerance")
        window, patch = (
            check_sizes(size, default, pilot, channel_axis, name=name)
            for size, default, name in (
                (window_size, _WINDOW_SIZE, "window_size"),
                (patch_size, _PATCH_SIZE, "patch_size"),
            )
        )
        noise = noise if isinstance(noise, NoiseModel) else Gaussian(noise)
        return _learn(pilot, noise, delta, tolerance, window, patch, channel_axis, schedule)

    def energy(self, image: ArrayLike) -> Float[Array, ""]:
        """E(x) of an image of the pilot's shape."""
        check_built_for(image, self.shape)
        return _energy(self, image)


@jax.jit
def _energy(prior: LocallyLinear, image: ArrayLike) -> Array:
    u = mix(to_planes(prior.coordinates.of(as_float(image)), prior.channel_axis))

    def of_tile(tile: Array, _, weights: Array, delta: Array) -> Array:
        return lax.map(lambda plane: _deviation(plane, weights, prior.radius, delta), tile)

    delta, weights = jnp.asarray(prior.delta, u.dtype), prior.weights.astype(u.dtype)
    energies = map_tiles(
        of_tile, u, prior.radius, (delta,), schedule=prior.schedule, of_core=weights
    )
    return jnp.sum(energies)


def _deviation(u: Array, weights: Array, radius: tuple[int, ...], delta: Array) -> Array:
    """min_g sum_j w_ij rho(u_i - u_j - g . (p_i - p_j)) for every pixel i of a tile's core.

    `u` is (*core + 2 * radius), and `weights` (offsets, *core).
    """
    here = crop(u, radius)
    axes = range(here.ndim)
    pairs = pairs_of_axes(here.ndim)
    slopes = [jnp.zeros_like(here) for _ in axes]

    def residual(there: Array, offset: Array, slopes: list[Array]) -> Array:
        return here - there + dot([offset[a].astype(u.dtype) for a in axes], slopes)

    def moments(slopes: list[Array], robust: bool) -> tuple[list[Array], list[Array]]:
        """Of the least squares for the slopes, reweighted where they are robust."""

        def contribution(views: list[Array], offset: Array, w: Array) -> tuple:
            step = [offset[a].astype(u.dtype) for a in axes]
            if robust:
                error = jnp.square(residual(views[0], offset, slopes))
                w = w * delta / jnp.sqrt(jnp.maximum(error, jnp.square(delta)))
            difference = here - views[0]
            return [w * step[a] * step[b] for a, b in pairs], [w * s * difference for s in step]

        return window_sums(contribution, [u], radius, weights)

    for iteration in range(1 + _REWEIGHTINGS):
        second, first = moments(slopes, robust=iteration > 0)
        second = dict(zip(pairs, second, strict=True))
        second |= {(a, a): second[a, a] + _RIDGE for a in axes}
        slopes = [-slope for slope in solve(second, first)[0]]

    def cost(views: list[Array], offset: Array, w: Array) -> Array:
        return w * huber(jnp.square(residual(views[0], offset, slopes)), delta)

    return window_sums(cost, [u], radius, weights)


@partial(jax.jit, static_argnums=(4, 5, 6, 7))
def _learn(pilot, noise, delta, tolerance, window_size, patch_size, channel_axis, schedule):
    axes = coordinates(noise, as_float(pilot))
    planes = mix(to_planes(axes.of_pilot(as_float(pilot)), channel_axis))
    dtype = planes.dtype
    radius = clip_radius(window_size, planes.shape[1:])
    patch = tuple(size // 2 for size in patch_size)
    pairs = pairs_of_axes(len(radius))
    noise_of_pilot = jnp.full((), _PILOT_NOISE, dtype)
    metric = steering_metric(planes, noise_of_pilot, jnp.full((), _SENSITIVITY, dtype))
    tolerance = jnp.asarray(tolerance, dtype)

    def weigh(tile: Array, inside: Array, tolerance: Array) -> Array:
        u, entries = tile[0], crop(tile[1:], [p + r for p, r in zip(patch, radius, strict=True)])
        here = crop(u, radius)

        def similarity(views: list[Array], offset: Array) -> Array:
            distance = box_sum(jnp.square(here - views[0]), patch_size) / math.prod(patch_size)
            step = [offset[axis].astype(dtype) for axis in range(len(radius))]
            length = sum(
                entry * (step[a] * step[b] * (1 if a == b else 2))
                for (a, b), entry in zip(pairs, entries, strict=True)
            )
            w = jnp.exp(-length / (2 * _BANDWIDTH**2) - distance / (2 * jnp.square(tolerance)))
            neighbour = crop(views[1], patch) > 0
            return jnp.where(neighbour & jnp.any(offset != 0), w, 0)

        weights = window_values(similarity, [u, inside], radius, here.shape)
        # A pixel like none of its neighbours is left alone.
        return weights / jnp.maximum(jnp.sum(weights, axis=0), 1e-3)[None]

    halo = [p + r for p, r in zip(patch, radius, strict=True)]
    fields = jnp.concatenate([planes[:1], metric])
    weights = map_tiles(weigh, fields, halo, (tolerance,), schedule=schedule)
    return LocallyLinear(weights, delta, axes, radius, jnp.shape(pilot), channel_axis, schedule)
