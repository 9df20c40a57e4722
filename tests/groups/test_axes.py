"""Groups of patches in any number of dimensions, with sizes for each axis."""

import itertools

import jax
import numpy as np
import pytest

import jaxdenoise as jd
from jaxdenoise._core.grid import Grid
from jaxdenoise._core.patches import match
from tests.schedules import SEVERAL, TINY

SIGMA = 0.1
CUBES = jd.Profile(jd.GroupSizes(4, 8, 3, 7), jd.GroupSizes(3, 16, 2, 7))
POWERS = jd.Profile(jd.GroupSizes(4, 8, 3, 7), jd.GroupSizes(4, 16, 2, 7))
METHODS = {"bm3d": POWERS, "subspace": CUBES, "robust_subspace": CUBES}


def flat(profile: jd.Profile, axis: int) -> jd.Profile:
    """The same sizes within slices, and one along the axis across them."""

    def of_sizes(sizes: jd.GroupSizes) -> jd.GroupSizes:
        def each(size):
            return (*[size] * axis, 1, *[size] * (2 - axis))

        pixels = sizes.patch_size, sizes.stride, sizes.window_size
        patch_size, stride, window_size = map(each, pixels)
        return jd.GroupSizes(patch_size, sizes.group_size, stride, window_size)

    return profile._replace(first=of_sizes(profile.first), later=of_sizes(profile.later))


@pytest.fixture(scope="module")
def clean(photograph) -> np.ndarray:
    """A scene that moves by a pixel from slice to slice."""
    return np.stack([photograph[10 + k : 24 + k, 20:36] for k in range(9)])


@pytest.fixture(scope="module")
def noisy(clean) -> np.ndarray:
    return clean + SIGMA * np.random.default_rng(0).normal(size=clean.shape)


@pytest.mark.parametrize("spatial", [(23,), (9, 14), (6, 9, 7), (4, 5, 4, 6)])
def test_matches_are_the_nearest_of_all(spatial):
    """In one to four dimensions, against a loop over all patches."""
    guide = np.random.default_rng(0).normal(size=(1, *spatial))
    d = len(spatial)
    members, reach = 3, 2
    sizes = jd.GroupSizes(tuple(2 + k % 2 for k in range(d)), members, 2, 2 * reach + 1)
    grid = Grid.of(spatial, sizes, schedule=SEVERAL)

    @jax.jit
    def of_references(guide):
        return grid.in_raster_order(match(guide, grid, members, schedule=SEVERAL))

    matches = of_references(guide)
    corners = list(map(tuple, grid.corners.tolist()))
    assert corners == sorted(set(corners))
    patches = np.lib.stride_tricks.sliding_window_view(guide[0], grid.patch_size)

    def distances(corner, others):
        differences = patches[corner] - patches[tuple(np.transpose(others))]
        return np.sum(differences**2, axis=tuple(range(1, d + 1)))

    for corner, found in zip(corners, np.asarray(matches), strict=True):
        chosen = grid.offsets[found] + np.array(corner)
        assert tuple(chosen[0]) == corner
        inside = zip(corner, patches.shape, strict=False)
        window = [range(max(c - reach, 0), min(c + reach + 1, n)) for c, n in inside]
        least = np.sort(distances(corner, list(itertools.product(*window))))[:members]
        np.testing.assert_allclose(distances(corner, chosen), least, atol=1e-12)


@pytest.mark.parametrize("method", ["bm3d", "subspace"])
@pytest.mark.parametrize("axis", [0, 2])
def test_flat_patches_denoise_slices(noisy, method, axis):
    """Sizes of one pixel across the slices of a volume make it a stack of images."""
    profile = METHODS[method]
    denoise = getattr(jd, method)
    volume = denoise(np.moveaxis(noisy, 0, axis), SIGMA, profile=flat(profile, axis))
    slices = jax.vmap(lambda image: denoise(image, SIGMA, profile=profile))(noisy)
    np.testing.assert_allclose(np.moveaxis(np.asarray(volume), axis, 0), slices, atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_volumes(clean, noisy, method):
    """Cubes know more than squares, and no axis is a special one."""
    denoise = getattr(jd, method)
    out = denoise(noisy, SIGMA, profile=METHODS[method])
    assert out.shape == noisy.shape
    turned = denoise(noisy.transpose(1, 2, 0), SIGMA, profile=METHODS[method])
    np.testing.assert_allclose(np.asarray(turned).transpose(2, 0, 1), out, atol=1e-10)
    if method != "robust_subspace":
        slices = denoise(noisy, SIGMA, profile=flat(METHODS[method], 0))
        assert jd.psnr(out, clean, data_range=1) > jd.psnr(slices, clean, data_range=1) + 1


def test_outliers_of_volumes_are_found(clean, noisy):
    struck = np.random.default_rng(1).random(noisy.shape) < 0.05
    image = np.where(struck, 3.0, noisy)
    image[3, 4, 5] = np.nan
    out = jd.robust_subspace(image, SIGMA, profile=CUBES)
    undisturbed = jd.robust_subspace(noisy, SIGMA, profile=CUBES)
    assert jd.psnr(out, clean, data_range=1) > jd.psnr(undisturbed, clean, data_range=1) - 1
    found = np.asarray(jd.detect_outliers(image, SIGMA, profile=CUBES)) > 0.5
    struck[3, 4, 5] = True
    assert np.mean(found[struck]) > 0.98
    assert np.mean(found[~struck]) < 0.01


def test_colours_of_volumes_by_a_noise_map(noisy):
    colour = np.stack([noisy, 1 - noisy], axis=-1)
    noise_map = np.broadcast_to(np.linspace(0.05, 0.15, 16)[:, None], colour.shape)
    out = jd.subspace(colour, noise_map, profile=CUBES, channel_axis=-1)
    assert out.shape == colour.shape
    assert np.isfinite(out).all()


def test_tiles_of_volumes_leave_no_seam(noisy):
    whole = jd.subspace(noisy, SIGMA, profile=CUBES)
    tiled = jd.subspace(noisy, SIGMA, profile=CUBES, schedule=TINY)
    np.testing.assert_allclose(tiled, whole, atol=1e-10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"passes": 0}, "passes of profile must be a positive integer, got 0"),
        ({"first": (8, 16, 4, 37)}, "first of profile must be GroupSizes, got a tuple"),
        ({"later": jd.GroupSizes(4, 16, 0, 9)}, "stride of later of profile must be a positive"),
        (
            {"later": jd.GroupSizes((4, 4, 4), 16, 2, 9)},
            "patch_size of later of profile must be one",
        ),
    ],
)
def test_bad_profiles(noisy, change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        jd.subspace(noisy[0], SIGMA, profile=CUBES._replace(**change))


def test_wavelets_need_powers_of_two(noisy):
    with pytest.raises(ValueError, match="must be powers of two, got 3"):
        jd.bm3d(noisy, SIGMA, profile=CUBES)
