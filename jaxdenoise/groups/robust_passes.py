"""The steps of `robust_subspace`: votes that find outliers, and passes that weigh them anew."""

from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from jaxdenoise._core.channels import mix, mix_variances, unmix, unmix_variances
from jaxdenoise._core.grid import GroupSizes, each_axis
from jaxdenoise._core.planes import spatial_axes
from jaxdenoise._core.safe import safe_sqrt
from jaxdenoise._core.schedule import Schedule
from jaxdenoise.groups.collaborate import collaborate
from jaxdenoise.groups.details import or_neighbour, or_spot
from jaxdenoise.groups.outliers import first_log_odds, log_odds_given, outlier_probability, vote
from jaxdenoise.groups.passes import PILOT_NOISE, Pass, combine_all, shares_of_noise
from jaxdenoise.groups.profile import Profile
from jaxdenoise.groups.trace import combine_by_pilot, combine_by_sure

# Small patches: at 30 % outliers an 8 x 8 one has 19 of them.
VOTE = GroupSizes(6, 16, 4, 37)
_VOTES = 4
# What a pixel adds to a squared distance of patches at most: (3 sigma)^2 of a difference.
_MOST_DIFFERENT = 18.0
# The variance of the error of a vote that stands in for an outlier, that of the noise being 1.
_VOTE_NOISE = 3.0
# After every pass outliers are weighed anew, for which `subspace` has too few.
_MORE_PASSES = 2


class Seen(NamedTuple):
    """The pixels in the image's own channels, in units of the noise, and what outliers are."""

    y: Array
    variance: Array
    known: Array
    rate: Array | None
    model: Array | None  # log odds of outliers, from a noise model

    def log_odds(self, p: Array | None) -> Array:
        """Log odds of outliers, from their probabilities so far unless a model gives them."""
        if self.model is not None:
            return self.model
        if p is None:
            return first_log_odds(self.y, self.known, self.rate)
        return log_odds_given(self.y, self.known, p, self.rate)


class Votes(NamedTuple):
    z: Array  # the image, with a vote in place of outliers
    p: Array  # their probability
    log_odds: Array
    variance: Array  # of a vote
    details: Array  # the share of pixels that have no likes and are no outliers


def take_votes(seen: Seen, schedule: Schedule | None) -> Votes:
    y, variance, known = seen.y, seen.variance, seen.known
    aggregate = partial(collaborate, members_axis=0, schedule=schedule)
    ask = partial(vote, each_axis(VOTE.patch_size, y.ndim - 1))

    def again(state: Votes, _) -> tuple[Votes, None]:
        planes = [state.z, jnp.where(known, y, state.z), variance, state.log_odds]
        limits = _MOST_DIFFERENT * mix_variances(state.variance)[:1]
        (x, p, v), _ = aggregate(ask, VOTE, mix(state.z), planes, limits=limits)
        p = or_spot(p, y, variance, state.log_odds)
        p, details = or_neighbour(p, y, x, variance, state.log_odds, state.details)
        log_odds = seen.log_odds(p)
        return Votes(x + (1 - p) * (y - x), p, log_odds, v, details), None

    zeros = jnp.zeros_like(y)
    no_details = jnp.sum(zeros, axis=spatial_axes(y), keepdims=True)
    start = Votes(y, zeros, seen.log_odds(None), variance, no_details)
    return lax.scan(again, start, None, length=_VOTES)[0]


class _State(NamedTuple):
    """What a pass begins with, in decorrelated channels, and what is known of outliers."""

    guide: Array  # on which patches are matched
    noisy: Array  # z
    noise: Array  # the variance of its noise
    pilot: Array  # the estimate of the pass before
    log_odds: Array
    details: Array
    p: Array


def run_passes(
    seen: Seen, votes: Votes, profile: Profile, schedule: Schedule | None
) -> tuple[Array, Array]:
    """The estimate, in decorrelated channels, and the probabilities of outliers."""
    y, variance = seen.y, seen.variance
    combine = partial(combine_all, mapped=True, schedule=schedule)

    def weigh(found: Pass, log_odds: Array, details: Array) -> tuple[Array, ...]:
        x = unmix(found.estimate)
        p = outlier_probability(y - x, variance + unmix_variances(found.noise), log_odds)
        p = or_spot(p, y, variance, log_odds)
        p, details = or_neighbour(p, y, x, variance, log_odds, details)
        return x, p, seen.log_odds(p), details

    p, z = votes.p, mix(votes.z)
    noise = mix_variances((1 - p) * variance + p * _VOTE_NOISE * votes.variance)
    first = combine(combine_by_sure, profile.first, z, z, noise)
    x, p, log_odds, details = weigh(first, votes.log_odds, votes.details)
    z = mix(x + (1 - p) * (y - x))
    noise = mix_variances((1 - p) * variance) + mix_variances(p) * PILOT_NOISE * first.noise

    def again(state: _State, tau: Array) -> tuple[_State, None]:
        found = combine(
            combine_by_pilot, profile.later, state.guide, state.noisy, state.pilot, state.noise
        )
        x, p, log_odds, details = weigh(found, state.log_odds, state.details)
        share = tau * (1 - p)
        z = mix(x + share * (y - x))
        own = safe_sqrt(mix_variances(jnp.square(share) * variance))
        deviation = own + (1 - mix_variances(share)) * safe_sqrt(found.noise)
        noise = PILOT_NOISE * jnp.square(deviation)
        return _State(z, z, noise, found.estimate, log_odds, details, p), None

    # The pilot guides the first of these passes, z the others.
    start = _State(first.estimate, z, noise, first.estimate, log_odds, details, p)
    shares = jnp.asarray(shares_of_noise(profile.passes + _MORE_PASSES), y.dtype)
    last = lax.scan(again, start, shares)[0]
    return last.pilot, last.p
