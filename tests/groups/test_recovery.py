"""Subspace recovery: points in a subspace among points that are anywhere."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxdenoise as jd
from tests.gradients import check_grads

D, RANK = 12, 2
LOSSES = ("huber", "geman_mcclure", "student_t")
recover = jax.jit(
    partial(jd.recover_subspace, rank=RANK), static_argnames=("loss", "centred", "optimizer")
)


def haystack(seed: int, inliers: int = 60, outliers: int = 90, noise: float = 0.0):
    """Points and the subspace that the first of them lie in."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(D, RANK)))[0]
    inside = rng.normal(size=(inliers, RANK)) @ basis.T / RANK**0.5
    inside += noise * rng.normal(size=inside.shape)
    return np.concatenate([inside, rng.normal(size=(outliers, D)) / D**0.5]), basis


def sine(found, basis) -> float:
    """Of the largest principal angle."""
    found = np.asarray(found, float)
    return float(np.linalg.norm(found - basis @ (basis.T @ found), 2))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_points_in_a_subspace_are_found_among_more_that_are_not(loss, dtype):
    points, bases = zip(*map(haystack, range(10)), strict=True)
    found = jax.jit(jax.vmap(partial(jd.recover_subspace, rank=RANK, loss=loss)))(
        np.asarray(points, dtype)
    )
    errors = [sine(*pair) for pair in zip(found.basis, bases, strict=True)]
    assert max(errors) < 1e-5
    assert found.converged.all()
    assert (found.iterations < 20).all()
    assert found.weights[:, :60].min() > 100 * found.weights[:, 60:].max()
    assert (np.diff(found.objective, axis=1) <= 1e-6 * found.objective[:, :1]).all()
    one = recover(np.asarray(points[3], dtype), loss=loss)
    np.testing.assert_allclose(one.basis, found.basis[3], atol=1e-4)


