"""Every denoiser by its name, and the front door that picks one."""

import inspect
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxdenoise._core.checks import (
    check_choice,
    check_count,
    check_image,
    check_scalar,
)
from jaxdenoise._core.content import check_precision
from jaxdenoise._core.planes import as_float, float_dtype
from jaxdenoise.filters import bilateral, mean_shift, nlm, steering, tv
from jaxdenoise.filters.bilateral import default_sigma_range as bilateral_range
from jaxdenoise.filters.bilateral import default_sigma_spatial as bilateral_spatial
from jaxdenoise.filters.mean_shift import default_sigma_range as mean_shift_range
from jaxdenoise.filters.mean_shift import default_sigma_spatial as mean_shift_spatial
from jaxdenoise.filters.nlm import default_h
from jaxdenoise.filters.steering import default_bandwidth, default_sensitivity
from jaxdenoise.filters.tv import default_weight
from jaxdenoise.groups import bm3d, robust_subspace, subspace, without_masked
from jaxdenoise.noise import (
    Gaussian,
    Impulse,
    NoiseModel,
    Poisson,
    PoissonGaussian,
    Stabilisable,
    estimate_sigma,
)
from jaxdenoise.noise.bins import bin_means, keep_mean, side_of_bins, spread_bins

_METHODS: dict[str, Callable[..., Array]] = {
    "bilateral": bilateral,
    "bm3d": bm3d,
    "mean_shift": mean_shift,
    "nlm": nlm,
    "robust_subspace": robust_subspace,
    "steering": steering,
    "subspace": subspace,
    "tv": tv,
}
# The parameters that say how strong a method is. A rule computes the default from sigma and the
# numbers of channels and of spatial axes; `None` stands for the default in the signature.
_STRENGTHS: dict[str, dict[str, Callable[..., Array] | None]] = {
    "bilateral": {"sigma_range": bilateral_range, "sigma_spatial": bilateral_spatial},
    "bm3d": {"threshold": None},
    "mean_shift": {"sigma_range": mean_shift_range, "sigma_spatial": mean_shift_spatial},
    "nlm": {"h": default_h},
    "steering": {"bandwidth": default_bandwidth, "sensitivity": default_sensitivity},
    "subspace": {"strength": None},
    "tv": {"weight": default_weight},
}
# The method for outliers.
_ROBUST = "robust_subspace"


def methods() -> tuple[str, ...]:
    """The names that `denoise` accepts as `method`; each is a function of this package too."""
    return tuple(_METHODS)


def strengths(
    method: str, sigma: ArrayLike = 1.0, *, channels: int = 1, axes: int = 2
) -> dict[str, Array]:
    """The parameters that say how strong a method is, at their defaults: where `tune` may start.

    **Arguments:**

    - `method`: one of `methods()`.
    - `sigma`: noise standard deviation, a scalar; 1 after a stabilising transform.
    - `channels`: how many the image has.
    - `axes`: its spatial axes, 2 or 3.

    **Returns:** scalars by name; none for `robust_subspace`, which outliers would mislead.

    **Raises:** `ValueError` for an unknown method, or another number of axes.

    **Example:**

    ```python
    tuned = jd.tune(jd.tv, noisy, 0.1, jd.strengths("tv", 0.1))
    ```
    """
    check_choice(method, methods(), name="method")
    check_scalar(sigma, name="sigma")
    check_count(channels, name="channels")
    check_choice(axes, (2, 3), name="axes")
    sigma = jnp.asarray(sigma).astype(float_dtype(sigma))
    defaults = inspect.signature(_METHODS[method]).parameters
    return {
        name: jnp.asarray(defaults[name].default, sigma.dtype)
        if rule is None
        else rule(sigma, channels, axes)
        for name, rule in _STRENGTHS.get(method, {}).items()
    }


