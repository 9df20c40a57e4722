"""Images to test on: reproducible, in range, piecewise constant, and what they say they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdenoise as jd

KEYS = jax.random.split(jax.random.key(0), 4)
SHAPES = [(256, 256), (37, 150)]


@pytest.fixture(scope="module", params=SHAPES, ids=str)
def towns(request) -> np.ndarray:
    return np.stack([jd.skyline(key, request.param) for key in KEYS])


def test_a_key_is_a_town(towns):
    def draw(key):
        return jd.skyline(key, towns.shape[1:])

    np.testing.assert_array_equal(draw(KEYS[0]), towns[0])
    np.testing.assert_array_equal(jax.jit(jax.vmap(draw))(KEYS), towns)
    assert len(np.unique(towns.reshape(4, -1), axis=0)) == 4


def test_buildings_stand_before_a_bright_sky(towns):
    sky = towns.max()
    assert towns.min() >= 0
    assert sky <= 1
    assert np.all(towns[:, 0] == sky)
    assert np.all(towns[:, -1] < sky)
    assert np.all(np.mean(towns == sky, axis=(1, 2)) > 0.1)
    # Below its roofs a town has no more sky.
    is_sky = towns == sky
    assert np.all(is_sky[:, :-1] >= is_sky[:, 1:])


def test_it_is_piecewise_constant(towns):
    for town in towns:
        assert 20 < len(np.unique(town)) < 40
        for axis in (0, 1):
            assert np.mean(np.diff(town, axis=axis) == 0) > 0.8


def test_buildings_scale_with_the_image():
    small, large = (np.asarray(jd.skyline(KEYS[0], (n, n))) for n in (128, 512))
    skies = [np.mean(town == town.max(), axis=0) for town in (small, large)]
    # Walls and roofs are where they were, but for the rounding to whole pixels.
    assert np.mean(np.abs(np.repeat(skies[0], 4) - skies[1]) < 2 / 128) > 0.9


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (5, 7), [6, 4]])
def test_any_shape_will_do(shape):
    town = jd.skyline(KEYS[0], shape)
    assert town.shape == tuple(shape)
    assert jnp.all((town >= 0) & (town <= 1))


@pytest.mark.parametrize(
    ("shape", "match"),
    [
        ((8,), r"shape must be two positive integers, got \(8,\)"),
        (8, "shape must be two positive integers, got 8"),
        ((8, 0), r"shape\[1\] must be a positive integer, got 0"),
        ((2.5, 8), r"shape\[0\] must be a positive integer, got 2.5"),
    ],
)
def test_another_shape_raises(shape, match):
    with pytest.raises(ValueError, match=match):
        # Under pytest beartype would catch a wrong type before the check that a user meets.
        jd.skyline.__wrapped__(KEYS[0], shape)
