"""Non-local subspace learning."""

from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxdenoise._core.checks import check_positive_scalar, check_schedule
from jaxdenoise._core.planes import from_planes, spatial_shape
from jaxdenoise._core.safe import safe_sqrt
from jaxdenoise._core.schedule import Schedule
from jaxdenoise.groups.collaborate import channel_by_channel, decorrelate
from jaxdenoise.groups.passes import PILOT_NOISE, PROFILES, combine_all, shares_of_noise
from jaxdenoise.groups.profile import Profile, check_group_input
from jaxdenoise.groups.trace import combine_by_pilot, combine_by_sure


def subspace(
    image: ArrayLike,
    sigma: ArrayLike,
    *,
    strength: ArrayLike = 1.0,
    profile: Literal["fast", "best"] | Profile = "fast",
    channel_axis: int | None = None,
    schedule: Schedule | None = None,
) -> Float[Array, "..."]:
    r"""Non-local subspace learning: similar patches, combined to minimise the trace functional.

    A group of k similar patches of n pixels, $Z \in R^{k \times n}$, becomes $\Theta Z$ with

    $$\Theta = \arg\min_{\Theta 1 = 1} \mathrm{tr}[(I - \Theta) S (I - \Theta)^T]
    + \nu\, \mathrm{tr}(\Theta \Theta^T),$$

    in closed form (`minimise_trace_risk`). Patches go back weighted by $1 / \|\theta_j\|^2$, the
    inverse of the noise that they keep. In the first pass $S = Y Y^T - n \sigma^2 I$ (SURE). Every
    further pass m = 1..M takes S from the pilot, the estimate $\hat x$ of the pass before, and
    applies $\Theta$ to

    $$z = \hat x + \tau_m (y - \hat x), \qquad \tau_m = 0.7\,(1 - m/M)^{1.3},$$

    which keeps a falling share of the noise: details that the pilot lost can still come back. The
    noise of z has the standard deviation $\sigma_z = \sqrt{1.3}\,(\tau \sigma + (1 - \tau) s)$
    with s that of $\hat x$, found for every pixel from $\|\theta_j\|^2$, and
    $\nu = n \sigma_z^2$. Patches are matched on the pilot in the second pass and on z after it.

    The indices of the matches carry no gradient, everything after them does.

    **Arguments:**

    - `image`: 2-D, with a `Profile` 3-D too, with or without a channel axis; any size.
    - `sigma`: noise standard deviation in units of the image, a scalar or a map, of which a patch
        takes the mean variance. Where it differs among channels they are denoised one by one.
    - `strength`: what sigma is multiplied by. 1 is what the theory says; what `tune` finds on Set12
        at 25 of 255 is from 0.99 to 1.05, and changes the PSNR by -0.02 to 0.05 dB.
    - `profile`: `"fast"`, a SURE pass and three more, or `"best"`, five more with a wider window
        and a denser grid, at about three times the cost; or a `Profile` of other sizes, with which
        volumes are denoised too.
    - `channel_axis`: the axis of the channels, `None` for grey. Channels are decorrelated by an
        orthonormal transform (for three of them the opponent colours), matched on their mean and
        filtered one by one.
    - `schedule`: how the work is cut, a `Schedule`. Default: that of the platform.

    **Returns:** an image of the same shape and units.

    **Raises:** `ValueError` for wrong shapes, an unknown profile or a `strength` that is not
    positive; `TypeError` for complex images.

    **References:** Herbreteau & Kervrann, "Towards a unified view of unsupervised non-local methods
    for image denoising: the NL-Ridge approach", ICIP 2022; "Linear combinations of patches are
    unreasonably effective for single-image denoising", IEEE TIP 2024 (several passes).
    """
    return _checked(image, sigma, strength, profile, channel_axis, schedule)[0]


