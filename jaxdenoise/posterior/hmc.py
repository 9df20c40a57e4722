"""Hamiltonian Monte Carlo: chains side by side, one step size and one diagonal mass for all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import PRNGKeyArray

from jaxdenoise._core.checks import check_count
from jaxdenoise._core.foreign import standard_promotion
from jaxdenoise.posterior.summary import Moments

# Of the warm-up: from where on draws count for the mass, and where it is renewed.
_DISCARDED = 0.1
_RENEWALS = 0.3, 0.6
# Of dual averaging: the first step size, in units of the noise; what it is drawn to, relative to
# the last one; and gamma. In many dimensions acceptance falls off a cliff: with the usual gamma of
# 0.05 a single rejection divides the step size by ten.
_FIRST_STEP = 0.1
_DRAWN_TO = 1.5
_SLOWNESS = 0.3


@dataclass(frozen=True)
class HMC:
    """Hamiltonian Monte Carlo, the stochastic sampler.

    A draw follows the Hamiltonian flow from a random momentum for a trajectory of random length,
    by steps of McLachlan's two-stage integrator, two gradients each, and is accepted by the change
    of energy. The step size is adapted by dual averaging over the mean acceptance of all chains;
    the diagonal mass twice during the warm-up, to the inverse of every pixel's standard deviation.
    That is half way, in logarithms, from the noise, 1, to the variance: where pixels hang together,
    masses of the full variance slow their means down. Measured on one image of 256 x 256 pixels:
    the slowest of 72 statistics then has a third of the effective sample size per second, and less
    than a third with leapfrog steps.

    **Arguments:**

    - `trajectory`: the mean length, in units of the noise times the root of the mass; single ones
        are uniform between half and one and a half of it.
    - `acceptance`: which the step size is adapted to.
    - `most_steps`: of a trajectory.

    **References:** Neal, "MCMC using Hamiltonian dynamics", Handbook of MCMC 2011. Hoffman &
    Gelman, "The No-U-Turn sampler", JMLR 2014, section 3.2 (dual averaging). McLachlan, "On the
    numerical integration of ordinary differential equations by symmetric composition methods",
    SIAM Journal on Scientific Computing 1995. Blanes, Casas & Sanz-Serna, "Numerical integrators
    for the hybrid Monte Carlo method", SIAM Journal on Scientific Computing 2014.
    """

    trajectory: float = 2.0
    acceptance: float = 0.8
    most_steps: int = 50

    def __post_init__(self):
        if not self.trajectory > 0:
            raise ValueError(f"trajectory must be positive, got {self.trajectory}")
        if not 0 < self.acceptance < 1:
            raise ValueError(f"acceptance must be between 0 and 1, got {self.acceptance}")
        check_count(self.most_steps, name="most_steps")


class Warm(NamedTuple):
    """What the warm-up found."""

    states: Any  # of all chains
    step_size: Array
    inverse_mass: Array
    moments: Moments  # since the mass was renewed last


class Fate(NamedTuple):
    """Of a transition, (chains,)."""

    acceptance: Array
    diverged: Array


def transition(
    sampler: HMC,
    log_density: Callable[[Array], Array],
    key: PRNGKeyArray,
    states: Any,
    step_size: Array,
    inverse_mass: Array,
) -> tuple[Any, Fate]:
    """Move all chains, along trajectories of the same number of steps."""
    import blackjax
    from blackjax.mcmc import integrators

    kernel = blackjax.hmc.build_kernel(integrators.mclachlan)
    length_key, key = jax.random.split(key)
    share = jax.random.uniform(length_key, (), step_size.dtype, 0.5, 1.5)
    steps = jnp.ceil(share * sampler.trajectory / step_size).astype(jnp.int32)
    steps = jnp.clip(steps, 1, sampler.most_steps)

    def of_chain(key: PRNGKeyArray, state: Any) -> tuple[Any, Any]:
        return kernel(key, state, log_density, step_size, inverse_mass, steps)

    with standard_promotion():
        keys = jax.random.split(key, len(states.logdensity))
        states, info = jax.vmap(of_chain)(keys, states)
    return states, Fate(info.acceptance_rate, info.is_divergent)


def warm_up(
    sampler: HMC,
    log_density: Callable[[Array], Array],
    key: PRNGKeyArray,
    positions: Array,
    steps: int,
    tell: Callable[[Array], None],
) -> Warm:
    """From `positions`, (chains, pixels)."""
    import blackjax

    begin, update, final = blackjax.dual_averaging.dual_averaging(gamma=_SLOWNESS)
    states = jax.vmap(lambda u: blackjax.hmc.init(u, log_density))(positions)
    numbers = np.arange(steps)
    renew = np.isin(numbers, [round(share * steps) - 1 for share in _RENEWALS])
    counts = numbers >= _DISCARDED * steps

    def advance(carry: tuple, at: tuple) -> tuple[tuple, None]:
        states, averaging, inverse_mass, moments = carry
        key, number, renew, counts = at
        tell(number)
        step_size = jnp.exp(averaging.log_x)
        states, fate = transition(sampler, log_density, key, states, step_size, inverse_mass)
        averaging = _updated(update, averaging, sampler.acceptance - jnp.mean(fate.acceptance))
        moments = _where(counts, moments.add(states.position), moments)
        # Shrunk as in Stan, by the weight of five draws.
        n = moments.number
        variance = (n * moments.variance + 5 * 1e-3) / (n + 5)
        inverse_mass = jnp.where(renew, jnp.sqrt(variance), inverse_mass)
        averaging = _where(renew, _begun(begin, final(averaging)), averaging)
        moments = _where(renew, Moments.like(moments.mean), moments)
        return (states, averaging, inverse_mass, moments), None

    first = positions[0]
    averaging = _begun(begin, jnp.full((), _FIRST_STEP, first.dtype))
    carry = states, averaging, jnp.ones_like(first), Moments.like(first)
    keys = jax.random.split(key, steps)
    at = keys, jnp.asarray(numbers), jnp.asarray(renew), jnp.asarray(counts)
    (states, averaging, inverse_mass, moments), _ = lax.scan(advance, carry, at)
    return Warm(states, final(averaging), inverse_mass, moments)


def _begun(begin: Callable[[Array], Any], step_size: Array) -> Any:
    """Dual averaging from a step size on; its numbers as arrays of one dtype, as a scan wants."""
    with standard_promotion():
        state = begin(step_size)._replace(mu=jnp.log(_DRAWN_TO * step_size))
        return jax.tree.map(lambda x: jnp.asarray(x, step_size.dtype), state)


def _updated(update: Callable, averaging: Any, error: Array) -> Any:
    with standard_promotion():
        return jax.tree.map(lambda x: x.astype(error.dtype), update(averaging, error))


def _where(condition: Array, a: Any, b: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), a, b)
