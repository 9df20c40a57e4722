"""Total variation denoising (the model of Rudin, Osher and Fatemi) by fast gradient projection."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxdenoise._core.checks import check_count, check_denoiser_input, check_parameter
from jaxdenoise._core.planes import from_planes, map_to_planes, to_planes
from jaxdenoise._core.safe import safe_divide, safe_norm


def tv(
    image: ArrayLike,
    sigma: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    iterations: int = 50,
    channel_axis: int | None = None,
) -> Float[Array, "..."]:
    r"""Isotropic total variation denoising.

    $$\arg\min_x \; \tfrac12 \|x - y\|^2 + \sum_i \lambda_i \|\nabla x_i\|$$

    with forward differences and no flux through the border. Solved in the dual,
    $x = y + \operatorname{div} p$ with $\|p_i\| \le \lambda_i$, by projected gradient steps
    1/(4d) in d dimensions with Nesterov's momentum. The norm runs over axes and channels
    together, so edges of the channels coincide.

    **Arguments:**

    - `image`: 2-D or 3-D, with or without a channel axis.
    - `sigma`: noise standard deviation in units of the image, a scalar or a map.
    - `weight`: lambda in units of the image, a scalar or a map. Default 0.8 sigma, the
        best on Set12 at 15 to 50 of 255.
    - `iterations`: number of steps; 50 leave the PSNR within 0.01 dB of the minimiser's.
    - `channel_axis`: the axis of the channels, `None` for grey.

    **Returns:** an image of the same shape and units.

    **Raises:** `ValueError` for wrong shapes, sizes, or a negative or non-finite number;
    `TypeError` for complex images.

    **References:** Rudin, Osher & Fatemi, Physica D 1992. Beck & Teboulle, "Fast gradient-based
    algorithms for constrained total variation image denoising", IEEE TIP 2009, algorithm FGP.
    Bresson & Chan, 2008, for the vectorial norm.
    """
    check_denoiser_input(image, sigma, channel_axis=channel_axis, ndim=(2, 3))
    check_parameter(weight, image, name="weight")
    check_count(iterations, name="iterations")
    return _tv(image, sigma, weight, iterations, channel_axis)


@partial(jax.jit, static_argnames=("iterations", "channel_axis"))
def _tv(image, sigma, weight, iterations, channel_axis):
    y = to_planes(image, channel_axis)
    if weight is None:
        weight = 0.8 * map_to_planes(sigma, image, channel_axis)
    else:
        weight = map_to_planes(weight, image, channel_axis)
    if weight.ndim:
        weight = jnp.mean(weight, axis=0)
    step = 1 / (4 * (y.ndim - 1))

    def ascend(state, _):
        dual, ahead, momentum = state
        next_dual = _project(ahead + step * _gradient(y + _divergence(ahead)), weight)
        next_momentum = (1 + jnp.sqrt(1 + 4 * momentum * momentum)) / 2
        ahead = next_dual + (momentum - 1) / next_momentum * (next_dual - dual)
        return (next_dual, ahead, next_momentum), None

    start = jnp.zeros((y.ndim - 1, *y.shape), y.dtype)
    state = (start, start, jnp.ones((), y.dtype))
    (dual, _, _), _ = lax.scan(ascend, state, None, length=iterations)
    return from_planes(y + _divergence(dual), image, channel_axis)


def _project(dual: Array, radius: Array) -> Array:
    """Each pixel's dual vector, over axes and channels, into the ball of its radius."""
    norm = safe_norm(dual, axis=(0, 1))
    return dual * safe_divide(radius, jnp.maximum(norm, radius))


def _pad_end(x: Array, axis: int, before: int, after: int) -> Array:
    widths = [(0, 0)] * x.ndim
    widths[axis] = (before, after)
    return jnp.pad(x, widths)


def _gradient(x: Array) -> Array:
    """Forward differences along every spatial axis, 0 across the far border."""
    return jnp.stack([_pad_end(jnp.diff(x, axis=a), a, 0, 1) for a in range(1, x.ndim)])


def _divergence(dual: Array) -> Array:
    """The negative adjoint of `_gradient`, for duals that vanish at the far border."""
    total = jnp.zeros_like(dual[0])
    for a, p in enumerate(dual, start=1):
        inner = lax.slice_in_dim(p, 0, p.shape[a] - 1, axis=a)
        total += _pad_end(inner, a, 0, 1) - _pad_end(inner, a, 1, 0)
    return total
