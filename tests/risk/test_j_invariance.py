import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdenoise as jd


def mean_filter(y, sigma=None):
    return sum(jnp.roll(y, shift, (0, 1)) for shift in [(0, 0), (0, 1), (1, 0), (2, 1)]) / 4


def naive(denoise, y: np.ndarray, stride: int) -> float:
    """Every pixel of every grid, one after the other."""
    errors = []
    height, width = y.shape
    for a in range(stride):
        for b in range(stride):
            hidden = np.zeros(y.shape, bool)
            hidden[a::stride, b::stride] = True
            image = y.copy()
            for i, j in np.argwhere(hidden):
                near = []
                for k, m in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
                    k, m = abs(k), abs(m)
                    k = k if k < height else 2 * height - 2 - k
                    m = m if m < width else 2 * width - 2 - m
                    near.append(y[k, m])
                image[i, j] = np.mean(near)
            errors.extend((np.asarray(denoise(image)) - y)[hidden] ** 2)
    return float(np.mean(errors))


@pytest.mark.parametrize("stride", [2, 3])
def test_equals_the_loop(rng, stride):
    y = rng.normal(size=(9, 10))
    expected = naive(mean_filter, y, stride)
    np.testing.assert_allclose(jd.j_invariant_loss(mean_filter, y, stride=stride), expected)
    np.testing.assert_allclose(
        jd.j_invariant_loss(mean_filter, y, 0.1, stride=stride), expected, rtol=1e-12
    )


def test_hidden_pixels_are_not_seen(rng):
    """The identity predicts nothing: its loss is that of the mean of the neighbours."""
    y = rng.normal(size=(200, 200))
    loss = jd.j_invariant_loss(lambda y: y, y, masks=3)
    np.testing.assert_allclose(loss, 1 + 1 / 4, rtol=0.1)


def test_line(rng):
    """An axis of one pixel has no neighbours."""
    y = rng.normal(size=(1, 40_000))
    loss = jd.j_invariant_loss(lambda y: y, y)
    np.testing.assert_allclose(loss, 1 + 1 / 2, rtol=0.05)
    with pytest.raises(ValueError, match="noisy must have more than one pixel"):
        jd.j_invariant_loss(lambda y: y, np.zeros((1, 1)))


def test_colours_and_volumes(rng):
    colours = rng.normal(size=(8, 9, 3))
    each = [jd.j_invariant_loss(mean_filter, colours[..., k]) for k in range(3)]
    together = jd.j_invariant_loss(jax.vmap(mean_filter, -1, -1), colours, channel_axis=-1)
    np.testing.assert_allclose(together, np.mean(each))
    volume = rng.normal(size=(5, 6, 7))
    np.testing.assert_allclose(
        jd.j_invariant_loss(lambda y: 0 * y, volume, stride=2), np.mean(volume**2)
    )


def test_bad_input():
    y = np.zeros((8, 8))
    for given, match in (
        ({"stride": 1}, "stride must be at least 2"),
        ({"masks": 17}, "masks must be at most 16"),
        ({"masks": 0}, "masks must be a positive integer"),
    ):
        with pytest.raises(ValueError, match=match):
            jd.j_invariant_loss(mean_filter, y, **given)
