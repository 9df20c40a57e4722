"""The trace functional: the risk of denoising a group of patches by combining them linearly.

A group is Y = X + W in R^{k x n}, k patches of n pixels; row j of the noise W has the expected
squared norm nu_j. Its estimate is Theta Y, and with S = X X^T the risk E ||Theta Y - X||^2 is

    J(Theta) = tr[(I - Theta) S (I - Theta)^T] + tr(Theta D Theta^T),    D = diag(nu).
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Bool, Float

from jaxdenoise._core.checks import check_choice, check_count, check_nonnegative, check_real
from jaxdenoise._core.inverse import inverse_factor, inverse_sqrt, spd_inverse
from jaxdenoise._core.planes import float_dtype

# Of a patch's noise, where 1 is a pixel's on average: 1 / nu^2 must not overflow.
_LEAST_ENERGY = 1e-12
# Of what a group holds in a direction, relative to the noise it should hold there.
LEAST_RATIO = 0.003


def trace_risk(
    theta: ArrayLike, second_moment: ArrayLike, noise_energy: ArrayLike
) -> Float[Array, "..."]:
    r"""The quadratic risk of combining patches linearly, as a trace functional.

    $$J(\Theta) = \mathrm{tr}[(I - \Theta) S (I - \Theta)^T]
    + \mathrm{tr}(\Theta D \Theta^T), \qquad D = \mathrm{diag}(\nu)$$

    For $S = X X^T$ of the clean group and $\nu = n \sigma^2$ it is $E \|\Theta Y - X\|_F^2$. For
    $S = Y Y^T - D$ of the noisy group its mean over the noise is the same (SURE).

    **Arguments:**

    - `theta`: (..., k, k), row i the coefficients of patch i's estimate.
    - `second_moment`: S, (..., k, k), symmetric.
    - `noise_energy`: nu, the expected squared norm of a patch's noise: (...), or (..., k) where
        the patches differ.

    **Returns:** the risk, (...), in squared units of the image.

    **Raises:** `ValueError` if `theta` and `second_moment` are not square and of one order.

    **References:** Herbreteau & Kervrann, "Towards a unified view of unsupervised non-local methods
    for image denoising: the NL-Ridge approach", ICIP 2022 (equations 5 and 8).
    """
    check_real(theta, name="theta")
    second_moment = _square(second_moment)
    theta = jnp.asarray(theta, second_moment.dtype)
    if theta.shape[-2:] != second_moment.shape[-2:]:
        raise ValueError(
            f"theta must be square of the order of second_moment, {second_moment.shape[-2:]}, "
            f"got shape {theta.shape}"
        )
    missed = _eye(theta) - theta
    bias = jnp.sum((missed @ second_moment) * missed, axis=(-2, -1))
    nu = _energies(noise_energy, second_moment)
    return bias + jnp.sum(jnp.square(theta) * nu.mT, axis=(-2, -1))


def minimise_trace_risk(
    second_moment: ArrayLike,
    noise_energy: ArrayLike,
    *,
    constraint: Literal["linear", "affine"] = "affine",
) -> Float[Array, "..."]:
    r"""The minimiser of `trace_risk` in closed form.

    With $M = (S + D)^{-1}$ it is $\Theta = S M = I - D M$, and under the affine constraint
    $\Theta 1 = 1$, by which a constant added to the group is added to its estimate,

    $$\Theta = I - D M + \frac{D M 1 1^T M}{1^T M 1}.$$

    **Arguments:**

    - `second_moment`: S, (..., k, k), symmetric and positive definite together with D.
    - `noise_energy`: nu, (...), or (..., k) where the patches differ.
    - `constraint`: `"linear"` for none, `"affine"` for rows that sum to 1.

    **Returns:** theta, (..., k, k).

    **Raises:** `ValueError` if `second_moment` is not square, for a `noise_energy` of another
    shape or with negative numbers, or for an unknown constraint.

    **References:** Herbreteau & Kervrann, ICIP 2022 (equation 9), and "Linear combinations of
    patches are unreasonably effective for single-image denoising", IEEE TIP 2024 (affine).
    """
    check_choice(constraint, ("linear", "affine"), name="constraint")
    second_moment = _square(second_moment)
    eye = _eye(second_moment)
    nu = _energies(noise_energy, second_moment)
    m = spd_inverse(second_moment + nu * eye)
    theta = eye - nu * m
    if constraint == "affine":
        sums = jnp.sum(m, axis=-1, keepdims=True)
        theta = theta + nu * sums @ sums.mT / jnp.sum(sums, axis=-2, keepdims=True)
    return theta


class TraceMinimum(NamedTuple):
    """What `descend_trace_risk` found, and how."""

    theta: Float[Array, "..."]
    objective: Float[Array, "..."]  # before every step, (iterations,)
    converged: Bool[Array, ""]  # the last step changed theta by less than the tolerance


def descend_trace_risk(
    second_moment: ArrayLike,
    noise_energy: ArrayLike,
    regulariser: Callable[[Array], Array] | None = None,
    *,
    constraint: Literal["linear", "affine"] = "affine",
    optimizer: Any = None,
    iterations: int = 100,
    tolerance: float = 1e-6,
) -> TraceMinimum:
    r"""Minimise `trace_risk` and a regulariser of Theta, by optax.

    $$\min_\Theta\; J(\Theta) + R(\Theta)$$

    for an R without closed form, such as a norm of Theta's entries that makes it sparse. The
    descent starts from the minimiser without R, and runs over $\Phi$ in $\Theta = \Theta_0 +
    \Phi (S + D)^{-1/2}$, in which J has the same curvature in all directions, whatever the
    eigenvalues of S; under the affine constraint the mean is taken off the rows of what is added.

    **Arguments:**

    - `second_moment`: S, (k, k), symmetric and positive definite together with D; groups by vmap.
    - `noise_energy`: nu, a scalar or (k,).
    - `regulariser`: R, a differentiable function of theta (k, k) to a scalar; `None` for 0.
    - `constraint`: `"linear"` for none, `"affine"` for rows that sum to 1.
    - `optimizer`: of optax; default `optax.lbfgs()`.
    - `iterations`: the number of its steps.
    - `tolerance`: of a step, relative to the norm of theta, for `converged`.

    **Returns:** a `TraceMinimum` with `theta`, `objective` before each step, and `converged`.

    **Raises:** `ValueError` if `second_moment` is not a square matrix, for an unknown constraint or
    a number of iterations below 1.
    """
    import optax  # not before it is needed: it would double the time to import this package

    check_choice(constraint, ("linear", "affine"), name="constraint")
    check_count(iterations, name="iterations")
    second_moment = _square(second_moment)
    if second_moment.ndim != 2:
        raise ValueError(f"second_moment must be one matrix, got shape {second_moment.shape}")
    optimizer = optax.lbfgs() if optimizer is None else optax.with_extra_args_support(optimizer)
    eye = _eye(second_moment)
    nu = _energies(noise_energy, second_moment)
    metric = inverse_sqrt(second_moment + nu * eye)
    if constraint == "affine":
        metric = metric - jnp.mean(metric, axis=1, keepdims=True)
    start = minimise_trace_risk(second_moment, noise_energy, constraint=constraint)

    def theta(phi: Array) -> Array:
        return start + phi @ metric

    def objective(phi: Array) -> Array:
        risk = trace_risk(theta(phi), second_moment, noise_energy)
        return risk if regulariser is None else risk + regulariser(theta(phi))

    def step(state: tuple[Array, Any], _) -> tuple[tuple[Array, Any], tuple[Array, Array]]:
        phi, memory = state
        value, slope = jax.value_and_grad(objective)(phi)
        given = {"value": value, "grad": slope, "value_fn": objective}
        change, memory = optimizer.update(slope, memory, phi, **given)
        moved: Any = optax.apply_updates(phi, change)
        return (moved, memory), (value, jnp.linalg.norm(theta(moved) - theta(phi)))

    phi = jnp.zeros_like(start)
    (phi, _), (values, steps) = lax.scan(step, (phi, optimizer.init(phi)), None, length=iterations)
    converged = steps[-1] <= tolerance * jnp.linalg.norm(theta(phi))
    return TraceMinimum(theta(phi), values, converged)


class Combined(NamedTuple):
    """Patches after the combination, (groups, k, n), and two facts about Theta, (groups, k)."""

    patches: Array
    gain: Array  # the diagonal: what a patch's estimate owes to itself
    noise: Array  # what is left of a patch's noise energy, as a share of it


def combine_by_sure(noisy: Array, nu: Array) -> Combined:
    """The affine minimiser for S = Y Y^T - diag(nu), applied to the group Y itself.

    `nu`, (groups, k), are the patches' noise energies. In units of their square roots D = I. With
    the mean taken off, which the constraint allows, S + D = Y Y^T is singular along u only, the
    weights of the mean; there Theta is the mean. Where the group holds less than the noise should
    alone, Theta would grow without bound, but for the `LEAST_RATIO`.
    """
    k = noisy.shape[1]
    deviation, unit, u = _units(nu)
    mean = _mean(noisy, u)
    y = (noisy - mean) * unit
    along_mean = u * u.mT
    eye = jnp.eye(k, dtype=y.dtype)[None]
    floor = LEAST_RATIO * (eye - along_mean)
    theta = eye - spd_inverse(y @ y.mT + along_mean + floor)
    patches = mean + deviation * (theta @ y)
    return Combined(patches, *(f(theta) + jnp.square(u[..., 0]) for f in (_diagonal, _row_energy)))


def combine_by_pilot(noisy: Array, pilot: Array, nu: Array) -> Combined:
    """The affine minimiser for S = X X^T of a pilot X, applied to the group.

    `nu`, (groups, k), are the patches' noise energies; in units of their square roots D = I. The
    factor is inverted on the smaller side of X. What is computed is the change from the pilot, so
    that without noise, where group and pilot agree, rounding leaves them as they are.
    """
    _, k, n = pilot.shape
    deviation, unit, u = _units(nu)
    x = (pilot - _mean(pilot, u)) * unit
    residual = noisy - pilot
    mean = _mean(residual, u)
    residual = (residual - mean) * unit
    if k < n:
        eye = jnp.eye(k, dtype=x.dtype)[None]
        keep = spd_inverse(x @ x.mT + eye)
        change = residual - keep @ (x + residual)
        gain, noise = (f(eye - keep) for f in (_diagonal, _row_energy))
    else:
        eye = jnp.eye(n, dtype=x.dtype)[None]
        w = inverse_factor(x.mT @ x + eye)
        # Theta = X N X^T = B B^T, with N = W^T W the inverse, and X (I - N) = Theta X.
        b = x @ w.mT
        change = b @ (b.mT @ residual - w)
        gain = jnp.sum(jnp.square(b), axis=-1)
        noise = jnp.sum((b @ (eye - w @ w.mT)) * b, axis=-1)
    own = jnp.square(u[..., 0])
    return Combined(pilot + mean + deviation * change, gain + own, noise + own)


def _units(nu: Array) -> tuple[Array, Array, Array]:
    """Square roots of the noise energies, (groups, k, 1), their inverses, and those as unit vector.

    Patches with less than a thousandth of the group's noise would leave nothing of the others in
    single precision: `combine_by_pilot` inverts a matrix that holds the square of the ratio.

    What is scaled is multiplied by the inverse. A quotient XLA may turn into that product or not,
    so that programs for one device and for several would not agree to the bit.
    """
    floor = 1e-3 * jnp.mean(nu, axis=1, keepdims=True)
    deviation = jnp.sqrt(jnp.maximum(nu, jnp.maximum(floor, _LEAST_ENERGY)))[..., None]
    unit = 1 / deviation
    return deviation, unit, unit * lax.rsqrt(jnp.sum(jnp.square(unit), axis=1, keepdims=True))


def _mean(group: Array, u: Array) -> Array:
    """The mean patch, weighted by the inverse noise energies."""
    return jnp.sum(jnp.square(u) * group, axis=1, keepdims=True)


def _eye(matrix: Array) -> Array:
    return jnp.broadcast_to(jnp.eye(matrix.shape[-1], dtype=matrix.dtype), matrix.shape)


def _diagonal(theta: Array) -> Array:
    return jnp.diagonal(theta, axis1=1, axis2=2)


def _row_energy(theta: Array) -> Array:
    return jnp.sum(jnp.square(theta), axis=-1)


def _energies(noise_energy: ArrayLike, second_moment: Array) -> Array:
    """Noise energies as a column, (..., k or 1, 1)."""
    check_real(noise_energy, name="noise_energy")
    check_nonnegative(noise_energy, name="noise_energy")
    nu = jnp.asarray(noise_energy, second_moment.dtype)
    batch, k = second_moment.shape[:-2], second_moment.shape[-1]
    if nu.shape == (*batch, k):
        return nu[..., None]
    if nu.shape in ((), batch):
        return jnp.broadcast_to(nu, batch)[..., None, None]
    raise ValueError(
        f"noise_energy must be one number, one for a group, {batch}, or one for each patch, "
        f"{(*batch, k)}, got shape {nu.shape}"
    )


def _square(second_moment: ArrayLike) -> Array:
    check_real(second_moment, name="second_moment")
    second_moment = jnp.asarray(second_moment, float_dtype(second_moment))
    shape = second_moment.shape
    if len(shape) < 2 or shape[-1] != shape[-2] or 0 in shape:
        raise ValueError(f"second_moment must be square and not empty, got shape {shape}")
    return second_moment