# Of t, as the docstring has them.
LOSS_OF = {
    "huber": lambda t: np.where(t <= 1, t, 2 * np.sqrt(t) - 1),
    "geman_mcclure": lambda t: t / (1 + t),
    "student_t": lambda t: np.log1p(t),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_what_is_found_minimises_the_sum_of_losses(loss, rng):
    """At a scale above the 5 % quantile: J is the loss, U leads Sigma(w), and no move helps."""
    points, _ = haystack(0, noise=0.05)
    scale = 0.3
    found = recover(points, loss=loss, scale=scale)
    assert found.converged

    def total(basis):
        residual = points - points @ basis @ basis.T
        return scale**2 * LOSS_OF[loss](np.sum(residual**2, axis=1) / scale**2).sum()

    basis = np.asarray(found.basis)
    np.testing.assert_allclose(basis.T @ basis, np.eye(RANK), atol=1e-12)
    np.testing.assert_allclose(found.objective[-1], total(basis), rtol=1e-8)
    second_moment = points.T @ (np.asarray(found.weights)[:, None] * points)
    assert sine(basis, np.linalg.eigh(second_moment)[1][:, -RANK:]) < 1e-4
    for _ in range(20):
        moved = np.linalg.qr(basis + 0.02 * rng.normal(size=basis.shape))[0]
        assert total(moved) > total(basis)


def test_points_without_weight_are_not_there():
    points, basis = haystack(1, outliers=0, noise=0.01)
    junk = 100 * haystack(2)[0]
    weights = np.concatenate([np.ones(len(points)), np.zeros(len(junk))])
    found = recover(np.concatenate([points, junk]), weights=weights, scale=0.1)
    np.testing.assert_allclose(found.basis, recover(points, scale=0.1).basis, atol=1e-6)
    assert sine(found.basis, basis) < 0.02


def test_a_plane_off_the_origin():
    points, basis = haystack(3, outliers=20)
    points += np.linspace(1, 3, D)
    found = recover(points, centred=True)
    assert sine(found.basis, basis) < 1e-5
    off = np.linspace(1, 3, D) - np.asarray(found.mean)
    np.testing.assert_allclose(off - basis @ (basis.T @ off), 0, atol=1e-5)
    assert (recover(points).mean == 0).all()


def test_any_optimizer_and_any_start(rng):
    points, basis = haystack(4, noise=0.02)
    expected = recover(points, scale=0.1).basis
    for optimizer in (optax.sgd(0.5, momentum=0.3), optax.sgd(optax.linear_schedule(1.5, 0.5, 20))):
        found = recover(points, scale=0.1, optimizer=optimizer)
        assert sine(found.basis, np.asarray(expected)) < 1e-4
    assert recover(points, scale=0.1, start=basis).iterations <= 5
    assert sine(recover(points, scale=0.1, start=rng.normal(size=(D, RANK))).basis, basis) < 0.1


def test_a_second_call_does_not_compile(compilations):
    """Nor does another scale or other weights."""
    points, _ = haystack(6, inliers=9, outliers=4)
    jax.block_until_ready(jd.recover_subspace(points, RANK, weights=np.ones(13), scale=0.1))
    assert compilations
    compilations.clear()
    jax.block_until_ready(jd.recover_subspace(points, RANK, weights=np.arange(13.0), scale=0.2))
    assert not compilations


def test_gradients_match_finite_differences():
    points, _ = haystack(5, inliers=12, outliers=6, noise=0.05)

    def projection(points, weights, scale):
        found = jd.recover_subspace(
            points, RANK, weights=weights, scale=scale, centred=True, tolerance=0.0, iterations=10
        )
        return found.basis @ found.basis.T, found.weights, found.mean

    check_grads(projection, (points, np.linspace(0.5, 1, 18), 0.2), order=1, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_degenerate_points_give_finite_results_and_gradients(loss, rng):
    in_subspace, _ = haystack(0, outliers=0)
    cases = {
        "nothing": np.zeros((9, D)),
        "one point": np.tile(rng.normal(size=D), (9, 1)),
        "fewer than the rank": rng.normal(size=(1, D)),
        "exact": in_subspace[:9],
        "huge": 1e15 * in_subspace[:9],
        "all outliers": rng.normal(size=(9, D)),
        "no weight": rng.normal(size=(9, D)),
    }

    def total(points, weights):
        found = jd.recover_subspace(points, RANK, loss=loss, weights=weights, iterations=5)
        return jnp.sum(jnp.square(found.basis @ found.basis.T)), found

    gradient = jax.jit(jax.grad(total, has_aux=True))
    for name, points in cases.items():
        weights = np.full(len(points), name != "no weight", np.float32)
        everything = jax.tree.leaves(gradient(points.astype(np.float32), weights))
        assert all(np.isfinite(x).all() for x in everything), name


def test_a_subspace_of_all_dimensions():
    found = jd.recover_subspace(haystack(0)[0], D)
    np.testing.assert_allclose(found.basis @ found.basis.T, np.eye(D), atol=1e-10)


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
def test_lowers_without_lapack(platform):
    points = jax.ShapeDtypeStruct((40, D), jnp.float32)
    gradient = jax.grad(lambda x: jnp.sum(jd.recover_subspace(x, RANK).basis ** 2))
    lowered = jax.jit(gradient).trace(points).lower(lowering_platforms=(platform,)).as_text()
    assert not any(call in lowered for call in ("lapack", "fft", "cusolver"))


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"points": np.ones(3)}, r"points must be an array \(n, d\), not empty, got shape \(3,\)"),
        ({"points": np.ones((0, 3))}, "points must be an array"),
        ({"rank": 4}, "rank must be at most the 3 dimensions of the points, got 4"),
        ({"rank": 0}, "rank must be a positive integer"),
        ({"loss": "l1"}, "loss must be one of 'huber'"),
        ({"weights": np.ones(3)}, r"weights must have shape \(5,\)"),
        ({"weights": -np.ones(5)}, "weights must be finite and not negative"),
        ({"start": np.ones((3, 2))}, r"start must have shape \(3, 1\)"),
        ({"scale": -1.0}, "scale must be finite and not negative"),
        ({"iterations": 0}, "iterations must be a positive integer"),
    ],
)
def test_bad_input(given, match):
    given = {"points": np.ones((5, 3)), "rank": 1, **given}
    with pytest.raises(ValueError, match=match):
        getattr(jd.recover_subspace, "__wrapped__", jd.recover_subspace)(**given)
