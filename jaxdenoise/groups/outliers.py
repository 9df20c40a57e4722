"""Outlier model: a pixel is the image plus Gaussian noise, or, rarely, a value of any density q.

A pixel y is x + N(0, v), or with the probability eps an outlier, whose value has the density q:

    p(outlier | y) = eps q(y) / (eps q(y) + (1 - eps) N(y; x, v)).

What is known of outliers before x is, their log odds log eps q / (1 - eps), is a plane like others.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxdenoise._core.order import order_statistics
from jaxdenoise._core.planes import spatial_axes

# Log odds of a pixel that is an outlier whatever its value, and of one that never is.
_ALWAYS, _NEVER = 1e30, -1e30
# The highest of any other, odds of 1 to 2 at y = x: a pixel that is where it should be is no
# outlier, however many others have its value, as those of a saturated sky have.
_MOST = -0.5 * math.log(2 * math.pi) - math.log(2)
# Of the outliers that a first look expects.
_FIRST_RATE = 0.02
# The most that is believed of an image: were more of it outliers, they would be the image.
_HIGHEST_RATE = 0.6
# Of the density of outliers: resolution, and the share that is uniform.
_BINS = 512
_UNIFORM = 0.05
# Of n^2 for n ~ N(0, 1): the median, and the quantile 5/16.
_MEDIAN_SQUARE, _LOWER_SQUARE = 0.4549364231195724, 0.16180511505133233
# Degrees of freedom of a variance that is all estimated from a group.
_FREEDOM = 20
# What the variance counts by which members of a group differ: part of it is outliers.
_SPREAD = 0.2
# Its bound, in variances of the noise, and that of a patch in the weights: squares of a patch's
# energy must not overflow, nor those of 1 / weights in a gradient.
_LARGEST = 1e6
# A patch is unlike its group where its residuals have more than so many times the noise's variance.
_UNLIKE = 3


def outlier_probability(
    residual: Array, variance: Array, log_odds: Array, estimated: Array | None = None
) -> Array:
    """p(outlier | y) of pixels `residual` = y - x away from the image.

    Where some of the variance is `estimated`, N becomes Student's t, of so many degrees of freedom
    as the sum then has (Welch 1947 and Satterthwaite 1946).
    """
    squared = jnp.square(residual) / variance
    if estimated is not None:
        certain = jnp.minimum(variance / jnp.maximum(estimated, 1e-3 * variance), 300)
        freedom = _FREEDOM * jnp.square(certain)
        squared = (freedom + 1) * jnp.log1p(squared / freedom)
    return jax.nn.sigmoid(log_odds + 0.5 * (squared + jnp.log(2 * math.pi * variance)))


def vote(patch: tuple[int, ...], groups: list[Array]) -> tuple[list[Array], Array, list[Array]]:
    """Groups (members, groups, pixels) of z, y, v and log odds: what most of the members say.

    Their patches have the shape `patch`.

    x is at first the median over the members of z, which is y with the vote before in place of
    outliers. What the variance of y - x has beyond the noise is estimated: for every pixel of the
    patch over the members, as they are not alike, and for every member over its pixels, as a patch
    may be unlike all others without any outlier. The consensus is the mean of y over the members
    without the outliers. For `filter_groups`: the estimates are the consensus, the probability of
    an outlier, and the variance that the consensus has.
    """
    z, y, variance, log_odds = groups
    noise = jnp.mean(variance, axis=0, keepdims=True)
    median = _median(z)
    squares = jnp.square(y - median)
    estimated = jnp.maximum(_variance_of_group(squares) - noise, 0)
    unlike = _variance_of_patch(squares, patch) - _UNLIKE * noise
    estimated = estimated + jnp.maximum(unlike, 0)
    p = outlier_probability(y - median, variance + estimated, log_odds, estimated)

    def mean(x: Array, weights: Array, otherwise: Array) -> Array:
        """Over the members, and a little of something else: there may be outliers alone."""
        least = 0.1 / noise
        total = jnp.sum(weights, axis=0, keepdims=True) + least
        return (jnp.sum(weights * x, axis=0, keepdims=True) + least * otherwise) / total

    good = (1 - p) / variance
    consensus = mean(y, good, median)
    spread = mean(jnp.square(y - consensus), good, noise) - noise
    v = variance + _SPREAD * jnp.clip(spread, 0, _LARGEST * noise)
    of_patch = jnp.mean(variance + estimated, axis=(0, 2), keepdims=True)[..., 0]
    weights = jnp.broadcast_to(1 / jnp.minimum(of_patch, _LARGEST), y.shape[:2])
    return [jnp.broadcast_to(consensus, y.shape), p, v], weights, []


def first_log_odds(y: Array, known: Array, rate: Array | None) -> Array:
    """Log odds before any outlier is found: they may have any value that a channel of y has."""
    rate = jnp.full((), _FIRST_RATE, y.dtype) if rate is None else rate
    return jnp.where(known, _log_odds(rate) - jnp.log(_range(y)[1]), _ALWAYS)


def log_odds_of_model(rate: Array, density: Array, known: Array) -> Array:
    """Log odds if the density of outliers is given at every pixel of (C, *spatial)."""
    possible = density > 0
    log_odds = _log_odds(rate) + jnp.log(jnp.where(possible, density, 1))
    log_odds = jnp.where(possible, jnp.minimum(log_odds, _MOST), _NEVER)
    return jnp.where(known, log_odds, _ALWAYS)


def log_odds_given(y: Array, known: Array, p: Array, rate: Array | None) -> Array:
    """Log odds of outliers like those found so far in the same channel, with probabilities `p`.

    Their density is a histogram, linear between its nodes; their rate, if not given, the mean of p.
    What is not known is an outlier.
    """
    p = jnp.where(known, p, 0)
    if rate is None:
        count = jnp.sum(known, axis=spatial_axes(y), keepdims=True, dtype=y.dtype)
        rate = jnp.sum(p, axis=spatial_axes(y), keepdims=True) / jnp.maximum(count, 1)
        rate = jnp.clip(rate, 1 / (count + 1), _HIGHEST_RATE)
    low, span = _range(y)
    position = (y - low) * (_BINS / span)
    node = jnp.clip(jnp.floor(position), 0, _BINS - 1)
    beyond = position - node
    node = node.astype(jnp.int32)

    def of_channel(node: Array, beyond: Array, p: Array) -> Array:
        mass = jnp.zeros(_BINS + 1, p.dtype)
        mass = mass.at[node].add(p * (1 - beyond)).at[node + 1].add(p * beyond)
        # Without the pixel itself, or a lone one would make itself likely; and with one more
        # outlier, of any value.
        here = (1 - beyond) * mass[node] + beyond * mass[node + 1]
        others = here - p * (jnp.square(1 - beyond) + jnp.square(beyond))
        total = jnp.sum(mass)
        uniform = (_UNIFORM * total + 1) / _BINS
        return (others + uniform) / (total - p + _BINS * uniform)

    density = jax.vmap(of_channel)(node, beyond, p) * (_BINS / span)
    log_odds = jnp.minimum(_log_odds(rate) + jnp.log(density), _MOST)
    return jnp.where(known, log_odds, _ALWAYS)


def _log_odds(rate: Array) -> Array:
    some = rate > 0
    likely = jnp.where(some, rate, 0.5)
    return jnp.where(some, jnp.log(likely) - jnp.log1p(-likely), _NEVER)


def _range(y: Array) -> tuple[Array, Array]:
    """The least value of every channel, and how far its values reach from there."""
    low, high = (f(y, axis=spatial_axes(y), keepdims=True) for f in (jnp.min, jnp.max))
    return low, jnp.maximum(high - low, 1)


def _median(x: Array) -> Array:
    """Over the first axis, which is kept; its length is even, or 1."""
    return _order_statistic(x, len(x) // 2)


def _variance_of_group(squares: Array) -> Array:
    """Of normal numbers whose squares these are, over the first axis, from the lower third of them.

    The median would take more of the outliers for spread.
    """
    return _order_statistic(squares, max(5 * len(squares) // 16, 1)) / _LOWER_SQUARE


def _variance_of_patch(squares: Array, patch: tuple[int, ...]) -> Array:
    """The same over the last axis, the pixels of a patch without its corners, from their median."""
    numbers = np.arange(squares.shape[-1]).reshape(patch)
    corners = numbers[np.ix_(*([0, -1] for _ in patch))]
    inner = np.setdiff1d(numbers, corners)
    pixels = jnp.moveaxis(jnp.take(squares, inner, axis=-1, mode="clip"), -1, 0)
    return jnp.moveaxis(_median(pixels), 0, -1) / _MEDIAN_SQUARE


def _order_statistic(x: Array, k: int) -> Array:
    """The mean of the k-th least and the next along the first axis, which is kept."""
    low, high = order_statistics(x, max(k - 1, 0), min(k, len(x) - 1))
    return (low + high)[None] / 2
