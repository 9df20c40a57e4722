"""Filling non-finite pixels, against a loop that widens a window pixel by pixel."""

import numpy as np
import pytest

from jaxdenoise.app.repair import describe_nonfinite, fill_with_median, finite
from jaxdenoise.files.errors import InputError


def _by_loop(plane):
    out = plane.copy()
    for index in np.argwhere(~np.isfinite(plane)):
        radius, values = 0, np.array([])
        while not values.size:
            radius += 1
            window = plane[tuple(slice(max(i - radius, 0), i + radius + 1) for i in index)]
            values = window[np.isfinite(window)]
        out[tuple(index)] = np.median(values)
    return out


@pytest.mark.parametrize("shape", [(12, 15), (6, 7, 8)])
def test_equals_the_loop(shape):
    rng = np.random.default_rng(0)
    image = rng.normal(size=shape)
    image[rng.random(shape) < 0.2] = np.nan
    image[:5, 2:6] = np.inf
    image[-1, -1] = -np.inf
    np.testing.assert_array_equal(fill_with_median(image, None), _by_loop(image))


def test_channels_are_repaired_apart():
    image = np.stack([np.zeros((5, 6)), np.ones((5, 6))], axis=-1)
    image[2, 3, 1] = np.nan
    image[0, 0, 0] = np.inf
    filled = fill_with_median(image, -1)
    assert (filled[..., 0] == 0).all()
    assert (filled[..., 1] == 1).all()


def test_a_large_hole_is_quick():
    image = np.full((150, 150), np.nan, np.float32)
    image[0] = 3
    assert (fill_with_median(image, None) == 3).all()


def test_says_how_many_and_where():
    image = np.zeros((4, 5))
    assert describe_nonfinite(image) is None
    image[1, 2] = np.nan
    assert describe_nonfinite(image) == "1 non-finite value, at index (1, 2)"
    image[3] = np.inf
    with pytest.raises(InputError, match=r"6 non-finite values, at index \(1, 2\), \(3, 0\)"):
        finite(image, None)


def test_nothing_finite_is_an_error():
    with pytest.raises(InputError, match="no finite pixel"):
        fill_with_median(np.full((3, 3), np.nan), None)
