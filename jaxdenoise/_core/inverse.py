"""Inverses of many small symmetric positive definite matrices, and of their roots, without LAPACK.

LAPACK calls deadlock on a CPU when two executions run at once. What replaces them is as fast: a
matrix is halved by its Schur complement, which is matrix products, until elimination, with the
batch in the last, vectorised axis, is cheaper. What is passed on are factors, never inverses: the
Schur complement through an inverse loses all digits where the condition is 10^4.
"""

import math

import jax
import jax.numpy as jnp
from jax import Array, lax

# Elimination is O(n^3) loads, products are not: halving pays above this order.
_ELIMINATE = 20


@jax.custom_jvp
def inverse_factor(a: Array) -> Array:
    """The inverse W of the Cholesky factor, lower triangular, of (..., n, n): W^T W = a^-1.

    The diagonal is raised by n/2 eps of itself, more than rounding takes away: all stays finite
    where `a`, symmetric, is singular or 0.
    """
    batch = a.reshape(-1, *a.shape[-2:])
    info = jnp.finfo(a.dtype)
    least = float(info.eps) * (jnp.diagonal(batch, axis1=1, axis2=2) + math.sqrt(info.tiny))
    n = a.shape[-1]
    raised = batch + n / 2 * least[..., None] * jnp.eye(n, dtype=a.dtype)[None]
    return _factor(raised, least)[1].reshape(a.shape)


@inverse_factor.defjvp
def _inverse_factor_jvp(primals, tangents):
    w = inverse_factor(*primals)
    whitened = w @ tangents[0] @ w.mT
    return w, -(jnp.tril(whitened) + jnp.tril(whitened, -1)) / 2 @ w


def spd_inverse(a: Array) -> Array:
    """Inverse of (..., n, n), which must be symmetric and well enough conditioned."""
    w = inverse_factor(a)
    return w.mT @ w


def inverse_sqrt(a: Array, iterations: int = 30) -> Array:
    """The inverse square root of a symmetric positive definite matrix, by Newton and Schulz.

    The coupled iteration of Higham, "Functions of Matrices" 2008, equation 6.35: products alone. It
    converges quadratically once eigenvalues, relative to their sum, are of order 1; one of 1e-6
    takes about 20 iterations to get there.
    """
    eye = jnp.eye(a.shape[-1], dtype=a.dtype)
    scale = jnp.trace(a)

    def improve(state: tuple[Array, Array], _) -> tuple[tuple[Array, Array], None]:
        root, inverse = state
        step = (3 * eye - inverse @ root) / 2
        return (root @ step, step @ inverse), None

    (_, inverse), _ = lax.scan(improve, (a / scale, eye), None, length=iterations)
    return inverse / jnp.sqrt(scale)


def _factor(a: Array, least: Array) -> tuple[Array, Array]:
    """The Cholesky factor L and its inverse W, of which no pivot is below `least`, (batch, n)."""
    n = a.shape[-1]
    if n <= _ELIMINATE:
        return _eliminate(a, least)
    h = n // 2
    a21 = a[:, h:, :h]
    l11, w11 = _factor(a[:, :h, :h], least[:, :h])
    l21 = a21 @ w11.mT
    # Refined, as good as a triangular solve; or else the complement would soon be indefinite.
    l21 = l21 + (a21 - l21 @ l11.mT) @ w11.mT
    l22, w22 = _factor(a[:, h:, h:] - l21 @ l21.mT, least[:, h:])
    return _lower(l11, l21, l22), _lower(w11, -w22 @ (l21 @ w11), w22)


def _lower(top: Array, left: Array, bottom: Array) -> Array:
    top = jnp.pad(top, [(0, 0), (0, 0), (0, bottom.shape[-1])])
    return jnp.concatenate([top, jnp.concatenate([left, bottom], axis=2)], axis=1)


def _eliminate(a: Array, least: Array) -> tuple[Array, Array]:
    """Gauss's elimination below the diagonal, on `a` and on the identity beside it.

    Column i of `a` is done with after step i, and holds what that step made of the identity.
    """
    n = a.shape[-1]
    order = jnp.arange(n)[:, None]
    least = least.T

    def clear(i: Array, a: Array) -> Array:
        here, below = order == i, order > i
        row = lax.dynamic_index_in_dim(a, i, 0, keepdims=False)
        column = lax.dynamic_index_in_dim(a, i, 1, keepdims=False)
        pivot, floor = (lax.dynamic_index_in_dim(x, i, 0) for x in (row, least))
        root = lax.rsqrt(jnp.maximum(pivot, floor))
        row = jnp.where(here, 1, row) * root
        # A smaller pivot is rounding, and so is its column.
        column = jnp.where(below & (pivot > floor), column * root, 0)
        rest = jnp.where(here[None] & below[:, None], 0, a) - column[:, None] * row[None]
        return jnp.where(here[:, None], row[None], rest)

    # In the end W is below the diagonal, and its transposed inverse L^T above.
    both = lax.fori_loop(0, n, clear, a.transpose(1, 2, 0)).transpose(2, 0, 1)
    on_diagonal = jnp.eye(n, dtype=bool)[None]
    l = jnp.where(on_diagonal, 1 / jnp.where(on_diagonal, both, 1), jnp.triu(both)).mT
    return l, jnp.tril(both)
