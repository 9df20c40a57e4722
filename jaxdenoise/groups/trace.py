"""The trace functional: the risk of denoising a group of patches by combining them linearly.

A group is Y = X + W in R^{k x n}, k patches of n pixels, with noise of variance sigma^2. Its
estimate is Theta Y, and with S = X X^T and nu = n sigma^2 the risk E ||Theta Y - X||^2 is

    J(Theta) = tr[(I - Theta) S (I - Theta)^T] + nu tr(Theta Theta^T).
"""

import math
from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxdenoise._core.checks import check_choice, check_real
from jaxdenoise._core.inverse import spd_inverse


def trace_risk(
    theta: ArrayLike, second_moment: ArrayLike, noise_energy: ArrayLike
) -> Float[Array, "..."]:
    r"""The quadratic risk of combining patches linearly, as a trace functional.

    $$J(\Theta) = \mathrm{tr}[(I - \Theta) S (I - \Theta)^T] + \nu\, \mathrm{tr}(\Theta\Theta^T)$$

    For $S = X X^T$ of the clean group and $\nu = n \sigma^2$ it is $E \|\Theta Y - X\|_F^2$. For
    $S = Y Y^T - \nu I$ of the noisy group its mean over the noise is the same (SURE).

    **Arguments:**

    - `theta`: (..., k, k), row i the coefficients of patch i's estimate.
    - `second_moment`: S, (..., k, k), symmetric.
    - `noise_energy`: nu, the expected squared norm of a patch's noise, (...).

    **Returns:** the risk, (...), in squared units of the image.

    **Raises:** `ValueError` if `theta` and `second_moment` are not square and of one order.

    **References:** Herbreteau & Kervrann, "Towards a unified view of unsupervised non-local methods
    for image denoising: the NL-Ridge approach", ICIP 2022 (equations 5 and 8).
    """
    check_real(theta, name="theta")
    theta, second_moment = jnp.asarray(theta), _square(second_moment)
    if theta.shape[-2:] != second_moment.shape[-2:]:
        raise ValueError(
            f"theta must be square of the order of second_moment, {second_moment.shape[-2:]}, "
            f"got shape {theta.shape}"
        )
    missed = _eye(theta) - theta
    bias = jnp.sum((missed @ second_moment) * missed, axis=(-2, -1))
    return bias + noise_energy * jnp.sum(jnp.square(theta), axis=(-2, -1))


def minimise_trace_risk(
    second_moment: ArrayLike,
    noise_energy: ArrayLike,
    *,
    constraint: Literal["linear", "affine"] = "affine",
) -> Float[Array, "..."]:
    r"""The minimiser of `trace_risk` in closed form.

    With $M = (S + \nu I)^{-1}$ it is $\Theta = S M = I - \nu M$, and under the affine constraint
    $\Theta 1 = 1$, by which a constant added to the group is added to its estimate,

    $$\Theta = I - \nu M + \nu \frac{M 1 1^T M}{1^T M 1}.$$

    **Arguments:**

    - `second_moment`: S, (..., k, k), symmetric and positive definite together with nu I.
    - `noise_energy`: nu, (...).
    - `constraint`: `"linear"` for none, `"affine"` for rows that sum to 1.

    **Returns:** theta, (..., k, k).

    **Raises:** `ValueError` if `second_moment` is not square, or for an unknown constraint.

    **References:** Herbreteau & Kervrann, ICIP 2022 (equation 9), and "Linear combinations of
    patches are unreasonably effective for single-image denoising", IEEE TIP 2024 (affine).
    """
    check_choice(constraint, ("linear", "affine"), name="constraint")
    second_moment = _square(second_moment)
    eye = _eye(second_moment)
    nu = jnp.asarray(noise_energy, second_moment.dtype)[..., None, None]
    m = spd_inverse(second_moment + nu * eye)
    theta = eye - nu * m
    if constraint == "affine":
        sums = jnp.sum(m, axis=-1, keepdims=True)
        theta = theta + nu * sums @ sums.mT / jnp.sum(sums, axis=-2, keepdims=True)
    return theta


