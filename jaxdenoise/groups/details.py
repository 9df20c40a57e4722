"""Details: pixels without similar patches that still belong to the image.

Two hypotheses compete with "outlier" at such a pixel. It may resemble its neighbours, or it may be
part of a spot, such as a star, that is no sharper than the image's point-spread function.
"""

import math
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxdenoise._core.order import order_statistics
from jaxdenoise._core.planes import spatial_axes
from jaxdenoise._core.tiles import mirror

# Bounds on the fraction of pixels that are isolated details.
_FEWEST_DETAILS, _MOST_DETAILS = 0.02, 0.5
# Extra width of the neighbour densities, as a fraction of the local contrast.
_CONTRAST = 0.1
# Weight of a neighbour that is itself an outlier: small, so that a cosmic-ray track does not
# support itself, but not 0, so that a detail of several pixels can.
_OUTLIERS_COUNT = 0.05
# Prior odds of a pixel in a spot. At 1e-3 random impulses that cluster by chance pass as spots.
_SPOT_PRIOR = 1e-4
# Full width at half maximum of the sharpest spot, in pixels. The margin to 1.8 absorbs the noise.
_SHARPEST = 1.5
# Number of times that the sharpness of a spot is limited by that of its own neighbours.
_LIMITINGS = 3
# A logistic function of this slope approximates the normal distribution function.
_LOGISTIC = 1.702
# Radius of the ring around a pixel that shows the background.
_RING = 3


def _neighbours(axes: int) -> np.ndarray:
    """Offsets of the pixels that touch one, the second half opposite to the first in reverse."""
    offsets = np.array(list(product((-1, 0, 1), repeat=axes)))
    return offsets[np.any(offsets != 0, axis=1)]


def _ring(axes: int) -> np.ndarray:
    """Offsets of the ring: in the directions of the neighbours, further away."""
    directions = _neighbours(axes)
    length = np.linalg.norm(directions, axis=1, keepdims=True)
    return directions * np.round(_RING / length).astype(int)


def _pair_ratio(fwhm: float) -> float:
    """The neighbours of a centred Gaussian spot along an axis, relative to its central pixel."""
    scale = math.sqrt(4 * math.log(2)) / fwhm
    centre = math.erf(0.5 * scale)
    return (math.erf(1.5 * scale) - centre) / (2 * centre)


_RATIO = _pair_ratio(_SHARPEST)


def or_neighbour(
    p: Array, y: Array, x: Array, variance: Array, log_odds: Array, share: Array
) -> tuple[Array, Array]:
    """p(outlier | y) if a pixel without similar patches may resemble its neighbours.

    Such a pixel has the mean of as many Cauchy densities as it has neighbours. They are centred at
    these, and as wide as the noise of two pixels plus some of the contrast that x has there;
    neighbours that are outliers hardly count. The density, times `share`, (C, 1...), is added to N,
    so that 1 / p grows. Returns p and the new estimate of the share of details.
    """
    neighbours = _neighbours(y.ndim - 1)
    x_around, y_around, p_around = _shifted(neighbours, x, y, p)
    contrast = jnp.mean(jnp.square(x_around - x[None]), axis=0)
    width = 2 * variance + _CONTRAST * contrast
    count = 1 - (1 - _OUTLIERS_COUNT) * p_around
    kernel = jnp.sum(count / (1 + jnp.square(y_around - y[None]) / width[None]), axis=0)
    density = kernel / (len(neighbours) * math.pi * jnp.sqrt(width))
    odds = share * density * jnp.exp(-jnp.clip(log_odds, -60, 60))
    p = p / (1 + p * odds)
    details, good = (jnp.sum(a, axis=spatial_axes(a), keepdims=True) for a in (p * odds, 1 - p))
    share = details / jnp.where(good > 0, good, 1)
    return p, jnp.clip(share, _FEWEST_DETAILS, _MOST_DETAILS)


