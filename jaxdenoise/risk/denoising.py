"""A denoiser as a function of the image alone, from real numbers to real numbers."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxdenoise._core.checks import check_real
from jaxdenoise._core.planes import compute_dtype


def as_image(noisy: ArrayLike) -> Array:
    check_real(noisy, name="noisy")
    y = jnp.asarray(noisy).astype(compute_dtype(noisy))
    if not y.size:
        raise ValueError(f"noisy must not be empty, got shape {y.shape}")
    return y


def call(denoiser: Callable[..., Array], noise: Any, y: Array) -> Array:
    """denoiser(y, noise), or denoiser(y) without any noise."""
    out = denoiser(y) if noise is None else denoiser(y, noise)
    check_real(out, name="what denoiser returns")
    if jnp.shape(out) != y.shape:
        raise ValueError(
            f"denoiser must return an image of the shape {y.shape}, got {jnp.shape(out)}"
        )
    return jnp.asarray(out).astype(y.dtype)