def degrees_of_freedom(
    image: ArrayLike,
    sigma: ArrayLike,
    *,
    profile: Literal["fast", "best"] | Profile = "fast",
    channel_axis: int | None = None,
    schedule: Schedule | None = None,
) -> Float[Array, "..."]:
    r"""How much of a patch's estimate in the last pass of `subspace` is owed to that patch itself.

    The diagonal of $\Theta$, averaged over the patches that hold the pixel: about 1 / k where k
    patches are averaged, 1 where nothing is shared. Over a group it adds up to
    $\mathrm{tr}\,\Theta$, the rank of the group's subspace; a large map value marks texture that
    found no likes. It ranks places by their effective rank; it is not the divergence of `subspace`,
    whose pilot and overlaps it leaves out. Channels are those of the decorrelating transform.
    Arguments as in `subspace`.

    **Returns:** a map of the image's shape, from 0 to 1.

    **Raises:** as `subspace`.
    """
    return _checked(image, sigma, 1.0, profile, channel_axis, schedule)[1]


def subspace_of_part(
    image: ArrayLike,
    sigma: ArrayLike,
    extent: ArrayLike,
    *,
    strength: ArrayLike = 1.0,
    profile: Literal["fast", "best"] | Profile = "fast",
    channel_axis: int | None = None,
    schedule: Schedule | None = None,
) -> Float[Array, "..."]:
    """`subspace` of the upper left part of an image, of a height and width that may be traced.

    Neither may be below that of the window, 37 or 49. Beyond the part the result means nothing.
    """
    return _checked(image, sigma, strength, profile, channel_axis, schedule, extent)[0]


def _checked(
    image: Any,
    sigma: Any,
    strength: Any,
    profile: Any,
    channel_axis: int | None,
    schedule: Schedule | None,
    extent: ArrayLike | None = None,
) -> tuple[Array, Array]:
    check_schedule(schedule)
    image, sigma, profile = check_group_input(image, sigma, profile, PROFILES, channel_axis)
    strength = check_positive_scalar(strength, name="strength")
    denoise = partial(_subspace, strength, profile, schedule, extent=extent)
    return channel_by_channel(denoise, image, sigma, channel_axis)


@partial(jax.jit, static_argnums=(1, 2, 5))
def _subspace(strength, profile, schedule, image, sigma, channel_axis, extent=None):
    largest = profile.largest_patch(len(spatial_shape(image, channel_axis)))
    decorrelated = decorrelate(image, sigma, channel_axis, largest, strength)
    y, variance = decorrelated.planes, decorrelated.variance
    mapped = variance.ndim > 0
    # Added to zeros of the image, the noise varies over the same mesh axes under `shard_map`.
    variance = jnp.zeros_like(y) + variance * jnp.square(jnp.asarray(strength, y.dtype))

    combine = partial(combine_all, mapped=mapped, extent=extent, schedule=schedule)
    pilot, _, gain = combine(combine_by_sure, profile.first, y, y, variance)

    def again(state: _State, tau: Array) -> tuple[_State, None]:
        x, kept, gain = combine(
            combine_by_pilot, profile.later, state.guide, state.noisy, state.pilot, state.noise
        )
        z = x + tau * (y - x)
        deviation = tau * safe_sqrt(variance) + (1 - tau) * safe_sqrt(kept)
        return _State(z, z, PILOT_NOISE * jnp.square(deviation), x, gain), None

    # The pilot guides the first of these passes, z the others.
    shares = jnp.asarray(shares_of_noise(profile.passes), y.dtype)
    found = lax.scan(again, _State(pilot, y, variance, pilot, gain), shares)[0]
    gain = from_planes(decorrelated.crop(found.gain), image, channel_axis)
    return decorrelated.restore(found.pilot), gain


class _State(NamedTuple):
    """What a pass begins with."""

    guide: Array  # on which patches are matched
    noisy: Array  # z
    noise: Array  # the variance of its noise
    pilot: Array  # the estimate of the pass before
    gain: Array
