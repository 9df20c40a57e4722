"""Forward differences along the axes of an image."""

import jax.numpy as jnp
from jax import Array


def pad_axis(x: Array, axis: int, before: int, after: int) -> Array:
    """Zeros at the ends of one axis."""
    widths = [(0, 0)] * x.ndim
    widths[axis] = (before, after)
    return jnp.pad(x, widths)


def forward_difference(x: Array, axis: int) -> Array:
    """The next pixel less this one, 0 across the far border."""
    return pad_axis(jnp.diff(x, axis=axis), axis, 0, 1)
