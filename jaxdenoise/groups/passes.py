"""What the passes of non-local subspace learning share: sizes, combinations, falling noise."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxdenoise._core.grid import GroupSizes
from jaxdenoise._core.schedule import Schedule
from jaxdenoise.groups.collaborate import collaborate, own_noise
from jaxdenoise.groups.profile import Profile
from jaxdenoise.groups.trace import Combined

# A pilot's remaining error acts like more noise. Measured on Set12; flat from 1.2 to 1.4.
PILOT_NOISE = 1.3


# The first pass sees noise alone, so its groups are small; 6 x 6 patches in groups of 64 make the
# inverse one of order 36.
PROFILES = {
    "fast": Profile(GroupSizes(8, 16, 4, 37), GroupSizes(6, 64, 5, 37), passes=3),
    "best": Profile(GroupSizes(8, 16, 4, 37), GroupSizes(6, 64, 4, 49), passes=5),
}


class Pass(NamedTuple):
    """What a pass says of every pixel."""

    estimate: Array
    noise: Array  # the variance that the estimate keeps
    gain: Array  # what it owes to the patch itself


def combine_all(
    combine: Callable[..., Combined],
    sizes: GroupSizes,
    guide: Array,
    *planes: Array,
    mapped: bool,
    schedule: Schedule | None,
    extent: Array | None = None,
) -> Pass:
    """One pass over all groups of `planes`, the last of which is the variance of the noise.

    `mapped` if that differs among pixels.
    """
    shrink = partial(_shrink, combine, mapped)
    (x,), (noise, gain) = collaborate(
        shrink, sizes, guide, [*planes], extent=extent, schedule=schedule
    )
    return Pass(x, noise, gain)


def shares_of_noise(passes: int) -> np.ndarray:
    """What is left of the noise after each of the passes that follow the first, falling to 0."""
    return 0.7 * (1 - np.arange(1, passes + 1) / passes) ** 1.3


def _shrink(
    combine: Callable[..., Combined], mapped: bool, groups: list[Array]
) -> tuple[list[Array], Array, list[Array]]:
    """Combine groups, the last of which holds the variance of the noise."""
    *groups, variance = groups
    before = jnp.mean(variance, axis=2)
    patches, gain, share = combine(*groups, variance.shape[2] * before)
    if mapped:
        patches = groups[0] - own_noise(groups[0] - patches, variance)
    # A floor: no patch outvotes a hundred others.
    weights = 1 / (before * jnp.maximum(share, 0.01))
    return [patches], weights, [before * share, gain]
