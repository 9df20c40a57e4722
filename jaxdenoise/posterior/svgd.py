"""Stein variational gradient descent: particles that climb together and keep apart."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxdenoise._core.checks import check_count
from jaxdenoise._core.foreign import standard_promotion

# How far from the maximum particles start, in units of the noise.
_SPREAD = 0.1
# Of Adam, the default, in units of the noise; it falls to 0 over the steps.
_RATE = 0.03


@dataclass(frozen=True)
class SVGD:
    """Stein variational gradient descent, the deterministic sampler: no key is used.

    Particles follow the gradient of the log-density, averaged over all of them by a Gaussian
    kernel, and the kernel's own gradient, which drives them apart:

    $$\\phi(u) = \\frac1K \\sum_k k(u_k, u) \\nabla \\log p(u_k) + \\nabla_{u_k} k(u_k, u)$$

    The kernel's squared length is that of the median distance over log K. One particle alone climbs
    to the maximum. In as many dimensions as an image has pixels few particles stay far too close
    together: their mean is good, their standard deviation far below the posterior's. For error
    bars take `HMC`.

    **Arguments:**

    - `steps`: of the descent.
    - `optimizer`: of optax. Default: Adam at 0.03 of the noise, falling to 0.

    **References:** Liu & Wang, "Stein variational gradient descent", NeurIPS 2016. Ba et al.,
    "Understanding the variance collapse of SVGD in high dimensions", ICLR 2022.
    """

    steps: int = 200
    optimizer: Any = None

    def __post_init__(self):
        check_count(self.steps, name="steps")


def particles(
    sampler: SVGD,
    log_density: Callable[[Array], Array],
    maximum: Array,
    count: int,
    tell: Callable[[Array], None],
) -> Array:
    """The particles in the end, (count, pixels), from around the maximum."""
    import blackjax
    import optax
    from blackjax.vi.svgd import median_heuristic, rbf_kernel

    optimizer = sampler.optimizer
    if optimizer is None:
        optimizer = optax.adam(optax.cosine_decay_schedule(_RATE, sampler.steps))
    # The same for all: what is deterministic may not depend on a key.
    scatter = jax.random.normal(jax.random.key(0), (count, *maximum.shape), maximum.dtype)
    move = blackjax.svgd.build_kernel(optimizer)

    def advance(state: Any, number: Array) -> tuple[Any, None]:
        tell(number)
        if count > 1:
            state = state._replace(kernel_parameters=median_heuristic({}, state.particles))
        return move(state, jax.grad(log_density), rbf_kernel), None

    with standard_promotion():
        length = {"length_scale": jnp.ones((), maximum.dtype)}
        state = blackjax.svgd.init(maximum + _SPREAD * scatter, length, optimizer)
        return lax.scan(advance, state, jnp.arange(sampler.steps))[0].particles
