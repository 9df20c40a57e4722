"""The metric of steering kernels: long along edges, short across them."""

import math
from functools import reduce

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxdenoise._core.separable import (
    correlate_mirrored,
    gaussian_derivative_taps,
    gaussian_taps,
)
from jaxdenoise._core.symmetric import determinant, dot, pairs_of_axes

# The Gaussian under which gradients are measured, and the one that averages their products.
_GRADIENT_SIGMA = 1.0
_TENSOR_SIGMA = 2.0
# The least eigenvalue of a tensor relative to its trace, in units of the rounding: elimination must
# find a positive determinant. More would shorten kernels in float32 that are long in float64.
_LEAST_EIGENVALUE = 16
# The share of the noise in a squared gradient that is added to the tensor: the averaged tensor
# fluctuates far less than a single gradient does. Measured on Set12 with the defaults below.
_NOISE_SHARE = 0.1


def steering_metric(estimate: Array, sigma: Array, sensitivity: Array) -> Array:
    """The entries C_ab, a <= b, of each pixel's metric, (d (d + 1) / 2, *spatial)."""
    d = estimate.ndim - 1
    smooth = gaussian_taps(_GRADIENT_SIGMA, truncate=3.0)
    slope = gaussian_derivative_taps(_GRADIENT_SIGMA, truncate=3.0)
    gradient = [
        correlate_mirrored(estimate, [slope if b == a else smooth for b in range(d)])
        for a in range(d)
    ]
    # The noise of one gradient, its share added to the tensor, and the channels to average.
    unit = float(np.sum(slope**2) * np.sum(smooth**2) ** (d - 1) * _NOISE_SHARE * len(estimate))
    sigma = jnp.sqrt(jnp.mean(jnp.square(sigma), axis=0)) if sigma.ndim else sigma
    gradient = [
        [plane / (math.sqrt(unit) * sigma) for plane in component] for component in gradient
    ]
    taps = [gaussian_taps(_TENSOR_SIGMA, truncate=3.0)] * d
    tensor = {
        (a, b): correlate_mirrored(dot(gradient[a], gradient[b]), taps) for a, b in pairs_of_axes(d)
    }
    # A = J + I, and a little of the trace: beside an edge of 1e7 times the noise the identity
    # would be lost to rounding, and with it the kernel's length along the edge.
    trace = reduce(jnp.add, (tensor[a, a] for a in range(d)))
    round_part = 1 + _LEAST_EIGENVALUE * jnp.finfo(trace.dtype).eps * trace
    tensor |= {(a, a): tensor[a, a] + round_part for a in range(d)}
    # A / det(A)^(1/d) only deforms; the rest, det(A)^(alpha/d), shrinks the kernel where gradients
    # rise above the noise. By the trace first, for a determinant that does not overflow.
    trace += d * round_part
    tensor = {pair: entry / trace for pair, entry in tensor.items()}
    scale = trace**sensitivity * determinant(tensor) ** ((sensitivity - 1) / d)
    return jnp.stack([entry * scale for entry in tensor.values()])
