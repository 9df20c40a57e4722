"""The window scan and its tiles, against loops."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxdenoise._core import tiles, window
from jaxdenoise._core.schedule import CPU
from tests.schedules import TINY


def test_symmetric_sums_equal_the_full_loop(rng):
    radius, reach = (2, 3), (0, 0)
    halo = window.symmetric_halo(radius, reach)
    assert halo == (2, 6)
    shape = tuple(5 + 2 * h for h in halo)
    field, value = (jnp.asarray(rng.normal(size=shape)) for _ in range(2))
    (out,) = window.symmetric_window_sums(
        lambda a, b, o: jnp.exp(-jnp.square(a[0] - b[0])), [field], [value], radius, [reach]
    )
    expected = np.zeros((5, 5))
    for i in np.ndindex(5, 5):
        for o in np.ndindex(5, 7):
            o = np.subtract(o, radius)
            if o.any():
                a, b = (tuple(np.add(i, halo)), tuple(np.add(i, halo) + o))
                expected[i] += np.exp(-((field[a] - field[b]) ** 2)) * value[b]
    np.testing.assert_allclose(out, expected, rtol=1e-12)


def test_offsets_are_symmetric_about_the_middle():
    offsets = window.offsets_in_window((1, 0, 2))
    assert len(offsets) == 15
    np.testing.assert_array_equal(offsets, -offsets[::-1])


@pytest.mark.parametrize("size", [1, 2, 5])
def test_mirror_is_numpys_reflection(size):
    row = np.arange(size)
    expected = np.pad(row, 7, mode="reflect") if size > 1 else np.zeros(15, int)
    np.testing.assert_array_equal(row[tiles.mirror(np.arange(-7, size + 7), size)], expected)


@pytest.mark.parametrize("spatial", [(7, 9), (700, 1100), (1, 1), (5, 40, 300), (2, 2, 2)])
def test_tiles_cover_the_image_with_little_waste(spatial):
    core = tiles.tile_shape(spatial, CPU)
    counts = [-(-n // t) for n, t in zip(spatial, core, strict=True)]
    covered = np.multiply(counts, core)
    assert (covered >= spatial).all()
    assert (covered - spatial < counts).all()
    assert np.prod(core) <= 1.2 * CPU.window_tile(len(spatial))[0]


def test_map_tiles_hands_out_mirrored_halos_and_masks():
    schedule = TINY._replace(tile_pixels=20, tile_side=5)
    image = jnp.arange(11.0 * 13).reshape(1, 11, 13)

    def neighbour(tile, inside):
        assert tile.shape[1:] == inside.shape
        return jnp.stack([tile[0, 1:-1, 4:], inside[1:-1, 4:]])

    shifted, inside = tiles.map_tiles(neighbour, image, (1, 2), schedule=schedule)
    padded = np.pad(image[0], ((0, 0), (0, 2)), mode="reflect")
    np.testing.assert_array_equal(shifted, padded[:, 2:])
    np.testing.assert_array_equal(inside, np.broadcast_to(np.arange(13) < 11, (11, 13)))


def test_box_sum(rng):
    x = rng.normal(size=(6, 7))
    expected = np.lib.stride_tricks.sliding_window_view(x, (3, 3)).sum(axis=(2, 3))
    np.testing.assert_allclose(window.box_sum(jnp.asarray(x), (3,) * x.ndim), expected)
