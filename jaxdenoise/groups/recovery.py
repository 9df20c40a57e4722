"""Robust subspace recovery: the trace functional over projections, with a weight for every point.

For points y_j in R^d, the projections U U^T of rank r and weights w,

    J(U, w) = tr[(I - U U^T) Sigma(w)] + lambda phi(w),   Sigma(w) = sum_j a_j w_j y_j y_j^T,

where phi(w) = sum_j a_j phi(w_j) is the half-quadratic conjugate of a robust loss: minimised over
the weights J is the sum of the losses of the points' distances to the subspace.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Int

from jaxdenoise._core.checks import (
    check_choice,
    check_count,
    check_nonnegative,
    check_real,
    check_scalar,
)
from jaxdenoise._core.inverse import inverse_sqrt, spd_inverse
from jaxdenoise._core.planes import compute_dtype
from jaxdenoise._core.safe import safe_divide

# The share of points, those nearest to the subspace, beyond which distances count as large: few, so
# that the points of the subspace may be as few. More than those that any subspace can go through.
_NEAREST, _MORE_THAN_RANK = 0.05, 2
# Power steps to the spectral start.
_POWER_STEPS = 30


class _Loss(NamedTuple):
    """A loss of t = squared distance / lambda, in units of lambda, by its half-quadratic form."""

    weight: Callable[[Array], Array]  # the minimiser of w t + conjugate(w), the loss's slope in t
    conjugate: Callable[[Array], Array]


_LOSSES = {
    # 2 sqrt(t) - 1 where t > 1
    "huber": _Loss(lambda t: lax.rsqrt(jnp.maximum(t, 1)), lambda w: 1 / w - 1),
    # t / (1 + t)
    "geman_mcclure": _Loss(lambda t: (1 + t) ** -2, lambda w: jnp.square(jnp.sqrt(w) - 1)),
    # log(1 + t)
    "student_t": _Loss(lambda t: 1 / (1 + t), lambda w: w - 1 - jnp.log(w)),
}


class RecoveredSubspace(NamedTuple):
    """What `recover_subspace` found, and how."""

    basis: Float[Array, "d rank"]  # orthonormal
    weights: Float[Array, " n"]  # from 1, on the subspace, to 0
    mean: Float[Array, " d"]  # 0 unless centred
    objective: Float[Array, " iterations"]  # J before every step, at its scale; then the last
    converged: Bool[Array, ""]  # the last step turned the subspace by less than the tolerance
    iterations: Int[Array, ""]  # steps that were made


class _State(NamedTuple):
    basis: Array
    mean: Array
    scale: Array  # lambda, a squared distance
    weights: Array
    memory: Any  # the optimizer's
    objective: Array
    converged: Array
    iterations: Array


def recover_subspace(
    points: ArrayLike,
    rank: int,
    *,
    loss: Literal["huber", "geman_mcclure", "student_t"] = "huber",
    weights: ArrayLike | None = None,
    scale: ArrayLike = 0.0,
    centred: bool = False,
    start: ArrayLike | None = None,
    iterations: int = 50,
    tolerance: float = 1e-5,
    optimizer: Any = None,
) -> RecoveredSubspace:
    r"""The subspace that most of the points lie in or near, whatever the others are.

    $$\min_{U^T U = I,\; w}\; \mathrm{tr}[(I - U U^T) \Sigma(w)] + s^2 \sum_j a_j \varphi(w_j),
    \qquad \Sigma(w) = \sum_j a_j w_j (y_j - \mu)(y_j - \mu)^T$$

    The weights have a closed form in $t_j = \|(I - U U^T)(y_j - \mu)\|^2 / s^2$:

    | loss | of t | w |
    |---|---|---|
    | `huber` | t up to 1, $2 \sqrt t - 1$ above | $\min(1, t^{-1/2})$ |
    | `geman_mcclure` | $t / (1 + t)$ | $(1 + t)^{-2}$ |
    | `student_t` | $\log(1 + t)$ | $(1 + t)^{-1}$ |

    The scale s is smoothed dynamically: at every step it becomes the 5 % quantile of the distances
    (beyond 2 r points at least) where that is smaller. So Huber's loss tends to the sum of
    distances, and points exactly in a subspace are found exactly. U takes a step of `optimizer`
    along the gradient on the Grassmannian, in the metric of $U^T \Sigma U$,

    $$G = -(I - U U^T) \Sigma U (U^T \Sigma U)^{-1},$$

    and returns to orthonormal columns by the polar factor, Newton's and Schulz's. A step of -G is
    one of the power method on $\Sigma(w)$, and never raises J.

    It differentiates with respect to everything but integers. A basis is determined up to a
    rotation; differentiate what does not depend on one, such as $U U^T$.

    **Arguments:**

    - `points`: (n, d); groups of points by `jax.vmap`.
    - `rank`: the dimension of the subspace, at most d.
    - `loss`: of the distances. Huber's is the closest to convex; the others forget far points
        faster, and recover from more outliers and with more noise (`benchmarks/landscape.py`).
    - `weights`: $a_j$, what a point counts for, (n,), not negative; default 1. Where none is
        positive all count alike.
    - `scale`: the least s, in the units of the points: the distance at which a point that belongs
        may lie. For noise of standard deviation sigma per coordinate $\sigma \sqrt{d - r}$. The
        default leaves rounding as the only bound.
    - `centred`: whether the subspace passes through the weighted mean $\mu$ of the points, started
        from their median, instead of the origin.
    - `start`: a basis (d, rank) to start from. Default: spherical PCA, the dominant subspace of
        the points moved to the unit sphere, by power steps.
    - `iterations`: the most steps. Usually far fewer are made; near the limit of what can be
        recovered Huber's loss needs hundreds, and `converged` tells.
    - `tolerance`: on the sine of the angle by which a step turns the subspace, after which no more
        are made.
    - `optimizer`: of optax, one that needs nothing but the gradient G; default `optax.sgd(1.0)`,
        the power step. It is static: make it once, since another one compiles anew.

    **Returns:** a `RecoveredSubspace` with `basis`, `weights`, `mean`, `objective`, `converged` and
    `iterations`.

    **Raises:** `ValueError` for points that are not an array (n, d), a rank that is not from 1 to
    d, a start or weights of another shape, negative numbers, or an unknown loss.

    **References:** Lerman & Maunu, "Fast, robust and non-convex subspace recovery", Information
    and Inference 2018; Maunu, Zhang & Lerman, "A well-tempered landscape for non-convex robust
    subspace recovery", JMLR 2019; arXiv:2506.20533 (dynamic smoothing). Black & Rangarajan, "On
    the unification of line processes, outlier rejection, and robust statistics", IJCV 1996.
    """
    check_real(points, name="points")
    shape = jnp.shape(points)
    if len(shape) != 2 or 0 in shape:
        raise ValueError(f"points must be an array (n, d), not empty, got shape {shape}")
    n, d = shape
    check_count(rank, name="rank")
    if rank > d:
        raise ValueError(f"rank must be at most the {d} dimensions of the points, got {rank}")
    check_choice(loss, tuple(_LOSSES), name="loss")
    check_scalar(scale, name="scale")
    check_count(iterations, name="iterations")
    for value, expected, name in ((weights, (n,), "weights"), (start, (d, rank), "start")):
        if value is not None:
            check_real(value, name=name)
            if jnp.shape(value) != expected:
                raise ValueError(f"{name} must have shape {expected}, got {jnp.shape(value)}")
    if weights is not None:
        check_nonnegative(weights, name="weights")
    return _recover(
        points, rank, loss, weights, scale, centred, start, iterations, tolerance, optimizer
    )


@partial(jax.jit, static_argnums=(1, 2, 5, 7, 9))
def _recover(points, rank, loss, weights, scale, centred, start, iterations, tolerance, optimizer):
    import optax  # not before it is needed: it would double the time to import this package

    # Made here: the argument is static, and a new one at every call would compile at every call.
    optimizer = optax.sgd(1.0) if optimizer is None else optimizer
    weight, conjugate = _LOSSES[loss]
    points = jnp.asarray(points, compute_dtype(points))
    given = jnp.ones_like(points[:, 0]) if weights is None else jnp.asarray(weights, points.dtype)
    given = jnp.where(jnp.any(given > 0), given, 1)
    nearest = partial(_nearest_square, counts=given > 0, rank=rank)
    mean = jnp.median(points, axis=0) if centred else jnp.zeros_like(points[0])
    squares = jnp.sum(jnp.square(points - mean[None]), axis=1)
    info = jnp.finfo(points.dtype)
    # A distance of rounding, and something where all points are 0.
    least = jnp.square(10 * info.eps) * nearest(squares) + info.tiny**0.5
    least = jnp.maximum(jnp.square(jnp.asarray(scale, points.dtype)), least)
    if start is None:
        on_sphere = (points - mean[None]) * jnp.sqrt(safe_divide(given, squares))[:, None]
        basis = _dominant(on_sphere, rank)
    else:
        basis = _orthonormal(jnp.asarray(start, points.dtype))

    @jax.checkpoint
    def step(state: _State) -> _State:
        coordinates, residuals = _split(points - state.mean[None], state.basis)
        squares = jnp.sum(jnp.square(residuals), axis=1)
        s2 = jnp.maximum(jnp.minimum(state.scale, nearest(squares)), least)
        w = weight(squares / s2)
        a = given * w
        slope = _power_slope(coordinates, residuals, a)
        change, memory = optimizer.update(slope, state.memory, state.basis)
        moved: Any = optax.apply_updates(state.basis, change)
        basis = _orthonormal(moved)
        turned = basis - state.basis @ (state.basis.T @ basis)
        mean = a @ points / jnp.sum(a) if centred else state.mean
        objective = jnp.sum(given * (w * squares + s2 * conjugate(w)))
        converged = jnp.linalg.norm(turned) <= tolerance
        return _State(basis, mean, s2, w, memory, objective, converged, state.iterations + 1)

    def advance(state: _State, _) -> tuple[_State, Array]:
        state = lax.cond(state.converged, lambda state: state, step, state)
        return state, state.objective

    infinite, zero, none = jnp.full_like(least, jnp.inf), jnp.zeros_like(least), jnp.int32(0)
    memory, weights = optimizer.init(basis), jnp.ones_like(given)
    state = _State(basis, mean, infinite, weights, memory, zero, jnp.zeros((), bool), none)
    state, objective = lax.scan(advance, state, None, length=iterations)
    return RecoveredSubspace(
        state.basis, state.weights, state.mean, objective, state.converged, state.iterations
    )


def _nearest_square(squares: Array, counts: Array, rank: int) -> Array:
    """A quantile of squared distances, of the points that count."""
    in_order = jnp.sort(jnp.where(counts, squares, jnp.inf))
    last = jnp.sum(counts, dtype=squares.dtype) - 1
    place = jnp.minimum(jnp.maximum(_NEAREST * last, _MORE_THAN_RANK * rank), last)
    return lax.dynamic_index_in_dim(in_order, place.astype(jnp.int32), keepdims=False)


def _split(y: Array, basis: Array) -> tuple[Array, Array]:
    """Coordinates in the subspace, and what lies outside of it."""
    coordinates = y @ basis
    return coordinates, y - coordinates @ basis.T


def _power_slope(coordinates: Array, residuals: Array, a: Array) -> Array:
    """-(I - U U^T) Sigma U (U^T Sigma U)^-1, from what lies in the subspace and what does not."""
    weighted = coordinates * a[:, None]
    return -residuals.T @ weighted @ spd_inverse(coordinates.T @ weighted)


def _dominant(y: Array, rank: int) -> Array:
    """The dominant subspace of the second moment of y, from a start that is no point's own."""
    start = jax.random.normal(jax.random.key(0), (y.shape[1], rank), y.dtype)

    def improve(basis: Array, _) -> tuple[Array, None]:
        coordinates, residuals = _split(y, basis)
        slope = _power_slope(coordinates, residuals, jnp.ones_like(y[:, 0]))
        return _orthonormal(basis - slope), None

    return lax.scan(improve, _orthonormal(start), None, length=_POWER_STEPS)[0]


def _orthonormal(basis: Array) -> Array:
    """The polar factor: the nearest matrix of orthonormal columns."""
    return basis @ inverse_sqrt(basis.T @ basis)
