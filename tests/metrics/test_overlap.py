import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdenoise as jd
from tests.gradients import check_grads


def test_counts_of_sets(rng):
    a, b = rng.random((2, 9, 11)) < 0.4
    expected = 2 * np.sum(a & b) / (np.sum(a) + np.sum(b))
    np.testing.assert_allclose(jd.dice(a, b), expected, rtol=1e-6)
    np.testing.assert_allclose(jd.iou(a, b), np.sum(a & b) / np.sum(a | b), rtol=1e-6)
    assert jd.dice(a, ~a) == jd.iou(a, ~a) == 0
    assert jd.dice(b, b) == jd.iou(b, b) == 1


def test_empty_masks_are_equal_and_nan_is_not_hidden():
    nothing = jnp.zeros((3, 4))
    assert jd.dice(nothing, nothing) == jd.iou(nothing, nothing) == 1
    assert np.isnan(jd.dice(nothing.at[0, 0].set(jnp.nan), nothing))


def test_gradients(rng):
    a, b = rng.random((2, 4, 5))
    for metric in (jd.dice, jd.iou):
        check_grads(metric, (a, b), order=1)
        assert np.isfinite(jax.grad(metric)(jnp.zeros((2, 2)), jnp.zeros((2, 2)))).all()


def test_bad_input():
    with pytest.raises(ValueError, match="a and b"):
        jd.dice(np.zeros((2, 3)), np.zeros((3, 2)))
    with pytest.raises(TypeError, match="b must be a real array"):
        jd.iou(np.zeros((2, 3)), np.zeros((2, 3), complex))
