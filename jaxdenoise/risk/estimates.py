"""Unbiased estimates of a denoiser's risk: its mean squared error, without the clean image."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, PRNGKeyArray

from jaxdenoise._core.checks import check_count, check_parameter
from jaxdenoise._core.safe import safe_divide, safe_sqrt
from jaxdenoise.noise import Gaussian, Poisson, PoissonGaussian
from jaxdenoise.risk.denoising import as_image, call, find
from jaxdenoise.risk.divergence import weighted_divergence


def sure(
    denoiser: str | Callable[..., Array],
    noisy: ArrayLike,
    sigma: ArrayLike | Gaussian,
    *,
    difference: bool | None = None,
    key: PRNGKeyArray | None = None,
    probes: int = 1,
) -> Float[Array, ""]:
    r"""Stein's unbiased risk estimate: the mean squared error of a denoiser in Gaussian noise.

    For a denoiser f and noise of the standard deviations $\sigma_i$,

    $$\mathrm{SURE} = \frac1N \sum_i \left[ (f_i(y) - y_i)^2 - \sigma_i^2
      + 2 \sigma_i^2 \frac{\partial f_i}{\partial y_i} \right], \qquad
      E[\mathrm{SURE}] = E\left[\tfrac1N \|f(y) - x\|^2\right].$$

    The divergence is estimated by directional derivatives, exact ones by forward mode, along
    `probes` random signs. Of images of up to 1024 pixels, where there is no `key`, all of them are
    computed, without probes.

    Where a denoiser chooses, as `bm3d` and `subspace` choose patches that are alike, it jumps from
    one choice to the next. That is part of its divergence but not of its derivative: without it
    SURE of `subspace` is 30 to 110 % too small. There, derivatives are finite differences of 0.05
    sigma. Denoisers that choose are told by the primitives they are made of: `top_k`, `sort`,
    `argmax` and their like. A hard threshold jumps too and is not told: ask for `difference`.

    Differentiable with respect to everything that the denoiser closes over. For kinks what is true
    of jumps is true one derivative higher: the gradient of SURE needs differences where the
    denoiser has kinks, as `tv` has; `tune` always takes them.

    **Arguments:**

    - `denoiser`: called as `denoiser(noisy, sigma)`, for example `jd.nlm`, or the name of a method.
    - `noisy`: an image of any shape that the denoiser takes.
    - `sigma`: noise standard deviation in units of the image, a scalar, a map or `Gaussian`.
    - `difference`: finite differences or exact derivatives. Default: differences for denoisers that
        choose. Static.
    - `key`: of the probes. Default: a fixed one, so that estimates of two denoisers compare.
    - `probes`: how many. One is enough from 256 x 256 pixels on: there the noise of the estimate
        is the noise of the first two terms.

    **Returns:** a scalar in squared units of the image. It can be negative.

    **Raises:** `ValueError` for wrong shapes or no probes, and what the denoiser raises.

    **References:** Stein, "Estimation of the mean of a multivariate normal distribution", Annals of
    Statistics 1981. Ramani, Blu & Unser, "Monte-Carlo SURE", IEEE TIP 2008 (the probes). Deledalle,
    Vaiter, Fadili & Peyre, "Stein unbiased gradient estimator of the risk (SUGAR)", SIAM Journal on
    Imaging Sciences 2014 (the gradient).
    """
    denoiser = find(denoiser)
    y = as_image(noisy)
    if isinstance(sigma, Gaussian):
        sigma = sigma.sigma
    check_parameter(sigma, noisy, name="sigma")
    check_count(probes, name="probes")
    scale = jnp.broadcast_to(jnp.asarray(sigma, y.dtype), y.shape)
    probing: dict[str, Any] = {"difference": difference, "key": key, "probes": probes}
    variance = jnp.square(scale)
    return _estimate(partial(call, denoiser, sigma), y, variance, variance, scale, **probing)


def pure(
    denoiser: str | Callable[..., Array],
    noisy: ArrayLike,
    noise: Poisson | PoissonGaussian,
    *,
    stabilised: bool = True,
    difference: bool | None = None,
    key: PRNGKeyArray | None = None,
    probes: int = 1,
) -> Float[Array, ""]:
    r"""The Poisson unbiased risk estimate: the mean squared error of a denoiser in photon noise.

    With g units a photon and read-out noise of standard deviation $\sigma$,

    $$\mathrm{PURE} = \frac1N \sum_i \left[ (f_i(y) - y_i)^2 - g y_i - \sigma^2
      + 2 y_i \left(f_i(y) - f_i(y - g e_i)\right)
      + 2 \sigma^2 \frac{\partial f_i}{\partial y_i} \right],$$

    unbiased but for the derivative, which belongs at $y - g e_i$. What one photon less at a pixel
    changes there is not computed pixel by pixel but from directional derivatives, as in `sure`: as
    $\partial_i f_i\, (T(y_i) - T(y_i - g)) / T'(y_i)$, exact to first order in what becomes of the
    transformed pixel, where the denoiser works behind the stabilising transform T, as `jd.denoise`
    does; or as $g\, \partial_i f_i$.

    **Arguments:**

    - `denoiser`: called as `denoiser(noisy, noise)`, such as `partial(jd.denoise, method="nlm")`,
        or the name of a method.
    - `noisy`: an image of any shape that the denoiser takes.
    - `noise`: `Poisson` or `PoissonGaussian`.
    - `stabilised`: whether the denoiser works behind the transform. Static.
    - `difference`, `key`, `probes`: as in `sure`.

    **Returns:** a scalar in squared units of the image. It can be negative.

    **Raises:** `TypeError` for another noise model; `ValueError` as `sure`.

    **References:** Luisier, Blu & Unser, "Image denoising in mixed Poisson-Gaussian noise", IEEE
    TIP 2011, theorem 1. Le Montagner, Angelini & Olivo-Marin, "An unbiased risk estimator for image
    denoising in the presence of mixed Poisson-Gaussian noise", IEEE TIP 2014 (the probes).
    """
    denoiser = find(denoiser)
    y = as_image(noisy)
    if not isinstance(noise, Poisson | PoissonGaussian):
        kind = type(noise).__name__
        raise TypeError(f"noise must be Poisson or PoissonGaussian, got {kind}; `sure` is Gaussian")
    check_count(probes, name="probes")
    if isinstance(noise, Poisson):
        gain, sigma = 1 / jnp.asarray(noise.peak, y.dtype), jnp.zeros((), y.dtype)
    else:
        gain, sigma = jnp.asarray(noise.gain, y.dtype), jnp.asarray(noise.sigma, y.dtype)
    read_out = jnp.square(sigma)
    root = noise.stabilise(y) / 2
    photon = gain
    if stabilised:
        before = safe_sqrt(jnp.square(root) - 1)
        # root - before, without its cancellation where there are many photons
        less = safe_divide(jnp.minimum(jnp.square(root), 1), root + before)
        photon = 2 * gain * root * less
    variance = gain * y + read_out
    weight = photon * y + read_out
    # Of probes: the standard deviation, that of the transform where there are no photons.
    scale = gain * jnp.maximum(root, (3 / 8) ** 0.5)
    probing: dict[str, Any] = {"difference": difference, "key": key, "probes": probes}
    return _estimate(partial(call, denoiser, noise), y, variance, weight, scale, **probing)


def _estimate(
    denoise: Callable[[Array], Array],
    y: Array,
    variance: Array,
    weight: Array,
    scale: Array,
    **probing: Any,
) -> Array:
    out, divergence = weighted_divergence(denoise, y, weight, scale, **probing)
    return jnp.mean(jnp.square(out - y) - variance) + 2 * divergence / y.size
