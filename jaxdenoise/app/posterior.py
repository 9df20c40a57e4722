"""The methods of the posterior, as the command line runs them: an image, and how sure it is."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

import jaxdenoise as jd


class Posterior(NamedTuple):
    """Maps in units of the image; what is to be warned of, if anything."""

    estimate: Array
    std: Array | None = None
    quantiles: Array | None = None
    warning: str | None = None


def hmc(
    image: Any,
    sigma: Any,
    *,
    num_chains: int = 4,
    num_warmup: int = 100,
    num_samples: int = 400,
    seed: int = 0,
    quantiles: tuple[float, ...] = (),
    callback: Callable[[Any, int], None] | None = None,
    channel_axis: int | None = None,
) -> Posterior:
    """Mean of the posterior by Hamiltonian Monte Carlo, with error bars"""
    draws = _draws(
        jax.random.key(seed),
        image,
        sigma,
        channel_axis,
        num_chains=num_chains,
        num_warmup=num_warmup,
        num_samples=num_samples,
        quantiles=quantiles,
        callback=callback,
    )
    warning = None
    if not draws.converged:
        warning = (
            f"the chains do not agree: R-hat {jnp.max(draws.r_hat):.3f}, acceptance "
            f"{draws.acceptance:.2f}, {draws.divergences} divergences; try --param num_samples="
            f"{2 * num_samples}"
        )
    return Posterior(draws.mean, draws.std, draws.quantiles, warning)


def svgd(
    image: Any,
    sigma: Any,
    *,
    num_particles: int = 16,
    steps: int = 200,
    quantiles: tuple[float, ...] = (),
    callback: Callable[[Any, int], None] | None = None,
    channel_axis: int | None = None,
) -> Posterior:
    """Mean of the posterior by Stein variational gradient descent, deterministic"""
    draws = _draws(
        None,
        image,
        sigma,
        channel_axis,
        sampler=jd.SVGD(steps),
        num_chains=num_particles,
        quantiles=quantiles,
        callback=callback,
    )
    warning = "error bars of svgd are far too small in so many dimensions; hmc has true ones"
    return Posterior(draws.mean, draws.std, draws.quantiles, warning)


def _draws(
    key: Any,
    image: Any,
    sigma: Any,
    channel_axis: int | None,
    *,
    quantiles: tuple[float, ...],
    **given: Any,
) -> Any:
    prior = jd.default_prior(image, sigma, channel_axis=channel_axis)
    return jd.sample(key, image, sigma, prior, quantiles=quantiles or (0.5,), **given)


def most_probable(
    image: Any,
    sigma: Any,
    *,
    iterations: int = 200,
    quantiles: tuple[float, ...] = (),
    callback: Callable[[Any, int], None] | None = None,
    channel_axis: int | None = None,
) -> Posterior:
    """Maximum of the posterior by L-BFGS"""
    prior = jd.default_prior(image, sigma, channel_axis=channel_axis)
    found = jd.map_estimate(image, sigma, prior, iterations=iterations)
    warning = None
    if not found.converged:
        warning = f"not converged after {found.iterations} iterations; try --param iterations="
        warning += f"{2 * iterations}"
    return Posterior(found.image, warning=warning)


# By the names that `denoise --method` accepts beside those of `jd.methods()`.
METHODS: dict[str, Callable[..., Posterior]] = {"hmc": hmc, "map": most_probable, "svgd": svgd}
# Those that say how sure they are.
SAMPLERS = ("hmc", "svgd")
