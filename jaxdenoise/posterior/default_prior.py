"""The recommended prior, built from the noisy image alone."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from jaxdenoise._core.checks import check_image
from jaxdenoise._core.planes import as_float
from jaxdenoise.groups import bm3d, robust_subspace, subspace
from jaxdenoise.noise import Gaussian, Impulse, NoiseModel, Poisson, PoissonGaussian
from jaxdenoise.posterior.density import check_noisy
from jaxdenoise.posterior.prior import Scaled
from jaxdenoise.posterior.strength import mean_variance, risk_of
from jaxdenoise.posterior.trace_prior import TracePrior

# Flat around its best, at all noise levels and peaks that were tried: patches overlap, and so are
# not as many independent observations as they are.
_WEIGHT = 0.5
# Variances left beside a group's subspace that are tried, in units of the noise, and the usual one;
# and how far, in logarithms, the risk is usually from the posterior variance that this one gives.
_FLOORS = (0.01, 0.02, 0.04, 0.08)
_USUAL = 1
_DEVIATION = 0.2


def default_prior(
    noisy: ArrayLike, noise: ArrayLike | NoiseModel, *, channel_axis: int | None = None
) -> Scaled:
    r"""The prior for `map_estimate` and `sample` that needs nothing but the noisy image.

    A `TracePrior`, learnt from a pilot: `subspace` for Gaussian noise, `robust_subspace` among
    impulses, and for photons `bm3d` behind Anscombe's transform, which takes less harm than
    `subspace` where they are few. Its weight is 1/2. Its `floor`, which decides how wide the
    posterior is, makes the posterior true to itself: the mean posterior variance of a pixel, by
    Laplace's approximation, is the estimated risk (SURE, for photons PURE) of the maximum.
    The estimate is worth its own uncertainty, about sqrt(2 / N) of the noise's variance, and is
    weighed against what is usual, a floor of 0.02: small images do not say much. Among
    impulses, for which there is no risk estimate, the floor is 0.02.

    **Arguments:**

    - `noisy`: 2-D, with or without a channel axis.
    - `noise`: sigma, a map of it, or `Gaussian`, `Impulse`, `Poisson` or `PoissonGaussian`.
    - `channel_axis`: the axis of the channels, `None` for grey.

    **Returns:** a `TracePrior` times its weight. Its memory is 5 kB for every reference, of which
    there is one every 3 x 3 pixels.

    **Raises:** `ValueError` for wrong shapes, pixels that are not finite or counts below 0;
    `TypeError` for other noise models.

    **Example:**

    ```python
    prior = jd.default_prior(noisy, 0.1)
    ```
    """
    check_image(noisy, channel_axis=channel_axis, name="noisy")
    check_noisy(noisy, noise)
    noise = noise if isinstance(noise, NoiseModel) else Gaussian(noise)
    if not isinstance(noise, Gaussian | Impulse | Poisson | PoissonGaussian):
        raise TypeError(f"noise must be one of this package's models, got {type(noise).__name__}")
    return _default_prior(noisy, noise, channel_axis)


@partial(jax.jit, static_argnums=2)
def _default_prior(noisy, noise, channel_axis):
    y = as_float(noisy)

    def pilot(y: Array) -> Array:
        return _pilot(y, noise, channel_axis)

    def built(pilot: Array, floor: ArrayLike) -> Scaled:
        return Scaled(
            _WEIGHT, TracePrior.learn(pilot, noise, floor=floor, channel_axis=channel_axis)
        )

    first = pilot(y)
    floors = jnp.asarray(_FLOORS, y.dtype)
    if isinstance(noise, Impulse):
        return built(first, floors[_USUAL])
    risk = risk_of(y, noise, lambda y: built(pilot(y), floors[_USUAL]))
    variances = lax.map(lambda floor: mean_variance(y, noise, built(first, floor), first), floors)
    least = jnp.finfo(y.dtype).tiny
    usual = jnp.maximum(variances[_USUAL], least)
    known = 2 * jnp.mean(jnp.square(noise.variance(y) / usual)) / y.size
    share = _DEVIATION**2 / (_DEVIATION**2 + known)
    # As far from the usual, in logarithms, as the risk is, and it can be told.
    ratio = jnp.clip(risk / usual, 0.3, 3)
    wanted = jnp.log(usual) + share * jnp.log(ratio)
    # Variances grow with the floor, like a power of it.
    logs = jnp.log(jnp.maximum(variances, least)), jnp.log(floors)
    floor = jnp.exp(jnp.interp(wanted, *logs))
    return built(first, lax.stop_gradient(floor))


def _pilot(y: Array, noise: NoiseModel, channel_axis: int | None) -> Array:
    if isinstance(noise, Gaussian):
        return subspace(y, noise.sigma, channel_axis=channel_axis)
    if isinstance(noise, Impulse):
        return robust_subspace(y, noise, channel_axis=channel_axis)
    assert isinstance(noise, Poisson | PoissonGaussian)
    return noise.unstabilise(bm3d(noise.stabilise(y), 1.0, channel_axis=channel_axis))
