"""Denoisers tuned on the noisy image alone, by the gradient of an estimate of their risk."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike
from jaxtyping import Float, PRNGKeyArray

from jaxdenoise._core.checks import check_choice, check_count, check_parameter, check_real
from jaxdenoise._core.foreign import standard_promotion
from jaxdenoise._core.safe import safe_sqrt
from jaxdenoise.noise import Gaussian, NoiseModel, Poisson, PoissonGaussian
from jaxdenoise.registry import strengths
from jaxdenoise.risk.bracket import Bracket, bracket
from jaxdenoise.risk.denoising import as_image, call, find
from jaxdenoise.risk.estimates import pure, sure
from jaxdenoise.risk.j_invariance import j_invariant_loss

# Adam's rate in the logarithm, falling to 0 by half a cosine.
_RATE = 0.3
# Of Adam: short memories, for a curve of one or two numbers that is not noisy.
_MOMENTS = 0.3, 0.7
# Of all probes together.
_SIGNS = 2**16
# So many numbers are differentiated forward, the risk's own directional derivative with them;
# more in reverse.
_FORWARD = 4


class Tuned(NamedTuple):
    """What `tune` found."""

    parameters: Any  # like those it started from
    risk: Float[Array, " steps"]  # at every step, before it was taken
    path: Any  # the parameters at every step, with a leading axis
    image: Array  # denoised with the parameters of the least risk
    bracket: Bracket  # the points tried before the first step


def tune(
    denoiser: str | Callable[..., Array],
    noisy: ArrayLike,
    noise: Any,
    parameters: dict[str, Any] | None = None,
    *,
    objective: str | Callable[[Array], Array] = "sure",
    optimizer: Any = None,
    reach: int | float = 64,
    steps: int = 15,
    key: PRNGKeyArray | None = None,
    probes: int | None = None,
    callback: Callable[[Array, Array], None] | None = None,
    channel_axis: int | None = None,
) -> Tuned:
    r"""Find the parameters of any denoiser by which an estimate of its risk is least.

    The risk of f(y; theta) is minimised in u, where theta = theta_0 exp(u): steps are percentages,
    and every parameter keeps its sign. The start of the descent, with optax, is the best of a few:
    all parameters are scaled by powers of 2 up to `reach`, then each of up to four numbers alone.
    The probes of the risk are the same throughout, so that it is one function, and its divergence
    is found by finite differences.

    **Arguments:**

    - `denoiser`: called as `denoiser(noisy, noise, **parameters)`; where `noise` is `None` as
        `denoiser(noisy, **parameters)`, and sigma may be one of the parameters. Or the name of a
        method, for `partial(jd.denoise, method=...)`, which photon noise needs. Static, as the
        objective is: a new function compiles anew.
    - `noisy`: an image that the denoiser takes.
    - `noise`: sigma, a noise map, or a noise model (`Gaussian`, `Poisson`, `PoissonGaussian`).
    - `parameters`: starting values by name, traced ones of the denoiser: scalars, maps, or trees.
        Default, for the name of a method: `strengths(name)`.
    - `objective`: `"sure"` minimises `sure`, or `pure` where the noise is of photons;
        `"j_invariant"` minimises `j_invariant_loss` on a single grid and needs no noise; a function
        of the denoised image is maximised, such as `lambda x: jd.ssim(x, clean, data_range=1)`.
    - `optimizer`: of optax, on u. Default: Adam at a rate of 0.3 that falls to 0 over the steps.
        Static.
    - `reach`: the largest factor that a starting value is scaled by before the descent, at least
        1, which leaves it as it is. Static.
    - `steps`: of the optimiser.
    - `key`, `probes`: of the risk, as in `sure`. Default: as many probes as make 2^16 signs, one
        from 256 x 256 pixels on; with fewer the risk has false minima where little is smoothed.
    - `callback`: called as `callback(step, risk)` while the steps of the optimiser are taken, from
        outside of the compiled program. Static.
    - `channel_axis`: handed on to the denoiser, if not `None`.

    **Returns:** a pytree: `parameters` where the risk was least, `risk` at every step (minus the
    objective where that is maximised), the `path` of the parameters, the denoised `image`, and the
    `bracket`, with the `risk` and the `path` of the points tried before, the first of which is the
    start.

    **Raises:** `ValueError` for parameters that are 0 (steps are multiplicative), not finite or not
    real, and for an unknown method or objective; `TypeError` for noise without a risk estimate.

    **Example:**

    ```python
    tuned = jd.tune("nlm", noisy, 0.1)
    tuned = jd.tune(jd.nlm, noisy, 0.1, {"h": 0.05})
    ```

    **References:** Ramani, Blu & Unser, IEEE TIP 2008; Deledalle, Vaiter, Fadili & Peyre, "Stein
    unbiased gradient estimator of the risk", SIAM Journal on Imaging Sciences 2014.
    """
    y = as_image(noisy)
    check_count(steps, name="steps")
    if not isinstance(reach, int | float) or not 1 <= reach < math.inf:
        raise ValueError(f"reach must be a number, at least 1, got {reach!r}")
    given, denoiser = denoiser, find(denoiser)
    if parameters is None:
        channels = 1 if channel_axis is None else y.shape[channel_axis]
        axes = y.ndim - (channel_axis is not None)
        parameters = _defaults(given, noise, channels, axes)
    _check_start(parameters)
    if not callable(objective):
        check_choice(objective, ("sure", "j_invariant"), name="objective")
        if noise is None and objective == "sure":
            raise ValueError("noise must be given for the objective 'sure', got None")
    start = jax.tree.map(lambda value: jnp.asarray(value).astype(y.dtype), parameters)
    if isinstance(noise, Gaussian):
        noise = noise.sigma
    if isinstance(noise, NoiseModel) and not isinstance(noise, Poisson | PoissonGaussian):
        raise TypeError(f"noise must be Gaussian or of photons, got {type(noise).__name__}")
    if not isinstance(noise, NoiseModel | None):
        check_parameter(noise, noisy, name="noise")
    if channel_axis is not None:
        denoiser = partial(denoiser, channel_axis=channel_axis)
    if probes is None:
        probes = max(_SIGNS // y.size, 1)
    task = _Task(_comparable(denoiser), objective, probes, channel_axis)
    static = {"denoiser": task.denoiser, "objective": objective, "optimizer": optimizer}
    for name, value in static.items():
        try:
            hash(value)
        except TypeError:
            raise TypeError(
                f"{name} must be hashable, as a function is or a `partial` of numbers and texts; "
                "one that holds arrays can be wrapped in a function"
            ) from None
    return _tune(task, optimizer, reach, steps, callback, y, noise, start, key)


def _defaults(denoiser: object, noise: Any, channels: int, axes: int) -> dict[str, Array]:
    if not isinstance(denoiser, str) or noise is None:
        what = "a function" if noise is not None else "noise=None"
        raise ValueError(f"parameters must be given for {what}, got None")
    if isinstance(noise, Gaussian):
        noise = noise.sigma
    # Behind a transform the noise is 1.
    sigma = 1.0 if isinstance(noise, NoiseModel) else safe_sqrt(jnp.mean(jnp.square(noise)))
    return strengths(denoiser, sigma, channels=channels, axes=axes)


def _check_start(parameters: Any) -> None:
    if not isinstance(parameters, dict):
        raise TypeError(f"parameters must be a dict, got {type(parameters).__name__}")
    if not jax.tree.leaves(parameters):
        raise ValueError("parameters must name at least one starting value, got none")
    for path, value in jax.tree_util.tree_leaves_with_path(parameters):
        name = f"parameters{jax.tree_util.keystr(path)}"
        check_real(value, name=name)
        known = np.ones(()) if isinstance(value, Tracer) else np.asarray(value)
        if not np.all(np.isfinite(known) & (known != 0)):
            raise ValueError(f"{name} must be finite and not 0 to start from, got {value}")


class _Partial(NamedTuple):
    """A `partial` equal to others of the same function and arguments, as jit's cache needs it."""

    function: Callable[..., Array]
    arguments: tuple
    keywords: tuple[tuple[str, Any], ...]

    def __call__(self, *arguments: Any, **keywords: Any) -> Array:
        return self.function(*self.arguments, *arguments, **dict(self.keywords) | keywords)