def denoise(
    image: ArrayLike,
    sigma: ArrayLike | NoiseModel | None = None,
    *,
    method: str | Callable[..., Array] | None = None,
    channel_axis: int | None = None,
    **parameters,
) -> Float[Array, "..."]:
    """Denoise an image with any method and any noise model that a transform makes Gaussian.

    For signal-dependent noise the image is stabilised, denoised with sigma = 1, and brought back
    by the exact unbiased inverse. For impulses the method is `robust_subspace`.

    Where photons are few, sums over bins are denoised instead of pixels: of about 2 photons each,
    where a pixel of an image has less than 0.65 on average (a read-out noise of k photons counts as
    k^2 more). Below 2 photons a pixel the mean of the image is kept exactly, channel by channel;
    from 4 upwards the transform alone is at work.

    **Arguments:**

    - `image`: 2-D or 3-D, with or without a channel axis.
    - `sigma`: the noise. A standard deviation in units of the image (a scalar or a map), a noise
        model (`Gaussian`, `Impulse`, `Poisson`, `PoissonGaussian`), or `None` to estimate Gaussian
        noise by `estimate_sigma`, for `robust_subspace` among outliers.
    - `method`: one of `methods()`, or a denoiser of your own, `f(image, sigma, *, channel_axis)`;
        `None` for `subspace`, for `nlm` on volumes, and for `robust_subspace` with `Impulse` noise.
    - `channel_axis`: the axis of the channels, `None` for grey.
    - `parameters`: keyword arguments of the method; after a transform strengths such as `h` or
        `weight` are in its units, where sigma is 1.

    **Returns:** an image of the same shape and units.

    **Raises:** `ValueError` for an unknown method, for counts below 0 with `Poisson` noise, and
    whatever the method raises; `TypeError` for a noise model without a variance-stabilising
    transform, and for `Impulse` with other methods.

    **Example:**

    ```python
    clean = jd.denoise(noisy)
    clean = jd.denoise(photons, jd.Poisson(peak=1.0), method="bm3d")
    ```
    """
    check_precision(image)
    image = check_image(image, channel_axis=channel_axis, ndim=(2, 3))
    if method is None:
        is_volume = jnp.ndim(image) - (channel_axis is not None) == 3
        usual = _ROBUST if isinstance(sigma, Impulse) else "subspace"
        method = "nlm" if is_volume else usual
    if callable(method):
        denoiser = method
    else:
        check_choice(method, methods(), name="method")
        denoiser = _METHODS[method]
    robust = denoiser is robust_subspace
    if sigma is None:
        mask = parameters.get("mask") if robust else None
        known = image if mask is None else without_masked(image, mask, channel_axis)
        sigma = estimate_sigma(known, outliers=robust, channel_axis=channel_axis)
    elif isinstance(sigma, Gaussian):
        sigma = sigma.sigma
    if not isinstance(sigma, NoiseModel) or (robust and isinstance(sigma, Impulse)):
        return denoiser(image, sigma, channel_axis=channel_axis, **parameters)
    if not isinstance(sigma, Stabilisable):
        raise TypeError(
            f"sigma must be a number, a map or a noise model with a variance-stabilising "
            f"transform, got {type(sigma).__name__}; {_ROBUST} takes Impulse"
        )
    if isinstance(sigma, Poisson | PoissonGaussian):
        out = _denoise_photons(denoiser, image, sigma, channel_axis, parameters)
    else:
        out = _stabilised(denoiser, image, sigma, channel_axis, parameters)
    return out.astype(float_dtype(image))


def _stabilised(
    denoiser: Callable[..., Array],
    image: ArrayLike,
    noise: Stabilisable,
    channel_axis: int | None,
    parameters: dict[str, Any],
) -> Array:
    stabilised = noise.stabilise(image)
    return noise.unstabilise(denoiser(stabilised, 1.0, channel_axis=channel_axis, **parameters))


def _denoise_photons(
    denoiser: Callable[..., Array],
    image: ArrayLike,
    noise: Poisson | PoissonGaussian,
    channel_axis: int | None,
    parameters: dict[str, Any],
) -> Array:
    """Through the transform, in bins where photons are few."""
    y = as_float(image)
    ndim = y.ndim
    axes = tuple(a for a in range(ndim) if channel_axis is None or a != channel_axis % ndim)
    photons = noise.mean_photons(y)
    side = side_of_bins(photons, len(axes))
    if isinstance(side, Tracer) or side > 1:
        if parameters.get("mask") is not None:
            y = without_masked(y, parameters["mask"], channel_axis)
            parameters = {**parameters, "mask": None}
        binned, pixels = bin_means(y, side, axes)

        def of_bins(value: Any) -> Any:
            if not isinstance(value, Array | np.ndarray) or not value.ndim:
                return value
            full = jnp.broadcast_to(jnp.asarray(value).astype(y.dtype), y.shape)
            return bin_means(full, side, axes)[0]

        of_sums = noise.of_sums(of_bins, pixels)
        maps = {name: of_bins(value) for name, value in parameters.items()}
        out = _stabilised(denoiser, pixels * binned, of_sums, channel_axis, maps)
        out = spread_bins(out / pixels, side, axes)
    else:
        out = _stabilised(denoiser, y, noise, channel_axis, parameters)
    return keep_mean(out, y, photons, axes)