class Combined(NamedTuple):
    """Patches after the combination, (groups, k, n), and two facts about Theta, (groups, k)."""

    patches: Array
    gain: Array  # the diagonal: what a patch's estimate owes to itself
    noise: Array  # squared norms of the rows: the share of the noise variance that stays


def combine_by_sure(noisy: Array, nu: Array) -> Combined:
    """The affine minimiser for S = Y Y^T - nu I, applied to the group Y itself.

    With the mean patch taken off, which the constraint allows, S + nu I = Y Y^T is singular along
    1 only; there Theta is the mean.
    """
    k = noisy.shape[1]
    mean, y = _centred(noisy)
    nu = nu[:, None, None]
    theta = jnp.eye(k, dtype=y.dtype)[None] - nu * _safe_inverse(y @ y.mT + nu / k)
    return Combined(mean + theta @ y, _diagonal(theta) + 1 / k, _row_energy(theta) + 1 / k)


def combine_by_pilot(noisy: Array, pilot: Array, nu: Array) -> Combined:
    """The affine minimiser for S = X X^T of a pilot X, applied to the group.

    Its factor is inverted on the smaller side of X. What is computed is the change from the pilot,
    so that without noise, where group and pilot agree, rounding leaves them as they are.
    """
    _, k, n = pilot.shape
    _, x = _centred(pilot)
    mean, residual = _centred(noisy - pilot)
    base = pilot + mean
    nu = nu[:, None, None]
    if k < n:
        eye = jnp.eye(k, dtype=x.dtype)[None]
        keep = nu * _safe_inverse(x @ x.mT + nu * eye)
        patches = base + residual - keep @ (x + residual)
        return Combined(patches, _diagonal(eye - keep) + 1 / k, _row_energy(eye - keep) + 1 / k)
    eye = jnp.eye(n, dtype=x.dtype)[None]
    gram = x.mT @ x
    combination = x @ _safe_inverse(gram + nu * eye)
    # From X (I - nu N) = X N X^T X, with N the inverse: the change from the pilot.
    patches = base + combination @ (x.mT @ residual - nu * eye)
    gain = jnp.sum(combination * x, axis=-1)
    noise = jnp.sum((combination @ gram) * combination, axis=-1)
    return Combined(patches, gain + 1 / k, noise + 1 / k)


def _safe_inverse(matrix: Array) -> Array:
    """The inverse of a positive semidefinite matrix, finite also where it is singular or 0."""
    n = matrix.shape[-1]
    info = jnp.finfo(matrix.dtype)
    scale = jnp.trace(matrix, axis1=1, axis2=2)[:, None, None] / n + math.sqrt(info.tiny)
    # A quotient XLA may turn into this product or not, so that devices would not agree to the bit.
    unit = 1 / scale
    # Rounding makes eigenvalues of about n eps negative; the jitter is well above.
    jitter = 10 * float(info.eps) * _eye(matrix)
    return unit * spd_inverse(unit * matrix + jitter)


def _eye(matrix: Array) -> Array:
    return jnp.broadcast_to(jnp.eye(matrix.shape[-1], dtype=matrix.dtype), matrix.shape)


def _centred(group: Array) -> tuple[Array, Array]:
    mean = jnp.mean(group, axis=1, keepdims=True)
    return mean, group - mean


def _diagonal(theta: Array) -> Array:
    return jnp.diagonal(theta, axis1=1, axis2=2)


def _row_energy(theta: Array) -> Array:
    return jnp.sum(jnp.square(theta), axis=-1)


def _square(second_moment: ArrayLike) -> Array:
    check_real(second_moment, name="second_moment")
    second_moment = jnp.asarray(second_moment)
    if second_moment.ndim < 2 or second_moment.shape[-1] != second_moment.shape[-2]:
        raise ValueError(f"second_moment must be square, got shape {second_moment.shape}")
    return second_moment
