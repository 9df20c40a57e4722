"""Images of many sizes by few programs: the same results, fewer compilations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdenoise as jd

SIGMA = 0.1
# On a canvas of 128 x 128: one pixel more than 64, one less than 128.
SIZES = [(65, 127), (127, 90)]


@pytest.fixture
def large(rng):
    from skimage import data

    clean = data.camera()[80:208, 160:290] / 255
    return clean + SIGMA * rng.normal(size=clean.shape)


@pytest.mark.parametrize("method", [jd.subspace, jd.bm3d])
def test_many_sizes_share_a_program(method, large, compilations):
    denoise = jd.bucketed(method)
    jax.block_until_ready(denoise(large[:100, :71], SIGMA))
    compilations.clear()
    results = {shape: denoise(large[: shape[0], : shape[1]], SIGMA) for shape in SIZES}
    assert not compilations
    for (height, width), out in results.items():
        expected = method(large[:height, :width], SIGMA)
        np.testing.assert_allclose(out, expected, atol=1e-9)


def test_devices_share_a_canvas(large):
    image = large[:70, :66]
    out = jd.bucketed(jd.bm3d, sharded=True)(image, SIGMA, profile="fast")
    np.testing.assert_allclose(out, jd.bm3d(image, SIGMA, profile="fast"), atol=1e-9)


def test_channels_and_parameters_go_along(large):
    colours = np.stack([large[:70, :66], large[:70, :66] ** 2])
    denoise = jd.bucketed(jd.bm3d)
    out = denoise(colours, SIGMA, profile="fast", channel_axis=0)
    expected = jd.bm3d(colours, SIGMA, profile="fast", channel_axis=0)
    np.testing.assert_allclose(out, expected, atol=1e-9)


def test_other_images_run_as_they_are(large):
    small, denoise = large[:20, :22], jd.bucketed(jd.subspace)
    np.testing.assert_array_equal(denoise(small, SIGMA), jd.subspace(small, SIGMA))
    traced = jax.jit(denoise)(small, jnp.float64(SIGMA))
    np.testing.assert_allclose(traced, jd.subspace(small, SIGMA), atol=1e-9)
    with pytest.raises(TypeError, match=r"denoiser must be jd\.bm3d or jd\.subspace"):
        jd.bucketed(jd.tv)
