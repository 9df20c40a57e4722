import jax.numpy as jnp
import numpy as np

from jaxdenoise._core.inpaint import inpaint, plausible


def test_small_holes_get_the_mean_of_their_neighbours(rng):
    planes = rng.normal(size=(2, 9, 11))
    known = np.ones(planes.shape, bool)
    known[0, 4, 5] = known[1, 7, 3] = False
    filled = inpaint(jnp.asarray(planes), jnp.asarray(known))
    around = planes[0, 3:6, 4:7].copy()
    around[1, 1] = np.nan
    np.testing.assert_allclose(filled[0, 4, 5], np.nanmean(around), atol=5e-3)
    np.testing.assert_array_equal(np.asarray(filled)[known], planes[known])


def test_one_known_pixel_fills_all():
    known = np.zeros((1, 30, 40), bool)
    known[0, 29, 0] = True
    filled = inpaint(jnp.where(known, 3.0, jnp.nan), jnp.asarray(known))
    np.testing.assert_allclose(filled, 3.0, rtol=1e-12)


def test_plausible(rng):
    planes = rng.normal(size=(1, 20, 24))
    planes[0, 3, 4], planes[0, 5, 6], planes[0, 7, 8], planes[0, 9, 1] = np.nan, -np.inf, 1e30, 50
    expected = np.ones(planes.shape, bool)
    expected[0, [3, 5, 7], [4, 6, 8]] = False
    np.testing.assert_array_equal(plausible(jnp.asarray(planes)), expected)