def _comparable(denoiser: Callable[..., Array]) -> Callable[..., Array]:
    if not isinstance(denoiser, partial):
        return denoiser
    return _Partial(denoiser.func, denoiser.args, tuple(sorted(denoiser.keywords.items())))


class _Task(NamedTuple):
    denoiser: Callable[..., Array]
    objective: str | Callable[[Array], Array]
    probes: int
    channel_axis: int | None

    def risk(self, y: Array, noise: Any, parameters: dict[str, Any], key: Any) -> Array:
        denoiser = partial(self.denoiser, **parameters)
        if callable(self.objective):
            value = self.objective(call(denoiser, noise, y))
            if jnp.shape(value):
                raise ValueError(f"objective must be a scalar, got shape {jnp.shape(value)}")
            return -jnp.asarray(value).astype(y.dtype)
        if self.objective == "j_invariant":
            return j_invariant_loss(denoiser, y, noise, masks=1, channel_axis=self.channel_axis)
        if isinstance(noise, Poisson | PoissonGaussian):
            return pure(denoiser, y, noise, difference=True, key=key, probes=self.probes)
        return sure(denoiser, y, noise, difference=True, key=key, probes=self.probes)


@partial(jax.jit, static_argnames=("task", "optimizer", "reach", "steps", "callback"))
def _tune(task, optimizer, reach, steps, callback, y, noise, start, key):
    import optax

    if optimizer is None:
        optimizer = optax.adam(optax.cosine_decay_schedule(_RATE, steps), *_MOMENTS)
    # Added to a zero of the data: under `shard_map` all vary over the same mesh axes.
    zero = jnp.sum(jnp.zeros_like(y))
    start = jax.tree.map(lambda value: value + zero, start)
    _, to_tree = ravel_pytree(start)

    def parameters(u: Array) -> Any:
        return jax.tree.map(lambda value, u: value * jnp.exp(u), start, to_tree(u))

    def risk_of(u: Array) -> Array:
        return task.risk(y, noise, parameters(u), key)

    size = sum(leaf.size for leaf in jax.tree.leaves(start))
    u, tried, risks = bracket(risk_of, zero + jnp.zeros(size, y.dtype), reach)
    slope = _slope(risk_of, size)

    def step(state: tuple, number: Array) -> tuple[tuple, tuple[Array, Any]]:
        u, optimizer_state, best, least = state
        risk, gradient = slope(u)
        if callback is not None:
            jax.debug.callback(callback, number, risk, ordered=False)
        better = risk < least
        best, least = jnp.where(better, u, best), jnp.where(better, risk, least)
        with standard_promotion():
            updates, optimizer_state = optimizer.update(gradient, optimizer_state, u)
        return (u + updates, optimizer_state, best, least), (risk, parameters(u))

    state = u, optimizer.init(u), u, zero + jnp.inf
    (_, _, best, _), (risk, path) = lax.scan(step, state, jnp.arange(steps))
    found = parameters(best)
    image = call(partial(task.denoiser, **found), noise, y)
    return Tuned(found, risk, path, image, Bracket(risks, jax.vmap(parameters)(tried)))


def _slope(risk: Callable[[Array], Array], size: int) -> Callable[[Array], tuple[Array, Array]]:
    """The risk and its gradient; forward where the numbers are few, which needs no memory."""
    if size > _FORWARD:
        return jax.value_and_grad(risk)

    def forward(u: Array) -> tuple[Array, Array]:
        directions = jnp.eye(size, dtype=u.dtype) + jnp.zeros_like(u)[None]
        values, slopes = lax.map(lambda direction: jax.jvp(risk, (u,), (direction,)), directions)
        return values[0], slopes

    return forward
