"""A small symmetric positive definite matrix at every pixel, one row for each spatial axis.

It is a dictionary from pairs of axes (a, b), a <= b, to arrays.
"""

from collections.abc import Sequence
from functools import reduce
from itertools import combinations_with_replacement

import jax.numpy as jnp
from jax import Array


def pairs_of_axes(d: int) -> list[tuple[int, int]]:
    """The entries (a, b), a <= b, of such a matrix."""
    return list(combinations_with_replacement(range(d), 2))


def dot(a: Sequence[Array], b: Sequence[Array]) -> Array:
    """The sum of products, term by term."""
    return reduce(jnp.add, (x * y for x, y in zip(a, b, strict=True)))


def solve(matrix: dict[tuple[int, int], Array], right: Sequence[Array]) -> tuple[list, Array]:
    """The solution of the system at every pixel, and the determinant of its matrix.

    Gaussian elimination, unrolled: LAPACK has no place in a function that threads may call.
    """
    d = len(right)
    a = [[matrix[min(i, j), max(i, j)] for j in range(d)] for i in range(d)]
    b = list(right)
    for k in range(d):
        for i in range(k + 1, d):
            factor = a[i][k] / a[k][k]
            a[i] = [x - factor * y for x, y in zip(a[i], a[k], strict=True)]
            b[i] = b[i] - factor * b[k]
    solution: list = [None] * d
    for k in reversed(range(d)):
        known = [a[k][j] * solution[j] for j in range(k + 1, d)]
        solution[k] = reduce(jnp.subtract, known, b[k]) / a[k][k]
    return solution, reduce(jnp.multiply, (a[k][k] for k in range(d)))


def determinant(matrix: dict[tuple[int, int], Array]) -> Array:
    """The determinant of such a matrix."""
    d = 1 + max(a for a, _ in matrix)
    return solve(matrix, [matrix[0, 0]] * d)[1]
