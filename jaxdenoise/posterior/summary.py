"""What is kept of draws while they pass: moments, quantiles, and the traces of a few statistics."""

import statistics
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.scipy.special import ndtri

# Where the distribution function is counted, in standard deviations of the warm-up.
_LEVELS = np.arange(-4.5, 4.75, 0.5)
# Of the statistics whose traces are kept.
_PIXELS = 64
_FREQUENCIES = 8


class Moments(NamedTuple):
    """Number, mean, and the sum of squared deviations from it (Chan, Golub & LeVeque 1983)."""

    number: Array
    mean: Array
    squares: Array

    @classmethod
    def like(cls, x: Array) -> "Moments":
        return cls(jnp.zeros((), x.dtype), jnp.zeros_like(x), jnp.zeros_like(x))

    def add(self, batch: Array) -> "Moments":
        """With a batch along the leading axis."""
        size = len(batch)
        mean = jnp.mean(batch, axis=0)
        number = self.number + size
        shift = mean - self.mean
        squares = jnp.sum(jnp.square(batch - mean[None]), axis=0)
        squares += self.squares + jnp.square(shift) * (self.number * size / number)
        return Moments(number, self.mean + shift * (size / number), squares)

    @property
    def variance(self) -> Array:
        return self.squares / jnp.maximum(self.number - 1, 1)


class Distribution(NamedTuple):
    """How many draws of a pixel were below each of the levels, (levels, pixels)."""

    centre: Array
    scale: Array
    below: Array
    number: Array

    @classmethod
    def around(cls, moments: Moments) -> "Distribution":
        scale = jnp.sqrt(moments.variance)
        below = jnp.zeros((len(_LEVELS), *scale.shape), scale.dtype)
        return cls(moments.mean, scale, below, jnp.zeros((), scale.dtype))

    def add(self, batch: Array) -> "Distribution":
        def one(below: Array, draw: Array) -> tuple[Array, None]:
            levels = jnp.asarray(_LEVELS, draw.dtype)[:, None]
            under = (draw - self.centre)[None] <= levels * self.scale[None]
            return below + under.astype(below.dtype), None

        below = lax.scan(one, self.below, batch)[0]
        return self._replace(below=below, number=self.number + len(batch))

    def quantile(self, q: float) -> Array:
        """Interpolated between levels, linearly in the normal scores: exact for a Gaussian."""
        scores = ndtri((self.below + 0.5) / (self.number + 1))
        wanted = statistics.NormalDist().inv_cdf(q)
        # The last level whose share is not above q, and the next.
        at = jnp.clip(jnp.sum(scores <= wanted, axis=0) - 1, 0, len(_LEVELS) - 2)
        lower, upper = (jnp.take_along_axis(scores, at[None] + k, axis=0)[0] for k in (0, 1))
        levels = jnp.asarray(_LEVELS, scores.dtype)
        apart = jnp.where(upper > lower, upper - lower, 1)
        share = jnp.clip((wanted - lower) / apart, 0, 1)
        level = levels[at] + share * (levels[at + 1] - levels[at])
        return self.centre + level * self.scale


def tracked(shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the pixels whose draws are kept, and waves of low frequency, (8, pixels)."""
    pixels = int(np.prod(shape))
    chosen = np.random.default_rng(0).permutation(pixels)[:_PIXELS]
    orders = product(*(range(min(n, _FREQUENCIES)) for n in shape))
    lowest = sorted(orders, key=lambda order: sum(k * k for k in order))[:_FREQUENCIES]
    waves = []
    for order in lowest:
        wave = np.ones(())
        for k, n in zip(order, shape, strict=True):
            wave = np.multiply.outer(wave, np.cos(np.pi * k * (np.arange(n) + 0.5) / n))
        waves.append(wave.ravel() / np.linalg.norm(wave))
    return chosen, np.stack(waves)
