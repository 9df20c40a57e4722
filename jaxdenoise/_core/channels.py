"""The channels of an image, decorrelated by an orthonormal transform.

Noise of one strength stays so. Of three channels the first is the mean, the others are opponent
colours.
"""

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxdenoise._core.transforms import dct


def mix(planes: Array) -> Array:
    """The image's channels, decorrelated by an orthonormal transform: their DCT."""
    return _of_channels(dct(len(planes)), planes)


def unmix(planes: Array) -> Array:
    """The inverse of `mix`."""
    return _of_channels(dct(len(planes)).T, planes)


def mix_variances(variances: Array) -> Array:
    """What `mix` makes of the variances of independent noise in each channel."""
    return _of_channels(np.square(dct(len(variances))), variances)


def unmix_variances(variances: Array) -> Array:
    """What `unmix` makes of the variances of independent noise in each channel."""
    return _of_channels(np.square(dct(len(variances))).T, variances)


def _of_channels(matrix: np.ndarray, planes: Array) -> Array:
    return jnp.tensordot(jnp.asarray(matrix, planes.dtype), planes, axes=1, precision="highest")
