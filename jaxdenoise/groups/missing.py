"""Missing pixels: masked ones, and channels that have nothing else."""

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

from jaxdenoise._core.checks import check_mask
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
    if isinstance(image, Tracer):
        return
    finite = np.isfinite(np.asarray(image))
    channels = finite[None] if channel_axis is None else np.moveaxis(finite, channel_axis, 0)
    known = channels.any(axis=tuple(range(1, channels.ndim)))
    if not known.all():
        which = "the image" if channel_axis is None else f"channel {int(np.argmin(known))}"
        raise ValueError(f"mask must leave a known pixel, got none in {which}")
