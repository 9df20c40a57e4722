"""Inverses of many small symmetric positive definite matrices, and of their roots, without LAPACK.

LAPACK calls deadlock on a CPU when two executions run at once. What replaces them is as fast: a
matrix is halved by its Schur complement, which is matrix products, until elimination, with the
batch in the last, vectorised axis, is cheaper.
"""

import jax
import jax.numpy as jnp
from jax import Array, lax

# Elimination is O(n^3) loads, products are not: halving pays above this order.
_ELIMINATE = 20


@jax.custom_jvp
def spd_inverse(a: Array) -> Array:
    """Inverse of (..., n, n), which must be symmetric and well enough conditioned."""
    batch = a.reshape(-1, *a.shape[-2:])
    return _inverse(batch).reshape(a.shape)


@spd_inverse.defjvp
def _spd_inverse_jvp(primals, tangents):
    inverse = spd_inverse(*primals)
    return inverse, -inverse @ tangents[0] @ inverse


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


def _inverse(a: Array) -> Array:
    n = a.shape[-1]
    if n <= _ELIMINATE:
        return _eliminate(a)
    h = n // 2
    a11, a21, a22 = a[:, :h, :h], a[:, h:, :h], a[:, h:, h:]
    b11 = _inverse(a11)
    product = a21 @ b11
    b22 = _inverse(a22 - product @ a21.mT)
    b21 = -b22 @ product
    b11 = b11 - product.mT @ b21
    top = jnp.concatenate([b11, b21.mT], axis=2)
    return jnp.concatenate([top, jnp.concatenate([b21, b22], axis=2)], axis=1)


def _eliminate(a: Array) -> Array:
    """Gauss-Jordan, in place and without pivoting, which a positive definite matrix allows."""
    n = a.shape[-1]
    order = jnp.arange(n)[:, None]

    def clear(i: Array, a: Array) -> Array:
        row = lax.dynamic_index_in_dim(a, i, 0, keepdims=False)
        column = lax.dynamic_index_in_dim(a, i, 1, keepdims=False)
        pivot = 1 / lax.dynamic_index_in_dim(row, i, 0)
        here = order == i
        row = jnp.where(here, pivot, row * pivot)
        column = jnp.where(here, -1, column)
        rest = jnp.where(here[:, None] | here[None], 0, a)
        return rest - column[:, None] * row[None]

    return lax.fori_loop(0, n, clear, a.transpose(1, 2, 0)).transpose(2, 0, 1)
