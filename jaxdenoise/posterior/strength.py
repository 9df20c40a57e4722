"""The strength of a prior, from the noisy image alone."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Bool, Float

from jaxdenoise._core.checks import check_positive
from jaxdenoise._core.planes import as_float
from jaxdenoise.noise import Gaussian, NoiseModel, Poisson, PoissonGaussian
from jaxdenoise.posterior.density import check_noisy, density
from jaxdenoise.posterior.map_estimate import map_estimate, solve
from jaxdenoise.posterior.prior import Scaled
from jaxdenoise.risk import pure, sure

# Weights that `choose_weight` tries by default.
_WEIGHTS = tuple(np.geomspace(1 / 8, 8, 7).tolist())
# Weights beyond the ends of the grid that it tries at most.
_BEYOND = 6


class Chosen(NamedTuple):
    """What `choose_weight` found."""

    prior: Any  # weighted
    weight: Float[Array, ""]
    risk: Float[Array, " weights"]
    inside: Bool[Array, ""]  # whether weights on both sides of the best were tried


def choose_weight(
    noisy: ArrayLike,
    noise: ArrayLike | NoiseModel,
    build: Callable[[Array], Any],
    *,
    weights: tuple[float, ...] = _WEIGHTS,
) -> Chosen:
    r"""Weigh a prior by the estimated risk of its `map_estimate`: SURE, or PURE for photons.

    $$\hat w = \arg\min_w\; \mathrm{SURE}\big(y \mapsto \arg\max_x p(y \mid x)
    e^{-w E(x; y)}\big)$$

    over a grid of weights, refined by the parabola through the logarithms of the best and its
    neighbours. Where the best is at an end of the grid, up to 6 more weights beyond it are tried,
    in the ratio of the last two. What the prior owes to the noisy image, by its pilot, is part of
    the risk.

    **Arguments:**

    - `noisy`, `noise`: as in `map_estimate`; the noise Gaussian or of photons.
    - `build`: a function of the noisy image to the prior of weight 1, such as
        `lambda y: jd.TracePrior.learn(jd.subspace(y, 0.1), 0.1)`. One that does not look at it may
        ignore it.
    - `weights`: the grid, ascending; by default seven from 1/8 to 8. A single one is kept.

    **Returns:** the weighted `prior`, its `weight`, the `risk` at every weight of the grid, and
    whether the best weight is `inside` of those that were tried. Where it is not, the risk still
    falls at the weight returned.

    **Raises:** `ValueError` for weights that are not positive or not ascending; `TypeError` for
    noise without a risk estimate.
    """
    check_noisy(noisy, noise)
    check_positive(np.asarray(weights), name="weights")
    if len(weights) < 1 or np.any(np.diff(weights) <= 0):
        raise ValueError(f"weights must be one or more, ascending, got {weights}")
    y = as_float(noisy)
    given = np.log(weights)
    beyond = _BEYOND if len(given) > 1 else 0
    steps = np.arange(1, beyond + 1)
    below = given[0] - steps[::-1] * (given[1] - given[0]) if beyond else []
    above = given[-1] + steps * (given[-1] - given[-2]) if beyond else []
    logs = jnp.asarray(np.concatenate([below, given, above]), y.dtype)
    first, last = beyond, beyond + len(given) - 1

    def evaluate(risk: Array, number: Array) -> tuple[Array, None]:
        """The grid, then one weight at a time next to an end of what was tried, if best there."""
        best = jnp.argmin(risk)
        tried = jnp.isfinite(risk)
        low, high = jnp.argmax(tried), len(risk) - 1 - jnp.argmax(tried[::-1])
        on_grid = number <= last
        at = jnp.where(on_grid, number, jnp.where(best == low, low - 1, high + 1))
        wanted = on_grid | (best == low) | (best == high)

        def find(weight: Array) -> Array:
            return risk_of(y, noise, lambda y: Scaled(weight, build(y)))

        value = lax.cond(wanted, find, lambda weight: weight + jnp.inf, jnp.exp(logs[at]))
        return risk.at[at].min(value), None

    # Added to a zero of the data: under `shard_map` all vary over the same mesh axes.
    unknown = jnp.sum(jnp.zeros_like(y)) + jnp.full(logs.shape, jnp.inf, y.dtype)
    risk, _ = lax.scan(evaluate, unknown, jnp.arange(first, last + 1 + beyond))
    best = jnp.argmin(risk)
    inside = jnp.zeros((), bool)
    log = logs[best]
    if beyond:
        at = jnp.clip(best, 1, len(logs) - 2) + jnp.arange(-1, 2)
        inside = (at[1] == best) & jnp.all(jnp.isfinite(risk[at]))
        around = jnp.where(inside, risk[at], jnp.asarray([1, 0, 1], y.dtype))
        log = jnp.where(inside, _vertex(logs[at], around), log)
    weight = jnp.exp(log)
    return Chosen(Scaled(weight, build(y)), weight, risk[first : last + 1], inside)


def risk_of(noisy: Array, noise: Any, build: Callable[[Array], Any]) -> Array:
    """Of the most probable image under the prior that is built from a noisy one."""

    def denoise(y: Array, noise: Any) -> Array:
        if isinstance(noise, Poisson):  # differences look beyond what can be counted
            y = jnp.maximum(y, 0)
        return map_estimate(y, noise, build(y)).image

    if isinstance(noise, Gaussian) or not isinstance(noise, NoiseModel):
        return sure(denoise, noisy, noise, difference=True)
    if not isinstance(noise, Poisson | PoissonGaussian):
        raise TypeError(f"noise must be Gaussian or of photons, got {type(noise).__name__}")
    return pure(denoise, noisy, noise, difference=True)


def mean_variance(noisy: Array, noise: Any, prior: Any, image: Array) -> Array:
    """The mean posterior variance of a pixel, by Laplace's approximation around an image near it.

    tr(J H^-1 J) / N, J the derivative of intensities, with one probe of random signs.
    """
    target = density(noisy, noise, prior)
    u = target.coordinates.of_pilot(image)

    def hessian(v: Array) -> Array:
        return jax.jvp(jax.grad(target.energy), (u,), (v,))[1]

    _, slope = jax.jvp(target.coordinates.image, (u,), (jnp.ones_like(u),))
    probe = jax.random.rademacher(jax.random.key(0), u.shape, u.dtype) * slope
    return jnp.mean(probe * solve(hessian, probe))


def _vertex(x: Array, y: Array) -> Array:
    """Of the parabola through three points, the middle one of which is the lowest."""
    left, right = (y[1] - y[0]) / (x[1] - x[0]), (y[2] - y[1]) / (x[2] - x[1])
    bend = right - left
    middle = (x[0] + x[1]) / 2 - left * (x[2] - x[0]) / 2 / jnp.where(bend > 0, bend, 1)
    return jnp.where(bend > 0, jnp.clip(middle, x[0], x[2]), x[1])
