"""Self-supervised loss for noise that nobody knows, only that it is independent between pixels."""

import math
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxdenoise._core.checks import check_count, check_image
from jaxdenoise._core.inpaint import mirrored_neighbours
from jaxdenoise._core.planes import compute_dtype
from jaxdenoise.risk.denoising import call, find


def j_invariant_loss(
    denoiser: str | Callable[..., Array],
    noisy: ArrayLike,
    noise: object = None,
    *,
    stride: int = 4,
    masks: int | None = None,
    channel_axis: int | None = None,
) -> Float[Array, ""]:
    r"""The self-supervised loss of a denoiser: how well it predicts pixels that it does not see.

    For a grid J of pixels, the denoiser gets the image with these replaced by the mean of their
    nearest neighbours, $y^{(J)}$. What it makes of them does not depend on their noise, so that

    $$E\left[\tfrac1{|J|} \sum_{i \in J} (f_i(y^{(J)}) - y_i)^2\right]
      = E\left[\tfrac1{|J|} \sum_{i \in J} (f_i(y^{(J)}) - x_i)^2\right] + \text{variance of the
      noise},$$

    for any noise of mean 0 that is independent between pixels. The error is that of a denoiser that
    never sees the pixel itself: what is best for it smooths a little more than what is best for the
    denoiser as it is. Where the noise is known, `sure` is the better guide.

    **Arguments:**

    - `denoiser`: called as `denoiser(image, noise)`, or `denoiser(image)` if `noise` is `None`; or
        the name of a method.
    - `noisy`: 2-D or 3-D, with or without a channel axis.
    - `noise`: handed on to the denoiser.
    - `stride`: of the grid, along every axis, at least 2.
    - `masks`: how many of the stride^d shifts of the grid to average over; all by default. They are
        spread over the period; one is enough to compare parameters on a large image.
    - `channel_axis`: the axis of the channels, which are hidden together.

    **Returns:** a scalar in squared units of the image.

    **Raises:** `ValueError` for wrong shapes and sizes, and what the denoiser raises.

    **Reference:** Batson & Royer, "Noise2Self: blind denoising by self-supervision", ICML 2019.
    """
    denoiser = find(denoiser)
    check_image(noisy, channel_axis=channel_axis, ndim=(2, 3), name="noisy")
    check_count(stride, name="stride")
    if stride < 2:
        raise ValueError(f"stride must be at least 2, got {stride}")
    y = jnp.asarray(noisy).astype(compute_dtype(noisy))
    spatial = [a for a in range(y.ndim) if channel_axis is None or a != channel_axis % y.ndim]
    axes = [a for a in spatial if y.shape[a] > 1]
    if not axes:
        raise ValueError(f"noisy must have more than one pixel, got shape {y.shape}")
    shape = [y.shape[a] if a in axes else 1 for a in range(y.ndim)]
    period = stride ** len(axes)
    count = period if masks is None else masks
    check_count(count, name="masks")
    if count > period:
        raise ValueError(f"masks must be at most {period}, the shifts of the grid, got {masks}")
    # Neighbours share most of their surroundings: a step that no power of the stride divides, of
    # about the golden section of the period, spreads the shifts over all axes.
    step = next(k for k in range(round(0.618 * period), 2 * period) if math.gcd(k, period) == 1)
    shifts = (np.arange(count) * step % period).astype(np.int32)
    positions = np.zeros(shape, np.int32)
    for k, axis in enumerate(axes):
        along = np.arange(y.shape[axis], dtype=np.int32) % stride * stride**k
        positions = positions + np.expand_dims(along, [a for a in range(y.ndim) if a != axis])
    filled = _mean_of_neighbours(y, axes)

    def add(sums: tuple[Array, Array], shift: Array) -> tuple[tuple[Array, Array], None]:
        hidden = jnp.broadcast_to(positions == shift, y.shape)
        image = jnp.where(hidden, filled, y)
        error = jnp.where(hidden, jnp.square(call(denoiser, noise, image) - y), 0)
        total, seen = sums
        return (total + jnp.sum(error), seen + jnp.sum(hidden, dtype=y.dtype)), None

    zero = jnp.sum(jnp.zeros_like(y))
    (total, seen), _ = lax.scan(add, (zero, zero), jnp.asarray(shifts))
    return total / jnp.maximum(seen, 1)


def _mean_of_neighbours(y: Array, axes: list[int]) -> Array:
    """Of the two nearest along every one of the axes, mirrored at the borders."""
    near = [there for axis in axes for there in mirrored_neighbours(y, axis, 1)]
    return sum(near, start=jnp.zeros_like(y)) / len(near)
