"""A denoiser as a function of the image alone, from real numbers to real numbers."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxdenoise._core.checks import check_choice, check_real
from jaxdenoise._core.planes import compute_dtype
from jaxdenoise.registry import denoise, methods


def as_image(noisy: ArrayLike) -> Array:
    check_real(noisy, name="noisy")
    y = jnp.asarray(noisy).astype(compute_dtype(noisy))
    if not y.size:
        raise ValueError(f"noisy must not be empty, got shape {y.shape}")
    return y


def find(denoiser: Any) -> Callable[..., Any]:
    """The denoiser itself, or `jd.denoise` with the method of that name."""
    if isinstance(denoiser, str):
        check_choice(denoiser, methods(), name="denoiser")
        return partial(denoise, method=denoiser)
    if not callable(denoiser):
        kind = type(denoiser).__name__
        raise TypeError(f"denoiser must be a function or a method's name, got {kind}")
    return denoiser


def call(denoiser: Callable[..., Array], noise: Any, y: Array) -> Array:
    """denoiser(y, noise), or denoiser(y) without any noise."""
    out = denoiser(y) if noise is None else denoiser(y, noise)
    check_real(out, name="what denoiser returns")
    if jnp.shape(out) != y.shape:
        raise ValueError(
            f"denoiser must return an image of the shape {y.shape}, got {jnp.shape(out)}"
        )
    return jnp.asarray(out).astype(y.dtype)
