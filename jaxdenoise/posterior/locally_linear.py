"""Images that are linear around every pixel, as far as similar pixels reach."""

from dataclasses import field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxdenoise._core.checks import check_image, check_odd, check_positive_scalar
from jaxdenoise._core.planes import as_float, to_planes
from jaxdenoise._core.pytree import pytree_dataclass
from jaxdenoise._core.safe import huber
from jaxdenoise._core.tiles import mirror
from jaxdenoise._core.window import box_sum, offsets_in_window
from jaxdenoise.filters.steering import steering_metric
from jaxdenoise.groups.collaborate import mix
from jaxdenoise.noise import Gaussian, NoiseModel
from jaxdenoise.posterior.coordinates import coordinates
from jaxdenoise.posterior.density import check_noise
from jaxdenoise.posterior.prior import Prior, check_built_for

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
    weights: Float[Array, "offsets height width"]
    delta: ArrayLike
    coordinates: Any
    radius: tuple[int, int] = field(metadata={"static": True})
    shape: tuple[int, ...] = field(metadata={"static": True})
    channel_axis: int | None = field(default=None, metadata={"static": True})

    @classmethod
    def learn(
        cls,
        pilot: ArrayLike,
        noise: ArrayLike | NoiseModel,
        *,
        delta: ArrayLike = 0.3,
        tolerance: ArrayLike = 0.5,
        window_size: int = 7,
        patch_size: int = 5,
        channel_axis: int | None = None,
    ) -> "LocallyLinear":
        """Weigh the neighbours of every pixel by a pilot, an estimate of the image.

        **Arguments:**

        - `pilot`: 2-D, with or without a channel axis.
        - `noise`: of the image to come: a standard deviation, a map of it, or a noise model.
        - `delta`: of Huber's function, in units of the noise.
        - `tolerance`: tau, in units of the noise: how unlike patches may be.
        - `window_size`, `patch_size`: odd sides, in pixels.
        - `channel_axis`: the axis of the channels, which are decorrelated; `None` for grey.

        **Raises:** `ValueError` for wrong shapes or sizes, pixels that are not finite, numbers that
            are not positive.
        """
        check_image(pilot, channel_axis=channel_axis, name="pilot")
        check_noise(pilot, noise, name="pilot")
        check_positive_scalar(delta, name="delta")
        check_positive_scalar(tolerance, name="tolerance")
        check_odd(window_size, name="window_size")
        check_odd(patch_size, name="patch_size")
        noise = noise if isinstance(noise, NoiseModel) else Gaussian(noise)
        return _learn(pilot, noise, delta, tolerance, (window_size, patch_size), channel_axis)

    def energy(self, image: ArrayLike) -> Float[Array, ""]:
        """E(x) of an image of the pilot's shape."""
        check_built_for(image, self.shape)
        planes = _planes(self.coordinates.of(as_float(image)), self.channel_axis)
        return jnp.sum(jnp.stack([self._of_plane(plane) for plane in planes]))

    def _of_plane(self, u: Array) -> Array:
        offsets = jnp.asarray(offsets_in_window(self.radius))
        delta = jnp.asarray(self.delta, u.dtype)
        padded = jnp.pad(u, [(r, r) for r in self.radius], mode="edge")
        neighbours = offsets, self.weights.astype(u.dtype)

        def total(f: Any, slopes: Array) -> Any:
            """The sum of f(w, offset, difference, residual) over all neighbours."""

            @jax.checkpoint
            def of(neighbour: tuple[Array, Array], slopes: Array, padded: Array) -> Any:
                offset, w = neighbour
                step = offset.astype(u.dtype)
                difference = u - _view(padded, offset, self.radius, u.shape)
                residual = difference + step[0] * slopes[0] + step[1] * slopes[1]
                return f(w, step, difference, residual)

            def add(sums: Any, neighbour: tuple[Array, Array]) -> tuple[Any, None]:
                return jax.tree.map(jnp.add, sums, of(neighbour, slopes, padded)), None

            first = jax.tree.map(lambda x: x[0], neighbours)
            zeros = jax.tree.map(jnp.zeros_like, of(first, slopes, padded))
            return lax.scan(add, zeros, neighbours)[0]

        def moments(w: Array, step: Array, difference: Array, residual: Array) -> tuple:
            w = w * delta / jnp.sqrt(jnp.maximum(jnp.square(residual), jnp.square(delta)))
            y, x = step[0], step[1]
            return w * y * y, w * y * x, w * x * x, w * y * difference, w * x * difference

        def squares(w: Array, step: Array, difference: Array, residual: Array) -> tuple:
            return moments(w, step, difference, jnp.zeros_like(residual))

        slopes = jnp.stack([jnp.zeros_like(u)] * 2)
        for which in (squares, *[moments] * _REWEIGHTINGS):
            yy, yx, xx, by, bx = total(which, slopes)
            yy, xx = yy + _RIDGE, xx + _RIDGE
            determinant = yy * xx - yx * yx
            slopes = -jnp.stack([xx * by - yx * bx, yy * bx - yx * by]) / determinant[None]
        return jnp.sum(total(lambda w, _, __, residual: w * huber(residual**2, delta), slopes))


