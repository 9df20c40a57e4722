"""Whether chains agree, and how many independent draws they are worth."""

import math

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.scipy.special import ndtri


def bulk_ess(draws: Array) -> Array:
    """The bulk effective sample size of (draws, chains, statistics).

    From the autocorrelations of the normalised ranks in the halves of all chains, summed in pairs
    while these are positive, and decreasing (Vehtari, Gelman, Simpson, Carpenter & Buerkner,
    Bayesian Analysis 2021, section 3). By plain sums: an FFT deadlocks on a CPU when two executions
    run at once.
    """
    x = _normal_ranks(_halves(draws))
    n, chains, _ = x.shape
    centred = x - jnp.mean(x, axis=0, keepdims=True)

    def covariance(lag: Array) -> Array:
        ahead = jnp.roll(centred, -lag, axis=0)
        kept = (jnp.arange(n) < n - lag)[:, None, None]
        return jnp.mean(jnp.sum(jnp.where(kept, centred * ahead, 0), axis=0), axis=0) / n

    lags = lax.map(covariance, jnp.arange(n))
    within = lags[0] * n / (n - 1)
    between = jnp.var(jnp.mean(x, axis=0), axis=0, ddof=1)
    total = lags[0] + between
    moved = within > 0
    rho = 1 - (within[None] - lags) / jnp.where(moved, total, 1)[None]
    rho = rho.at[0].set(1)
    pairs = rho[: n - n % 2].reshape(-1, 2, rho.shape[1]).sum(axis=1)
    positive = lax.associative_scan(jnp.logical_and, pairs > 0, axis=0)
    monotone = lax.associative_scan(jnp.minimum, jnp.where(positive, pairs, 0), axis=0)
    # Geyer's estimate; no larger than n log10(n), for chains whose draws alternate.
    size = chains * n
    tau = jnp.maximum(2 * jnp.sum(monotone, axis=0) - 1, 1 / math.log10(size))
    return jnp.where(moved, size / tau, 0)


def split_r_hat(draws: Array) -> Array:
    """Rank-normalised split R-hat of (draws, chains, statistics), also of the folded draws."""
    halves = _halves(draws)
    middle = jnp.median(halves.reshape(-1, halves.shape[2]), axis=0)
    folded = jnp.abs(halves - middle[None, None])
    return jnp.maximum(*(_r_hat(_normal_ranks(x)) for x in (halves, folded)))


def _r_hat(x: Array) -> Array:
    """The square root of the pooled over the mean variance of chains; infinite where none moves."""
    n = len(x)
    within = jnp.mean(jnp.var(x, axis=0, ddof=1), axis=0)
    between = jnp.var(jnp.mean(x, axis=0), axis=0, ddof=1)
    moved = within > 0
    ratio = between / jnp.where(moved, within, 1)
    return jnp.where(moved, jnp.sqrt(ratio + (n - 1) / n), jnp.inf)


def _halves(draws: Array) -> Array:
    """(draws / 2, 2 chains, statistics)."""
    half = len(draws) // 2
    return jnp.concatenate([draws[:half], draws[half : 2 * half]], axis=1)


def _normal_ranks(x: Array) -> Array:
    """Normal scores of the ranks among all draws of a statistic; equal draws share theirs."""
    flat = x.reshape(-1, x.shape[2])
    ordered = jnp.sort(flat, axis=0)

    def ranks(values: Array, ordered: Array) -> Array:
        below = jnp.searchsorted(ordered, values, side="left")
        upto = jnp.searchsorted(ordered, values, side="right")
        return (below + upto + 1).astype(x.dtype) / 2

    rank = jax.vmap(ranks, in_axes=1, out_axes=1)(flat, ordered)
    return ndtri((rank - 3 / 8) / (len(flat) + 1 / 4)).reshape(x.shape)
