"""Draws of the posterior, summed up while they pass."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Int, PRNGKeyArray

from jaxdenoise._core.checks import check_count
from jaxdenoise._core.planes import float_dtype
from jaxdenoise.noise import NoiseModel
from jaxdenoise.posterior.density import Density, check_posterior, density
from jaxdenoise.posterior.diagnostics import bulk_ess, split_r_hat
from jaxdenoise.posterior.hmc import HMC, transition, warm_up
from jaxdenoise.posterior.map_estimate import most_probable
from jaxdenoise.posterior.prior import is_over_coordinates
from jaxdenoise.posterior.summary import Distribution, Moments, tracked
from jaxdenoise.posterior.svgd import SVGD, particles

_FEWEST_WARMUP = 20
_CHAINS = {HMC: 4, SVGD: 16}
# What chains must reach to be believed.
_LARGEST_R_HAT = 1.05
_LEAST_ACCEPTANCE = 0.1


class Sampled(NamedTuple):
    """What `sample` found, and how far to believe it."""

    mean: Float[Array, "..."]
    std: Float[Array, "..."]
    quantiles: Float[Array, "quantiles ..."]
    r_hat: Float[Array, " statistics"]
    ess: Float[Array, " statistics"]
    acceptance: Float[Array, ""]  # of the transitions, on average
    divergences: Int[Array, ""]  # after the warm-up, of all chains
    converged: Bool[Array, ""]
    samples: Float[Array, "draws chains ..."] | None


def sample(
    key: PRNGKeyArray | None,
    noisy: ArrayLike,
    noise: ArrayLike | NoiseModel,
    prior: Any,
    *,
    sampler: HMC | SVGD | None = None,
    num_chains: int | None = None,
    num_warmup: int = 100,
    num_samples: int = 400,
    quantiles: tuple[float, ...] = (0.05, 0.95),
    keep_samples: bool = False,
    callback: Callable[[Array, int], None] | None = None,
) -> Sampled:
    r"""Mean, standard deviation and quantiles of the posterior, pixel by pixel.

    $$p(x \mid y) \propto p(y \mid x)\, e^{-E(x)}$$

    sampled in the coordinates u of `map_estimate`, from its maximum on. It is a density over
    images; under a prior that is stated in u, as `TracePrior` and `LocallyLinear` are, and sums
    with them, it is one over u, which makes a difference where photons are few. No draw is kept,
    unless asked for: moments are updated; quantiles come from counts of the draws below 19 levels,
    half a standard deviation of the warm-up apart, interpolated linearly in the normal scores of
    their shares.

    **Arguments:**

    - `key`: of the draws; unused, and may be `None`, with `SVGD`.
    - `noisy`, `noise`, `prior`: as in `map_estimate`.
    - `sampler`: `HMC()`, the default, or `SVGD()`. Static.
    - `num_chains`: of HMC, by default 4, or particles of SVGD, by default 16.
    - `num_warmup`, `num_samples`: transitions of each chain, before and while draws count; at least
        20 and 4. Not for SVGD, whose `steps` are its own.
    - `quantiles`: shares, each with a map in the result. Static.
    - `keep_samples`: whether to return the draws, (num_samples, chains, *shape); of SVGD there is
        one of every particle, (1, particles, *shape).
    - `callback`: called as `callback(step, steps)` from outside of the compiled program. Static, so
        that each new one is compiled for.

    **Returns:** a pytree: `mean`, `std` and `quantiles` in units of the image; `r_hat`, split and
    rank-normalised, and `ess`, the bulk effective sample size, of 64 pixels and 8 waves of low
    frequency; the mean `acceptance`, the number of `divergences`, and whether it `converged`: every
    r_hat at most 1.05, acceptance at least 0.1, no divergence, all finite. With SVGD, where draws
    are particles, `r_hat` and `ess` are NaN, and it `converged` if all is finite. `samples` is
    `None` unless kept.

    **Raises:** `ValueError` as `map_estimate`, and for numbers of chains, transitions or quantiles
    that are too few or not shares; `TypeError` for another sampler, or a prior without energy.

    **Example:**

    ```python
    draws = jd.sample(jax.random.key(0), noisy, 0.1, jd.default_prior(noisy, 0.1))
    low, high = draws.quantiles  # a pixel is between with a probability of 90 %
    ```

    **References:** as `HMC` and `SVGD`; Vehtari, Gelman, Simpson, Carpenter & Buerkner, "Rank-
    normalization, folding, and localization: an improved R-hat", Bayesian Analysis 2021.
    """
    check_posterior(noisy, noise, prior)
    sampler = HMC() if sampler is None else sampler
    if not isinstance(sampler, HMC | SVGD):
        raise TypeError(f"sampler must be HMC or SVGD, got {type(sampler).__name__}")
    num_chains = _CHAINS[type(sampler)] if num_chains is None else num_chains
    for name, count in (
        ("num_chains", num_chains),
        ("num_warmup", num_warmup),
        ("num_samples", num_samples),
    ):
        check_count(count, name=name)
    if not isinstance(quantiles, tuple | list) or not quantiles:
        raise ValueError(f"quantiles must be a tuple of one or more shares, got {quantiles!r}")
    quantiles = tuple(float(q) for q in quantiles)
    if not all(0 < q < 1 for q in quantiles):
        raise ValueError(f"quantiles must be between 0 and 1, got {quantiles}")
    if isinstance(sampler, SVGD):
        return _svgd(sampler, num_chains, quantiles, keep_samples, callback, noisy, noise, prior)
    if key is None:
        raise ValueError("key must be given for HMC, got None")
    if num_warmup < _FEWEST_WARMUP:
        raise ValueError(f"num_warmup must be at least {_FEWEST_WARMUP}, got {num_warmup}")
    if num_samples < 4:
        raise ValueError(f"num_samples must be at least 4, got {num_samples}")
    counts = num_chains, num_warmup, num_samples
    return _hmc(sampler, counts, quantiles, keep_samples, callback, key, noisy, noise, prior)


@partial(jax.jit, static_argnums=(0, 1, 2, 3, 4))
def _hmc(sampler, counts, quantiles, keep_samples, callback, key, noisy, noise, prior):
    num_chains, num_warmup, num_samples = counts
    target = density(noisy, noise, prior)
    space = _Space(target, target.noisy.shape)
    tell = _telling(callback, num_warmup + num_samples)
    warm_key, key = jax.random.split(key)
    start = jnp.broadcast_to(space.maximum(), (num_chains, target.noisy.size))
    warm = warm_up(sampler, space.log_density, warm_key, start, num_warmup, tell)
    chosen, waves = tracked(target.noisy.shape)
    waves = jnp.asarray(waves, start.dtype)

    def advance(carry: tuple, at: tuple) -> tuple[tuple, tuple]:
        states, moments, distribution = carry
        key, number = at
        tell(num_warmup + number)
        states, fate = transition(
            sampler, space.log_density, key, states, warm.step_size, warm.inverse_mass
        )
        u = states.position
        images = jax.vmap(space.image)(u)
        traced = jnp.concatenate([u[:, chosen], u @ waves.T], axis=1)
        carry = states, moments.add(images), distribution.add(u)
        return carry, (traced, fate, images if keep_samples else None)

    carry = warm.states, Moments.like(start[0]), Distribution.around(warm.moments)
    keys = jax.random.split(key, num_samples)
    (_, moments, distribution), (traces, fate, samples) = lax.scan(
        advance, carry, (keys, jnp.arange(num_samples))
    )
    r_hat, ess = split_r_hat(traces), bulk_ess(traces)
    acceptance, divergences = jnp.mean(fate.acceptance), jnp.sum(fate.diverged)
    believed = (jnp.max(r_hat) <= _LARGEST_R_HAT) & (acceptance >= _LEAST_ACCEPTANCE)
    believed &= (divergences == 0) & jnp.all(jnp.isfinite(moments.mean))
    at = jnp.stack([space.image(distribution.quantile(q)) for q in quantiles])
    shaped = partial(space.shaped, dtype=float_dtype(noisy))
    mean, std, at = map(shaped, (moments.mean, jnp.sqrt(moments.variance), at))
    samples = shaped(samples) if keep_samples else None
    return Sampled(mean, std, at, r_hat, ess, acceptance, divergences, believed, samples)


@partial(jax.jit, static_argnums=(0, 1, 2, 3, 4))
def _svgd(sampler, count, quantiles, keep_samples, callback, noisy, noise, prior):
    target = density(noisy, noise, prior)
    space = _Space(target, target.noisy.shape)
    tell = _telling(callback, sampler.steps)
    found = particles(sampler, space.log_density, space.maximum(), count, tell)
    images = jax.vmap(space.image)(found)
    mean = jnp.mean(images, axis=0)
    std = jnp.std(images, axis=0, ddof=1) if count > 1 else jnp.zeros_like(mean)
    at = jnp.quantile(images, jnp.asarray(quantiles, images.dtype), axis=0)
    unknown = jnp.full((sum(map(len, tracked(target.noisy.shape))),), jnp.nan, mean.dtype)
    shaped = partial(space.shaped, dtype=float_dtype(noisy))
    samples = shaped(images[None]) if keep_samples else None
    mean, std, at = map(shaped, (mean, std, at))
    finite, one = jnp.all(jnp.isfinite(mean)), jnp.ones((), mean.dtype)
    return Sampled(mean, std, at, unknown, unknown, one, jnp.zeros((), int), finite, samples)


class _Space(NamedTuple):
    """The density over flat vectors, as samplers want it."""

    target: Density
    shape: tuple[int, ...]

    def log_density(self, u: Array) -> Array:
        u = u.reshape(self.shape)
        log_density = -self.target.energy(u)
        if not is_over_coordinates(self.target.prior):
            log_density += jnp.sum(self.target.coordinates.log_slope(u))
        return log_density

    def maximum(self) -> Array:
        return lax.stop_gradient(most_probable(self.target)[0].reshape(-1))

    def image(self, u: Array) -> Array:
        return self.target.coordinates.image(u.reshape(self.shape)).reshape(-1)

    def shaped(self, maps: Array, dtype: Any) -> Array:
        return maps.reshape(*maps.shape[:-1], *self.shape).astype(dtype)


def _telling(callback: Callable | None, steps: int) -> Callable[[Array], None]:
    if callback is None:
        return lambda number: None
    return lambda number: jax.debug.callback(
        lambda step: callback(step, steps), number, ordered=False
    )
