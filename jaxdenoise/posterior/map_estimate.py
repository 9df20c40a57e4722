"""The most probable image, by optax, differentiated as the stationary point that it is."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Int

from jaxdenoise._core.checks import check_count, check_positive_scalar
from jaxdenoise._core.foreign import standard_promotion
from jaxdenoise._core.planes import float_dtype
from jaxdenoise.noise import NoiseModel
from jaxdenoise.posterior.density import Density, check_posterior, density, start

# Of every maximum, unless asked for others; and the most steps of conjugate gradients.
_ITERATIONS = 200
_TOLERANCE = 1e-3
_SOLVE_STEPS = 200


class MapEstimate(NamedTuple):
    """What `map_estimate` found, and how."""

    image: Float[Array, "..."]
    objective: Float[Array, ""]  # -log p(y | x) + E(x)
    converged: Bool[Array, ""]
    iterations: Int[Array, ""]


def map_estimate(
    noisy: ArrayLike,
    noise: ArrayLike | NoiseModel,
    prior: Any,
    *,
    optimizer: Any = None,
    iterations: int = _ITERATIONS,
    tolerance: ArrayLike = _TOLERANCE,
) -> MapEstimate:
    r"""The maximum of the posterior density.

    $$\hat x = \arg\max_x\; p(y \mid x)\, e^{-E(x)}$$

    The descent runs over u, in which the noise, or that of the photons, is about 1 everywhere:
    $x = y + \sigma u$ for Gaussian noise and impulses, $x = g \log^2(1 + e^u) / 4$ for g units a
    photon. So the intensity of photons is a square, and positive.

    Differentiable, both ways, with respect to the noisy image, the noise and all arrays of the
    prior: at the maximum the gradient is 0, and by the implicit function theorem
    $\partial u / \partial \theta = -H^{-1} \partial_\theta \nabla F$, H the Hessian, by conjugate
    gradients, to the relative `tolerance`; memory does not grow with the iterations. That is the
    derivative where `converged`, and where H is positive definite.

    **Arguments:**

    - `noisy`: an image of any shape that the prior takes.
    - `noise`: sigma, a map of it, or any noise model.
    - `prior`: any pytree with `energy(image)`, such as `jd.default_prior(noisy, noise)`.
    - `optimizer`: of optax, over u. Default: `optax.lbfgs()`. Static.
    - `iterations`: the most steps that it takes. Static.
    - `tolerance`: it stops where the root mean square of the gradient in u is less: pixels are then
        about so many of the noise's standard deviations from the maximum, or nearer.

    **Returns:** a pytree: the `image`, the `objective` there, whether it `converged`, and the
    number of `iterations`. Where it did not converge, what the optimiser had last.

    **Raises:** `ValueError` for pixels that are not finite, counts below 0, or a prior that was
    built for another shape; `TypeError` for a prior without an energy.

    **Example:**

    ```python
    noise = jd.Poisson(peak=4)
    restored = jd.map_estimate(counts, noise, jd.default_prior(counts, noise)).image
    ```

    **References:** Nocedal & Wright, "Numerical Optimization" 2006, algorithm 7.5 (L-BFGS).
    Samuel & Tappen, "Learning optimized MAP estimates in continuously-valued MRF models", CVPR 2009
    (the derivative).
    """
    check_posterior(noisy, noise, prior)
    check_count(iterations, name="iterations")
    check_positive_scalar(tolerance, name="tolerance")
    return _map_estimate(noisy, noise, prior, optimizer, iterations, tolerance)


@partial(jax.jit, static_argnames=("optimizer", "iterations"))
def _map_estimate(noisy, noise, prior, optimizer, iterations, tolerance):
    target = density(noisy, noise, prior)
    u, steps, converged = most_probable(target, optimizer, iterations, tolerance)
    image = target.coordinates.image(u).astype(float_dtype(noisy))
    return MapEstimate(image, target.energy(u), converged, steps)


def most_probable(
    target: Density,
    optimizer: Any = None,
    iterations: int = _ITERATIONS,
    tolerance: ArrayLike = _TOLERANCE,
) -> tuple[Array, Array, Array]:
    """u, the number of steps to it, and whether it is there."""
    fixed = lax.stop_gradient(target)
    u, steps, converged = _descend(fixed, start(fixed), optimizer, iterations, tolerance)
    u = lax.stop_gradient(u)

    def hessian(v: Array) -> Array:
        return jax.jvp(jax.grad(fixed.energy), (u,), (v,))[1]

    # A Newton step that is 0, but for its derivative: that of the gradient's zero.
    slope = jax.grad(target.energy)(u)
    return u - solve(hessian, slope - lax.stop_gradient(slope), tolerance), steps, converged


def solve(hessian: Callable[[Array], Array], right: Array, tolerance: Any = _TOLERANCE) -> Array:
    """H^-1 times `right`, by conjugate gradients."""

    def iterate(hessian: Callable[[Array], Array], right: Array) -> Array:
        return jax.scipy.sparse.linalg.cg(hessian, right, tol=tolerance, maxiter=_SOLVE_STEPS)[0]

    return lax.custom_linear_solve(hessian, right, iterate, symmetric=True)


def _descend(
    target: Density, u: Array, optimizer: Any, iterations: int, tolerance: ArrayLike
) -> tuple[Array, Array, Array]:
    import optax  # not before it is needed: it would double the time to import this package

    searches = optimizer is None
    optimizer = optax.lbfgs() if searches else optax.with_extra_args_support(optimizer)
    # The line search has the value and the slope of where it ends.
    known = optax.value_and_grad_from_state(target.energy)

    def slope_of(u: Any, state: Any) -> tuple[Any, Any]:
        return known(u, state=state) if searches else jax.value_and_grad(target.energy)(u)

    def size(slope: Array) -> Array:
        return jnp.sqrt(jnp.mean(jnp.square(slope)))

    def unfinished(carry: tuple) -> Array:
        _, _, step, slope = carry
        return (step < iterations) & (size(slope) > tolerance)

    def advance(carry: tuple) -> tuple:
        u, state, step, _ = carry
        with standard_promotion():
            value, slope = slope_of(u, state)
            given = {"value": value, "grad": slope, "value_fn": target.energy}
            change, state = optimizer.update(slope, state, u, **given)
            u = optax.apply_updates(u, change)
            slope = slope_of(u, state)[1]
        return u, state, step + 1, slope

    with standard_promotion():
        state = optimizer.init(u)
    first = jax.grad(target.energy)(u)
    u, _, steps, slope = lax.while_loop(unfinished, advance, (u, state, jnp.zeros((), int), first))
    return u, steps, size(slope) <= tolerance