@partial(jax.jit, static_argnums=(4, 5))
def _learn(pilot, noise, delta, tolerance, sizes, channel_axis):
    axes = coordinates(noise, as_float(pilot))
    planes = _planes(axes.of_pilot(as_float(pilot)), channel_axis)
    u = planes[0]
    height, width = u.shape
    radius = min(sizes[0] // 2, height - 1), min(sizes[0] // 2, width - 1)
    patch = sizes[1] // 2
    noise_of_pilot = jnp.full((), _PILOT_NOISE, u.dtype)
    metric = steering_metric(planes, noise_of_pilot, jnp.full((), _SENSITIVITY, u.dtype))
    reach = [patch + r for r in radius]
    around = u
    for axis, (r, n) in enumerate(zip(reach, u.shape, strict=True)):
        around = jnp.take(around, mirror(np.arange(-r, n + r), n), axis=axis, mode="clip")
    core = tuple(n + 2 * patch for n in u.shape)
    here = _view(around, jnp.zeros(2, jnp.int32), radius, core)
    rows, columns = (jnp.arange(n, dtype=jnp.int32) for n in u.shape)

    def weigh(offset: Array) -> Array:
        there = _view(around, offset, radius, core)
        distance = box_sum(jnp.square(here - there), [sizes[1]] * 2) / sizes[1] ** 2
        y, x = offset.astype(u.dtype)
        length = metric[0] * y * y + 2 * metric[1] * y * x + metric[2] * x * x
        w = jnp.exp(
            -length / (2 * _BANDWIDTH**2)
            - distance / (2 * jnp.square(jnp.asarray(tolerance, u.dtype)))
        )
        at = rows + offset[0], columns + offset[1]
        inside = [(a >= 0) & (a < n) for a, n in zip(at, u.shape, strict=True)]
        return jnp.where(inside[0][:, None] & inside[1][None] & jnp.any(offset != 0), w, 0)

    weights = lax.map(weigh, jnp.asarray(offsets_in_window(radius)))
    total = jnp.sum(weights, axis=0)
    # A pixel like none of its neighbours is left alone.
    weights = weights / jnp.maximum(total, 1e-3)[None]
    return LocallyLinear(weights, delta, axes, radius, jnp.shape(pilot), channel_axis)


def _planes(u: Array, channel_axis: int | None) -> Array:
    return mix(to_planes(u, channel_axis))


def _view(padded: Array, offset: Array, radius: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    start = [jnp.asarray(r + offset[axis], jnp.int32) for axis, r in enumerate(radius)]
    return lax.dynamic_slice(padded, start, shape)
