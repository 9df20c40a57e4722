"""Methods of subspace recovery, over batches: points (batch, n, d), bases (batch, d, rank).

Ours in float32; beside it peers in NumPy, from their papers, in float64.
"""

from functools import partial

import jax
import numpy as np

import jaxdenoise as jd

# A step that turns the subspace, or changes the scatter, by less is the last one.
_TOLERANCE = 1e-8


def leading(scatter: np.ndarray, rank: int) -> np.ndarray:
    """The eigenvectors of the largest eigenvalues."""
    return np.linalg.eigh(scatter)[1][..., -rank:]


def second_moment(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return (points * weights[..., None]).swapaxes(-1, -2) @ points


def distances(points: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Of the points to the subspace."""
    return np.linalg.norm(points - points @ basis @ basis.swapaxes(-1, -2), axis=-1)


def sine(basis: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Of the largest principal angle between two subspaces."""
    outside = basis - truth @ (truth.swapaxes(-1, -2) @ basis)
    return np.linalg.norm(outside, ord=2, axis=(-2, -1))


def recover(
    points: np.ndarray,
    rank: int,
    *,
    start: np.ndarray | None = None,
    loss: str = "huber",
    scale: float = 0.0,
    iterations: int = 500,
) -> np.ndarray:
    """`jd.recover_subspace` from its spectral start, or a start for every member of the batch.

    Ten times the default steps: slow progress is not to be taken for a local minimum.
    """
    basis = _recover(np.float32(points), np.float32(scale), start, rank, loss, iterations)
    return np.asarray(basis, np.float64)


@partial(jax.jit, static_argnames=("rank", "loss", "iterations"))
def _recover(points, scale, start, rank, loss, iterations):
    def one(of):
        points, start = of
        return jd.recover_subspace(
            points, rank, loss=loss, scale=scale, start=start, iterations=iterations
        ).basis

    # Not `vmap`, under which all go on until the last step.
    return jax.lax.map(one, (points, start))


def random_bases(rng: np.random.Generator, count: int, d: int, rank: int) -> np.ndarray:
    """Uniformly distributed; `recover` makes them orthonormal."""
    return rng.normal(size=(count, d, rank)).astype(np.float32)


def pca(points: np.ndarray, rank: int) -> np.ndarray:
    """The principal components, about the origin."""
    return leading(points.swapaxes(-1, -2) @ points, rank)


def spherical_pca(points: np.ndarray, rank: int) -> np.ndarray:
    """PCA of the points moved to the unit sphere (Locantore et al., "Robust principal component
    analysis for functional data", Test 1999)."""
    return pca(points / np.linalg.norm(points, axis=-1, keepdims=True), rank)


def tyler(points: np.ndarray, rank: int, iterations: int = 200) -> np.ndarray:
    """The leading eigenvectors of Tyler's M-estimator of scatter, by its fixed point (Tyler,
    Annals of Statistics 1987; for subspaces Zhang, Information and Inference 2016).

    Where the inliers are in a subspace the scatter tends to a singular one: hence the ridge.
    """
    d = points.shape[-1]
    scatter = np.broadcast_to(np.eye(d) / d, (len(points), d, d))
    for _ in range(iterations):
        ridged = scatter + 1e-10 * np.eye(d)
        lengths = np.sum((points @ np.linalg.inv(ridged)) * points, axis=-1)
        update = second_moment(points, 1 / lengths)
        update /= np.trace(update, axis1=-2, axis2=-1)[:, None, None]
        change = np.max(np.abs(update - scatter))
        scatter = update
        if change < _TOLERANCE:
            break
    return leading(scatter, rank)


def fms(points: np.ndarray, rank: int, iterations: int = 100, delta: float = 1e-10) -> np.ndarray:
    """Fast median subspace: the sum of distances by iteratively reweighted PCA, from PCA (Lerman &
    Maunu, "Fast, robust and non-convex subspace recovery", Information and Inference 2018)."""
    basis = pca(points, rank)
    for _ in range(iterations):
        weights = 1 / np.maximum(distances(points, basis), delta)
        before, basis = basis, leading(second_moment(points, weights), rank)
        if np.max(sine(basis, before)) < _TOLERANCE:
            break
    return basis


PEERS = {"PCA": pca, "spherical PCA": spherical_pca, "Tyler": tyler, "FMS": fms}
