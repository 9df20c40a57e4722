"""Missing pixels: masked ones, and channels that have nothing else."""

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxdenoise._core.checks import check_mask, known
from jaxdenoise._core.content import unknown_channel
from jaxdenoise._core.planes import float_dtype


def without_masked(image: ArrayLike, mask: ArrayLike, channel_axis: int | None) -> Array:
    """NaN where the mask is not 0."""
    mask = check_mask(mask, image, channel_axis)
    missing = jnp.asarray(mask).astype(bool)
    if channel_axis is not None and missing.ndim < np.ndim(image):
        missing = jnp.expand_dims(missing, channel_axis)
    image = jnp.asarray(image).astype(float_dtype(image))
    return jnp.where(jnp.broadcast_to(missing, image.shape), jnp.nan, image)


def check_known(image: ArrayLike, channel_axis: int | None) -> None:
    """Raise if a mask has left a channel of a concrete image without a known pixel."""
    if known(image) and (unknown := unknown_channel(np.asarray(image), channel_axis)):
        raise ValueError(f"mask must leave a known pixel, got none in {unknown}")
