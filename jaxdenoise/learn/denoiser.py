"""A network as a denoiser like every other."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxdenoise._core.checks import check_denoiser_input, check_positive_scalar
from jaxdenoise._core.planes import from_planes, map_to_planes, to_planes
from jaxdenoise._core.safe import positive_floor

# Standard deviations: Gaussian noise is further off at one pixel in a million.
_MOST_NOISE = 5.0


class Denoiser(eqx.Module):
    r"""A network that tells the noise, as a denoiser `f(image, sigma)`.

    $$f(y, \sigma) = y - s\, c \tanh\!\Big(\tfrac1c\, g\big((y - \bar y) / s\big)\Big),
    \qquad s = \mathrm{strength} \cdot \sigma, \quad c = 5$$

    The network g sees an image of mean 0 and noise of standard deviation 1: whatever the units of
    the image, and whatever sigma, which may be a map, are by construction as it was trained on. It
    says that no noise is beyond five standard deviations; so without noise nothing changes.
    `jd.sure`, `jd.tune`, `jd.RED` and the others take it as any denoiser.

    **Arguments:**

    - `network`: called on (channels, height, width), returns the same shape.
    - `channels`: that it takes. With 1, the channels of colour images are denoised one by one.

    Called as `denoiser(image, sigma, *, strength=1, channel_axis=None)`; returns an image of the
    same shape and units. What the network takes for the noise is `strength` times sigma: where it
    was trained on other images, `jd.tune` may find a better one than 1. Raises `ValueError` for
    wrong shapes, or other numbers of channels.
    """

    network: eqx.Module
    channels: int = eqx.field(static=True, default=1)

    # By identity, as functions: `jd.tune` compiles for each denoiser.
    def __eq__(self, other: object) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __call__(
        self,
        image: ArrayLike,
        sigma: ArrayLike,
        *,
        strength: ArrayLike = 1.0,
        channel_axis: int | None = None,
    ) -> Float[Array, "..."]:
        image, sigma = check_denoiser_input(image, sigma, channel_axis=channel_axis, ndim=(2,))
        planes = to_planes(image, channel_axis)
        if self.channels not in (1, len(planes)):
            raise ValueError(
                f"image must have {self.channels} channels for this network, got {len(planes)}"
            )
        check_positive_scalar(strength, name="strength")
        unit = map_to_planes(sigma, image, channel_axis) * jnp.asarray(strength, planes.dtype)
        unit = positive_floor(unit, planes)
        mean = jnp.mean(planes, axis=(1, 2), keepdims=True)
        groups = ((planes - mean) / unit).reshape(-1, self.channels, *planes.shape[1:])
        noise = _noise(self.network, groups).reshape(planes.shape)
        return from_planes(planes - unit * noise, image, channel_axis)


@eqx.filter_jit
def _noise(network: Any, groups: Array) -> Array:
    """In the precision of the network."""
    weights = jax.tree.leaves(eqx.filter(network, eqx.is_inexact_array))
    found = jax.vmap(network)(groups.astype(weights[0].dtype)).astype(groups.dtype)
    return _MOST_NOISE * jnp.tanh(found / _MOST_NOISE)
