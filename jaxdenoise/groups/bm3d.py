"""Block matching and 3-D filtering."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxdenoise._core.checks import check_positive_scalar, check_schedule
from jaxdenoise._core.grid import GroupSizes, each_axis
from jaxdenoise._core.planes import spatial_shape
from jaxdenoise._core.safe import safe_sqrt
from jaxdenoise._core.schedule import Schedule
from jaxdenoise._core.transforms import biorthogonal_wavelet, dct, haar, separable
from jaxdenoise.groups.collaborate import channel_by_channel, collaborate, decorrelate, own_noise
from jaxdenoise.groups.profile import Profile, check_group_input

# Tapers a patch towards its border; the paper's 2 leaves a little more of the blocks.
_KAISER = 2.5

_PROFILES = {
    "normal": Profile(GroupSizes(8, 16, 3, 39), GroupSizes(8, 32, 4, 39)),
    "fast": Profile(GroupSizes(8, 16, 5, 25), GroupSizes(8, 16, 5, 25)),
}


def bm3d(
    image: ArrayLike,
    sigma: ArrayLike,
    *,
    threshold: ArrayLike = 2.7,
    profile: Literal["normal", "fast"] | Profile = "normal",
    channel_axis: int | None = None,
    schedule: Schedule | None = None,
) -> Float[Array, "..."]:
    r"""Block matching and 3-D filtering: similar patches, their common spectrum attenuated.

    A group of k similar patches of 8 x 8 pixels has the separable spectrum $c = T_3 Y T_2^T$, with
    Haar's wavelet T_3 along the group. Of a coefficient whose noise has the variance v, a share

    $$\ell = \left(1 + (e / a v)^p\right)^{-1}$$

    is taken away, never of the group's mean. The first stage, with a (1, 5) biorthogonal spline
    wavelet as T_2, thresholds: e = c^2, $a = \lambda^2$ for the `threshold` $\lambda$, and p = 8,
    a hard threshold but smooth enough for $\lambda$ to have a gradient. The second, with the cosine
    transform, matches on the first one's estimate and takes e from its spectrum: with a = p = 1 it
    would be the empirical Wiener filter, a = 0.8 and p = 1.25 allow for the error of the estimate
    (measured on Set12: up to 0.04 dB). Groups are averaged by the inverse of the noise that they
    keep, $1 / \sum (1 - \ell)^2 v$, and a Kaiser window over the patch.

    The indices of the matches carry no gradient, everything after them does.

    **Arguments:**

    - `image`: 2-D, with a `Profile` 3-D too, with or without a channel axis; any size.
    - `sigma`: noise standard deviation in units of the image, a scalar or a map. A map gives every
        coefficient its own v, and bounds the change of pixels less noisy than others in their group
        by 4 of their own sigma. Where it differs among channels they are denoised one by one.
    - `threshold`: of the first stage in units of sigma; the paper's 2.7.
    - `profile`: `"normal"`, groups of 16 patches around every third pixel, then of 32 around every
        fourth, out of windows of 39 x 39; or `"fast"`, groups of 16 around every fifth pixel in
        both stages, out of windows of 25 x 25, almost four times faster and 0.2 dB below; or a
        `Profile` of other sizes, those of patches and groups powers of two.
    - `channel_axis`: the axis of the channels, `None` for grey. Channels are decorrelated by an
        orthonormal transform (for three of them the opponent colours), matched on their mean and
        filtered one by one.
    - `schedule`: how the work is cut, a `Schedule`. Default: that of the platform.

    **Returns:** an image of the same shape and units.

    **Raises:** `ValueError` for wrong shapes, an unknown profile, or a negative or non-finite
    number; `TypeError` for complex images.

    **References:** Dabov, Foi, Katkovnik & Egiazarian, "Image denoising by sparse 3-D
    transform-domain collaborative filtering", IEEE TIP 2007. Lebrun, "An analysis and
    implementation of the BM3D image denoising method", IPOL 2012.
    """
    return _checked(image, sigma, threshold, profile, channel_axis, schedule)


def bm3d_of_part(
    image: ArrayLike,
    sigma: ArrayLike,
    extent: ArrayLike,
    *,
    threshold: ArrayLike = 2.7,
    profile: Literal["normal", "fast"] | Profile = "normal",
    channel_axis: int | None = None,
    schedule: Schedule | None = None,
) -> Float[Array, "..."]:
    """`bm3d` of the upper left part of an image, of a height and width that may be traced.

    Neither may be below that of the window, 39. Beyond the part the result means nothing.
    """
    return _checked(image, sigma, threshold, profile, channel_axis, schedule, extent)


def _checked(
    image: Any,
    sigma: Any,
    threshold: Any,
    profile: Any,
    channel_axis: int | None,
    schedule: Schedule | None,
    extent: ArrayLike | None = None,
) -> Array:
    check_schedule(schedule)
    image, sigma, profile = check_group_input(image, sigma, profile, _PROFILES, channel_axis)
    threshold = check_positive_scalar(threshold, name="threshold")
    _check_powers_of_two(profile)
    denoise = partial(_bm3d, threshold, profile, schedule, extent=extent)
    return channel_by_channel(denoise, image, sigma, channel_axis)


def _check_powers_of_two(profile: Profile) -> None:
    """The wavelets' lengths; the group's is cut to one where there are few candidates."""
    for sizes in (profile.first, profile.later):
        for number in (sizes.group_size, *each_axis(sizes.patch_size, 1)):
            if number & (number - 1):
                raise ValueError(
                    f"patch_size and group_size of profile must be powers of two, got {number}"
                )


@partial(jax.jit, static_argnums=(1, 2, 5))
def _bm3d(threshold, profile, schedule, image, sigma, channel_axis, extent=None):
    axes = len(spatial_shape(image, channel_axis))
    largest = profile.largest_patch(axes)
    decorrelated = decorrelate(image, sigma, channel_axis, largest, threshold)
    y, variance = decorrelated.planes, decorrelated.variance
    # Noise of one strength need not be carried along.
    maps = [variance] if variance.ndim else []
    limit = jnp.square(jnp.asarray(threshold, y.dtype))
    aggregate = partial(
        collaborate, window=_taper, members_axis=0, extent=extent, schedule=schedule
    )
    wavelet = separable(biorthogonal_wavelet, each_axis(profile.first.patch_size, axes))
    cosine = separable(dct, each_axis(profile.later.patch_size, axes))
    (pilot,), _ = aggregate(partial(_threshold, wavelet), profile.first, y, [y, *maps], (limit,))
    (x,), _ = aggregate(partial(_wiener, cosine), profile.later, pilot, [y, pilot, *maps])
    return decorrelated.restore(x)


def _taper(size: int) -> np.ndarray:
    return np.kaiser(size, _KAISER)


def _threshold(
    transform: np.ndarray, groups: list[Array], limit: Array
) -> tuple[list[Array], Array, list[Array]]:
    noisy, *variance = groups

    def loss(energy: Array, variance: Array) -> Array:
        # Nothing of a coefficient ten times above the threshold is lost in any precision.
        least = jnp.maximum(limit * variance, jnp.finfo(energy.dtype).tiny)
        t = jnp.minimum(energy / least, 100)
        return 1 / (1 + jnp.square(jnp.square(jnp.square(t))))

    return _attenuate(loss, transform, noisy, noisy, *variance)


def _wiener(transform: np.ndarray, groups: list[Array]) -> tuple[list[Array], Array, list[Array]]:
    def loss(energy: Array, variance: Array) -> Array:
        t = energy / (0.8 * variance)
        return 1 / (1 + t * safe_sqrt(safe_sqrt(t)))

    return _attenuate(loss, transform, *groups)


def _attenuate(
    loss: Callable[[Array, Array], Array],
    across: np.ndarray,
    noisy: Array,
    pilot: Array,
    variance: Array | None = None,
) -> tuple[list[Array], Array, list[Array]]:
    """Take from the spectrum of groups (members, groups, pixels) what is more noise than signal.

    The spectrum is Haar's along the members and that of the matrix `across` of the pixels.
    `loss(energy, variance)` is the share to take from a coefficient of that energy in the pilot.
    Without `variance` that of the noise is 1.
    """
    along = haar(len(noisy))
    spectrum, pilot_spectrum = (_analyse(along, across, group) for group in (noisy, pilot))
    if variance is None:
        noise = jnp.ones((), noisy.dtype)
    else:
        noise = _separable(np.square(along), np.square(across), variance)
    not_the_mean = np.ones((len(along), 1, len(across)))
    not_the_mean[0, 0, 0] = 0
    lost = loss(jnp.square(pilot_spectrum), noise) * jnp.asarray(not_the_mean, noisy.dtype)
    removed = _separable(along.T, np.linalg.inv(across), lost * spectrum)
    if variance is not None:
        removed = own_noise(removed, variance, members_axis=0)
    kept = jnp.sum(jnp.square(1 - lost) * noise, axis=(0, 2))
    return [noisy - removed], jnp.broadcast_to(1 / kept, noisy.shape[:2]), []


def _analyse(along: np.ndarray, across: np.ndarray, group: Array) -> Array:
    # Beside a large mean, which is kept anyway, rounding would blur the rest.
    return _separable(along, across, group - jnp.mean(group, axis=(0, 2), keepdims=True))


def _separable(along: np.ndarray, across: np.ndarray, group: Array) -> Array:
    """A transform of the members, one of the pixels: two products of large matrices."""
    pixels = jnp.matmul(group, jnp.asarray(across.T, group.dtype), precision="highest")
    return jnp.tensordot(jnp.asarray(along, group.dtype), pixels, axes=1, precision="highest")
