"""Every denoiser by its name, and the front door that picks one."""

from collections.abc import Callable

from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxdenoise._core.checks import check_choice
from jaxdenoise.filters import tv
from jaxdenoise.noise import Gaussian, NoiseModel, Stabilisable, estimate_sigma

_METHODS: dict[str, Callable[..., Array]] = {
    "tv": tv,
}


def methods() -> tuple[str, ...]:
    """The names that `denoise` accepts as `method`; each is a function of this package too."""
    return tuple(_METHODS)


def denoise(
    image: ArrayLike,
    sigma: ArrayLike | NoiseModel | None = None,
    *,
    method: str = "nlm",
    channel_axis: int | None = None,
    **parameters,
) -> Float[Array, "..."]:
    check_choice(method, methods(), name="method")
    denoiser = _METHODS[method]
    if sigma is None:
        sigma = estimate_sigma(image, channel_axis=channel_axis)
    if isinstance(sigma, Gaussian):
        sigma = sigma.sigma
    if not isinstance(sigma, NoiseModel):
        return denoiser(image, sigma, channel_axis=channel_axis, **parameters)
    if not isinstance(sigma, Stabilisable):
        raise TypeError(
            f"sigma must be a number, a map or a noise model with a variance-stabilising "
            f"transform, got {type(sigma).__name__}"
        )
    stabilised = denoiser(sigma.stabilise(image), 1.0, channel_axis=channel_axis, **parameters)
    return sigma.unstabilise(stabilised)
