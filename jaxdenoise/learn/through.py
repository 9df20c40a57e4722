"""A classical denoiser in front of a network, both trained by the loss behind the network."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxdenoise._core.checks import check_choice, check_positive_scalar
from jaxdenoise.registry import denoise, methods, strengths


class Learnable(eqx.Module):
    r"""A denoiser whose sigma and strengths are parameters, by their logarithms.

    $$x \mapsto f(x, e^{s};\, h = e^{t}), \qquad s, t \text{ learned}$$

    `Learnable.initialise(method="nlm", sigma=0.1, channels=1, frozen=False, **parameters)`: a name
    of `jd.methods()`; the noise to begin with, in units of the image, and its channels; strengths
    to begin with, by default those of `jd.strengths`. What is `frozen` gets no gradient.

    Called on one image, (channels, height, width), which stays one.

    **Raises:** `ValueError` for unknown methods and numbers that are not positive; `TypeError` for
    parameters that the method has not.
    """

    logs: dict[str, Array]
    method: str = eqx.field(static=True)
    frozen: bool = eqx.field(static=True, default=False)

    @classmethod
    def initialise(
        cls,
        method: str = "nlm",
        *,
        sigma: ArrayLike = 0.1,
        channels: int = 1,
        frozen: bool = False,
        **parameters: ArrayLike,
    ) -> "Learnable":
        check_choice(method, methods(), name="method")
        check_positive_scalar(sigma, name="sigma")
        known = strengths(method, sigma, channels=channels)
        for name, value in parameters.items():
            if name not in known:
                raise TypeError(f"{method} has no strength {name}; it has {', '.join(known)}")
            check_positive_scalar(value, name=name)
        start = {"sigma": sigma, **known, **parameters}
        logs = {name: jnp.log(jnp.asarray(value, jnp.float32)) for name, value in start.items()}
        return cls(logs, method, frozen)

    def parameters(self) -> dict[str, Array]:
        """Sigma and the strengths."""
        logs = lax.stop_gradient(self.logs) if self.frozen else self.logs
        return jax.tree.map(jnp.exp, logs)

    def __call__(self, image: Float[Array, "channels height width"]) -> Array:
        given: dict[str, Any] = {k: v.astype(image.dtype) for k, v in self.parameters().items()}
        sigma = given.pop("sigma")
        if len(image) == 1:
            return denoise(image[0], sigma, method=self.method, **given)[None]
        return denoise(image, sigma, method=self.method, channel_axis=0, **given)


class Through(eqx.Module):
    """`model(denoiser(image))`: a segmenter that sees what a denoiser leaves, say.

    The gradient of the loss reaches the denoiser through the model, so that `fit` trains both; what
    the denoiser learns is what the model needs, not what is least noisy.

    **Arguments:**

    - `denoiser`: from images to images, (channels, height, width), such as `Learnable`.
    - `model`: called on what it leaves.
    """

    denoiser: eqx.Module
    model: eqx.Module

    def __call__(self, image: Float[Array, "channels height width"]) -> Array:
        denoised = self.denoiser(image)  # pyright: ignore[reportCallIssue]
        return self.model(denoised)  # pyright: ignore[reportCallIssue]
