"""Stein's unbiased risk estimate as a loss: a denoiser trained on noisy images alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PRNGKeyArray

# Of the noise, along which the divergence is measured.
_STEP = 0.05


@dataclass(frozen=True)
class ModelLoss:
    """A loss that needs the model itself, not only its output; for `fit`.

    **Arguments:**

    - `of`: called as `of(model, image, target)`, on one pair.
    """

    of: Callable[[Any, Array, Array], Array]


class AtUnitNoise(eqx.Module):
    """A denoiser on images in units of their noise: `denoiser(image, 1)`, for `fit`.

    **Arguments:**

    - `denoiser`: such as `Denoiser`; called on (channels, height, width).
    """

    denoiser: eqx.Module

    def __call__(self, image: Float[Array, "channels height width"]) -> Array:
        return self.denoiser(  # pyright: ignore[reportCallIssue]
            image, jnp.ones((), image.dtype), channel_axis=0
        )


@dataclass(frozen=True)
class Probe:
    """Signs, drawn anew for every key, in the place of the target, which `sure_loss` needs not.

    Called as `probe(key, image, target)`, last in `chained`.
    """

    def __call__(self, key: PRNGKeyArray, image: Array, target: Array) -> tuple[Array, Array]:
        return image, jax.random.rademacher(key, image.shape, image.dtype)


def _sure(model: Any, image: Array, probe: Array) -> Array:
    output, moved = model(image), model(image + _STEP * probe.astype(image.dtype))
    slope = jnp.mean(probe * (moved - output).astype(probe.dtype)) / _STEP
    return jnp.mean(jnp.square(output - image)) - 1 + 2 * slope


sure_loss = ModelLoss(_sure)
r"""The mean squared error of a denoiser, estimated without the clean image.

$$\frac1N \Vert f(y) - y\Vert^2 - 1 + \frac2N\, b^\top \frac{f(y + \epsilon b) - f(y)}\epsilon,
\qquad b \in \{-1, 1\}^N$$

For images in units of their noise, which is Gaussian, and `Probe` as the last transform, whose
signs b are the target. The step is a twentieth of the noise, not a derivative: rectifiers have
kinks, so that the derivative in the direction b jumps as parameters change, and descent along a
gradient that does not see the jumps ends where nothing is denoised.

**References:** Stein, Annals of Statistics 1981. Ramani, Blu & Unser, "Monte-Carlo SURE", IEEE TIP
2008. Soltanayev & Chun, "Training deep learning based denoisers without ground truth data",
NeurIPS 2018.
"""