def or_spot(p: Array, y: Array, variance: Array, log_odds: Array) -> Array:
    r"""p(outlier | y) if a pixel may be part of a spot, bright or dark.

    In any image of sources that are blurred by a Gaussian point-spread function of scale s, the
    mean of two opposite neighbours is at least $r = e^{-d^2 / 2 s^2}$ times the pixel between
    them, at the distance d and above any background that bounds the image from below. A single
    outlier and a track violate this in some direction. Several that touch by chance violate it
    somewhere, so the bound is applied to the neighbours first. The excess beyond the bound is
    compared with the noise.

    The neighbours are evidence too. Without a spot, those that x does not explain, by their `p`,
    would all be outliers.
    """
    neighbours = _neighbours(y.ndim - 1)
    half, quarter = len(neighbours) // 2, len(neighbours) // 4
    # Quartiles, not the median: beside a wide saturated core half of the ring is not background.
    (around,) = _shifted(_ring(y.ndim - 1), y)
    lower, middle = (quarter - 1, quarter), (half - 1, half)
    upper = tuple(len(neighbours) - 1 - place for place in reversed(lower))
    ring = order_statistics(around, *lower, *middle, *upper)
    excess = jnp.concatenate([y - (ring[0] + ring[1]) / 2, (ring[4] + ring[5]) / 2 - y])
    excess = jnp.maximum(excess, 0)
    steps = np.sum(neighbours[:half] ** 2, axis=1).reshape(-1, *[1] * y.ndim)
    ratio = jnp.asarray(_RATIO**steps, y.dtype)
    deviation = _twice(jnp.sqrt(variance)[None])
    noise = math.sqrt(0.5) / ratio

    def bounds(around: Array) -> Array:
        """The upper bound from the two neighbours in each direction."""
        return (around[:half] + around[: half - 1 : -1]) / (2 * ratio)

    def limit(level: Array, _) -> tuple[Array, None]:
        (around,) = _shifted(neighbours, level)
        allowed = jnp.min(bounds(around) + noise * deviation, axis=0)
        return jnp.minimum(level, allowed), None

    level = lax.scan(limit, excess, None, length=_LIMITINGS)[0]
    odds = jnp.clip(log_odds, -60, 60)
    around, odds_around, p_around = _shifted(neighbours, level, odds, p)
    beyond = (excess[None] - bounds(around)) / (deviation * jnp.sqrt(1 + jnp.square(noise)))
    size = excess + deviation[0]
    part = jnp.clip(around / size[None], 0, 1)
    surprise = jnp.maximum(-_twice(odds_around) - jnp.log(size)[None], 0)
    evidence = jnp.sum(part * surprise * _twice(p_around), axis=0)
    fits = jnp.sum(jax.nn.log_sigmoid(-_LOGISTIC * beyond), axis=0)
    log_spot = math.log(_SPOT_PRIOR) - jnp.log(size) + fits + evidence
    log_spot = jnp.where(2 * y > ring[2] + ring[3], *jnp.split(log_spot, 2))
    return p / (1 + p * jnp.exp(jnp.clip(log_spot - log_odds, -30, 30)))


def _twice(x: Array) -> Array:
    """For bright and for dark spots, along the channels of (offsets, C, *spatial)."""
    return jnp.concatenate([x, x], axis=1)


def _shifted(offsets: np.ndarray, *planes: Array) -> list[Array]:
    """Each (C, *spatial) at every offset, mirrored at the borders, (offsets, C, *spatial)."""
    together = jnp.concatenate(planes)
    most = int(np.max(np.abs(offsets)))
    wide = together
    for axis in spatial_axes(together):
        size = together.shape[axis]
        indices = mirror(np.arange(-most, size + most), size)
        wide = jnp.take(wide, indices, axis=axis, mode="clip")
    starts = np.cumsum([0, *(len(x) for x in planes[:-1])])

    def at(offset: Array) -> list[Array]:
        return [
            lax.dynamic_slice(wide, (np.int32(start), *offset), x.shape)
            for start, x in zip(starts, planes, strict=True)
        ]

    # A loop compiles several times faster than as many slices.
    return lax.map(at, jnp.asarray(most + offsets, jnp.int32))
