"""Bracket the least risk by powers of 2, as a descent alone ends in the nearest minimum."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Float

# Up to so many numbers, each has a line of points of its own.
_LINES = 4


class Bracket(NamedTuple):
    """The points that were tried before the descent."""

    risk: Float[Array, " points"]  # the first one is that of the start
    path: Any  # the parameters at every point, with a leading axis


def bracket(
    risk: Callable[[Array], Array], start: Array, reach: int | float
) -> tuple[Array, Array, Array]:
    """The best point, all points and their risks, in logarithms of numbers.

    The first line of points scales all numbers by powers of 2 up to `reach`. The next ones, one
    for each of a few numbers, go through the best point of the line before. Points are evaluated
    one after the other, so that memory does not grow.
    """
    size = start.size
    octaves = math.ceil(math.log2(reach))
    steps = np.array([k for k in range(-octaves, octaves + 1) if k]) * math.log(2)
    lines = [np.ones(size)]
    if 1 < size <= _LINES:
        lines += list(np.eye(size))
    offsets = np.concatenate([np.zeros((1, size)), *(np.outer(steps, line) for line in lines)])
    starts_line = np.zeros(len(offsets), bool)
    starts_line[1 :: max(len(steps), 1)] = True

    def evaluate(state: tuple, point: tuple) -> tuple[tuple, tuple[Array, Array]]:
        base, best, least = state
        offset, starts_line = point
        base = jnp.where(starts_line, best, base)
        at = base + offset
        value = risk(at)
        better = value < least  # never where it is NaN
        best, least = jnp.where(better, at, best), jnp.where(better, value, least)
        return (base, best, least), (at, value)

    state = start, start, jnp.sum(start) + jnp.inf
    points = jnp.asarray(offsets, start.dtype), jnp.asarray(starts_line)
    (_, best, _), (tried, risks) = lax.scan(evaluate, state, points)
    return best, tried, risks
