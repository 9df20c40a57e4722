"""How a denoiser's result answers to its input: the Jacobian, by products with it alone."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, PRNGKeyArray

from jaxdenoise._core.checks import check_count
from jaxdenoise._core.safe import safe_divide
from jaxdenoise.risk.denoising import as_image, call, find
from jaxdenoise.risk.divergence import diagonal


def jacobian_diagonal(
    denoiser: str | Callable[..., Array],
    noisy: ArrayLike,
    noise: Any,
    *,
    key: PRNGKeyArray | None = None,
    probes: int | None = None,
) -> Float[Array, "..."]:
    r"""The degrees of freedom of a denoiser, pixel by pixel: $\partial f_i / \partial y_i$.

    How much of a pixel's estimate is owed to that pixel itself: 1 where nothing is smoothed, about
    1 / n where n pixels are averaged. The sum is the divergence of the denoiser, its degrees of
    freedom. By probes b of random signs, $E[b \circ J b]$ (Bekas), whose variance at a pixel is the
    sum of the squares of the other derivatives there, over the probes. Choices, as those of patches
    that are alike, are kept as they are.

    **Arguments:**

    - `denoiser`: called as `denoiser(noisy, noise)`, or the name of a method.
    - `noisy`: an image of any shape that the denoiser takes.
    - `noise`: sigma, a noise map or a noise model, handed on.
    - `key`: of the probes; a fixed one by default.
    - `probes`: how many. Default: none, every derivative is computed, N products with the Jacobian.

    **Returns:** a map of the image's shape, without unit.

    **Raises:** `ValueError` for no probes, and what the denoiser raises.

    **Reference:** Bekas, Kokiopoulou & Saad, "An estimator for the diagonal of a matrix", Applied
    Numerical Mathematics 2007.
    """
    denoiser = find(denoiser)
    y = as_image(noisy)
    denoise = partial(call, denoiser, noise)
    if probes is None:
        return diagonal(jax.linearize(denoise, y)[1], y)
    check_count(probes, name="probes")

    def probe(total: Array, key: PRNGKeyArray) -> tuple[Array, None]:
        sign = jax.random.rademacher(key, y.shape, y.dtype)
        return total + sign * jax.jvp(denoise, (y,), (sign,))[1] / probes, None

    keys = jax.random.split(jax.random.key(0) if key is None else key, probes)
    return lax.scan(probe, jnp.zeros_like(y), keys)[0]


class Lipschitz(NamedTuple):
    """What `lipschitz` found."""

    constant: Float[Array, ""]
    direction: Float[Array, "..."]  # the change of the input that is amplified most; of norm 1 or 0
    converged: Bool[Array, ""]


def lipschitz(
    denoiser: str | Callable[..., Array],
    noisy: ArrayLike,
    noise: Any,
    *,
    key: PRNGKeyArray | None = None,
    iterations: int = 30,
    tolerance: ArrayLike = 1e-3,
) -> Lipschitz:
    r"""The local Lipschitz constant of a denoiser: the largest singular value of its Jacobian.

    The norm of the change of the result over that of the input, for the small change that is
    amplified most: 1 for a denoiser that does not expand. By power iteration on $J^T J$, products
    by forward and reverse mode; it comes from below. Choices are kept as they are.

    **Arguments:**

    - `denoiser`, `noisy`, `noise`: as in `jacobian_diagonal`.
    - `key`: of the start; a fixed one by default.
    - `iterations`: of the power method.
    - `tolerance`: `converged` tells whether the last iteration changed the constant by less than
        that share of it.

    **Returns:** a pytree of the `constant`, the `direction` and whether it `converged`.

    **Raises:** `ValueError` for no iterations, and what the denoiser raises.
    """
    denoiser = find(denoiser)
    y = as_image(noisy)
    check_count(iterations, name="iterations")
    denoise = partial(call, denoiser, noise)

    def improve(state: tuple[Array, Array, Array], _) -> tuple[tuple, None]:
        direction, constant, _ = state
        push = jax.jvp(denoise, (y,), (direction,))[1]
        (back,) = jax.vjp(denoise, y)[1](push)
        found = jnp.linalg.norm(push)
        return (safe_divide(back, jnp.linalg.norm(back)), found, constant), None

    # Added to zeros of the image, it varies over the same mesh axes under `shard_map`.
    start = jnp.zeros_like(y) + jax.random.normal(
        jax.random.key(0) if key is None else key, y.shape, y.dtype
    )
    zero = jnp.sum(jnp.zeros_like(y))
    state = start / jnp.linalg.norm(start), zero, zero
    (direction, constant, before), _ = lax.scan(improve, state, None, length=iterations)
    close = jnp.abs(constant - before) <= jnp.asarray(tolerance, y.dtype) * constant
    return Lipschitz(constant, direction, close)
