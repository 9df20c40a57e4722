"""Groups of patches beside slow, obvious loops."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdenoise._core.grid import Grid, GroupSizes
from jaxdenoise._core.patches import filter_groups as filter_by_schedule
from jaxdenoise._core.patches import match as match_by_schedule
from jaxdenoise._core.patches import reflected_to
from tests.gradients import check_grads
from tests.schedules import TINY

# Tiles of few references, in chunks that do not divide them.
SCHEDULE = TINY._replace(references=9, groups=5)
match = partial(match_by_schedule, schedule=SCHEDULE)
filter_groups = partial(filter_by_schedule, schedule=SCHEDULE)


def grid_of(shape: tuple[int, int], patch_size: int, stride: int, window_size: int) -> Grid:
    sizes = GroupSizes(patch_size, 1, stride, window_size)
    return Grid.of(shape, sizes, schedule=SCHEDULE)


GRIDS = {
    "several tiles": grid_of((23, 31), 4, 3, 9),
    "met in the middle": grid_of((28, 35), 4, 3, 9),
    "one patch": grid_of((4, 4), 4, 3, 9),
    "a row of patches": grid_of((5, 20), 5, 4, 7),
    "window larger than the image": grid_of((12, 10), 3, 2, 51),
}


@pytest.fixture(params=GRIDS.values(), ids=GRIDS.keys())
def grid(request) -> Grid:
    return request.param


def references(grid: Grid) -> np.ndarray:
    """Corners of the references, tile after tile, repeats included."""
    rows, columns = (axis.references for axis in grid.axes)
    return np.asarray([[(y, x) for y in row for x in column] for row in rows for column in columns])


def naive_match(guide: np.ndarray, grid: Grid, corner, members: int) -> np.ndarray:
    """Squared distances of the best candidates, the reference itself first."""
    p, r = grid.patch_size[0], grid.window_size[0] // 2
    y0, x0 = corner
    here = guide[:, y0 : y0 + p, x0 : x0 + p]
    found = []
    for y in range(max(0, y0 - r), min(guide.shape[1] - p, y0 + r) + 1):
        for x in range(max(0, x0 - r), min(guide.shape[2] - p, x0 + r) + 1):
            if (y, x) != (y0, x0):
                found.append(np.sum((guide[:, y : y + p, x : x + p] - here) ** 2))
    return np.concatenate([[0.0], np.sort(found)])[:members]


def test_references_cover_the_image_and_look_the_same_from_every_side(grid):
    covered = np.zeros(grid.shape, bool)
    corners = references(grid).reshape(-1, 2)
    assert (corners >= 0).all()
    corners = corners[grid.counts.ravel()]
    for y, x in corners:
        covered[y : y + grid.patch_size[0], x : x + grid.patch_size[1]] = True
    assert covered.all()
    last = np.asarray(grid.shape) - grid.patch_size
    assert {tuple(c) for c in corners} == {tuple(last - c) for c in corners}
    assert len(corners) == len({tuple(c) for c in corners})
    for along in corners.T:
        assert np.diff(np.unique(along)).max(initial=0) <= grid.stride[0]


def test_match_equals_exhaustive_search(grid, rng):
    guide = rng.normal(size=(2, *grid.shape))
    members = min(6, grid.fewest_candidates)
    ids = np.asarray(match(jnp.asarray(guide), grid, members))
    corners = references(grid)
    assert ids.shape == (*corners.shape[:2], members)
    assert (ids[..., 0] == 0).all()
    assert (grid.offsets[0] == 0).all()
    p = grid.patch_size[0]
    for corner, own in zip(corners.reshape(-1, 2), ids.reshape(-1, members), strict=True):
        found = corner + grid.offsets[own]
        assert (found >= 0).all()
        assert (found <= np.asarray(grid.shape) - p).all()
        here = guide[:, corner[0] : corner[0] + p, corner[1] : corner[1] + p]
        distances = [np.sum((guide[:, y : y + p, x : x + p] - here) ** 2) for y, x in found]
        np.testing.assert_allclose(distances, naive_match(guide, grid, corner, members), atol=1e-12)


def weighted(groups):
    """Any filter, any weights: means of a group, mixed with a second plane."""
    y, other = groups
    estimates = 0.5 * jnp.mean(y, axis=1, keepdims=True) + other * y
    weights = 1 + jnp.mean(jnp.square(y), axis=2)
    return [estimates, y], weights, [jnp.max(other, axis=2)]


def test_filter_groups_equals_a_loop(grid, rng):
    planes = rng.normal(size=(2, *grid.shape))
    members, p = min(5, grid.fewest_candidates), grid.patch_size[0]
    ids = match(jnp.asarray(planes[:1]), grid, members)
    window = np.linspace(1, 2, p)
    images, extras = filter_groups(
        weighted, jnp.asarray(planes), grid, ids, window=lambda size: np.linspace(1, 2, size)
    )
    sums = np.zeros((4, *grid.shape))
    once = grid.counts.ravel()
    corners = references(grid).reshape(-1, 2)[once]
    for corner, own in zip(corners, np.asarray(ids).reshape(-1, members)[once], strict=True):
        at = [np.s_[:, y : y + p, x : x + p] for y, x in corner + grid.offsets[own]]
        groups = [np.stack([planes[a][f].ravel() for a in at])[None] for f in range(2)]
        estimates, weights, (extra,) = weighted([jnp.asarray(g) for g in groups])
        for j, a in enumerate(at):
            w = weights[0, j] * np.outer(window, window)
            parts = [w * e[0, j].reshape(p, p) for e in estimates]
            sums[a] += np.stack([*parts, w * extra[0, j], w])
    np.testing.assert_allclose(images, sums[:2] / sums[3], atol=1e-12)
    np.testing.assert_allclose(extras, sums[2:3] / sums[3], atol=1e-12)


def test_filter_groups_differentiates(rng):
    grid = GRIDS["several tiles"]
    planes = jnp.asarray(rng.normal(size=(2, *grid.shape)))
    ids = match(planes[:1], grid, 4)
    check_grads(
        lambda x: filter_groups(weighted, jnp.asarray(x), grid, ids), (planes,), order=1, eps=1e-6
    )


def test_nan_pixel_is_matched_last(rng):
    guide = rng.normal(size=(1, 12, 12))
    guide[0, 6, 6] = np.nan
    grid = grid_of((12, 12), 3, 2, 9)
    ids = np.asarray(match(jnp.asarray(guide), grid, 5))
    found = references(grid)[..., None, :] + grid.offsets[ids]
    holds = ((found <= 6) & (found > 3)).all(-1)
    clean = ~holds[..., 0]
    assert not holds[clean].any()


def test_mesh_shares_the_tiles(rng):
    """Eight devices, and a number of tiles that eight does not divide."""
    grid = grid_of((50, 18), 4, 3, 9)
    planes = jnp.asarray(rng.normal(size=(2, *grid.shape)))

    def both(planes):
        ids = match(planes[:1], grid, 4)
        return ids, *filter_groups(weighted, planes, grid, ids)

    alone = jax.jit(both)(planes)
    assert len(alone[0]) % 8
    mesh = jax.make_mesh((8,), ("tiles",), axis_types=(jax.sharding.AxisType.Auto,))
    with jax.set_mesh(mesh):
        shared = jax.jit(both)(planes)
        gradient = jax.jit(jax.grad(lambda x: jnp.sum(both(x)[1] ** 2)))(planes)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), alone, shared)
    expected = jax.grad(lambda x: jnp.sum(both(x)[1] ** 2))(planes)
    np.testing.assert_allclose(gradient, expected, atol=1e-10)


def test_small_images_are_continued_by_reflection():
    planes = jnp.arange(3.0).reshape(1, 1, 3)
    out = reflected_to(planes, 5)
    np.testing.assert_array_equal(out[0], np.tile([0, 1, 2, 1, 0], (5, 1)))
