"""Losses of one image, from logits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdenoise as jd
from jaxdenoise import learn
from tests.gradients import check_grads


@pytest.fixture(params=[1, 2, 3], ids=["one logit", "two classes", "three classes"])
def scene(request, rng):
    """Logits and labels, and the probability of the true class and of all."""
    logits = rng.normal(size=(request.param, 6, 7))
    labels = rng.integers(0, max(request.param, 2), (6, 7)).astype(np.int32)
    full = np.concatenate([np.zeros_like(logits), logits]) if request.param == 1 else logits
    p = np.exp(full) / np.exp(full).sum(axis=0)
    return jnp.asarray(logits), labels, p


def test_against_probabilities(scene):
    logits, labels, p = scene
    own = np.take_along_axis(p, np.asarray(labels)[None], axis=0)[0]
    true = np.arange(len(p))[:, None, None] == labels
    expected = np.mean(
        [2 * np.sum(a * b) / (a.sum() + b.sum()) for a, b in zip(p, true, strict=True)]
    )
    np.testing.assert_allclose(learn.dice_coefficient(logits, labels), expected)
    np.testing.assert_allclose(learn.dice_loss(logits, labels), 1 - expected)
    shares = [np.sum(a * b) / (a + b - a * b).sum() for a, b in zip(p, true, strict=True)]
    np.testing.assert_allclose(learn.soft_iou(logits, labels), np.mean(shares))
    np.testing.assert_allclose(learn.cross_entropy(logits, labels), -np.log(own).mean())
    focal = np.mean(-((1 - own) ** 2) * np.log(own))
    np.testing.assert_allclose(learn.focal(logits, labels), focal)
    found = p.argmax(axis=0)
    np.testing.assert_array_equal(learn.predicted(logits), found)
    np.testing.assert_allclose(learn.accuracy(logits, labels), np.mean(found == labels))
    each = [jd.dice(found == k, labels == k) for k in range(len(p))]
    np.testing.assert_allclose(learn.dice_per_class(logits, labels), each, rtol=1e-6)


@pytest.mark.parametrize("loss", [learn.dice_loss, learn.cross_entropy, learn.focal])
def test_gradients_also_where_all_is_clear(scene, loss):
    logits, labels, _ = scene
    check_grads(lambda x: loss(x, labels), (logits,), order=1, modes=["rev"])
    sure = 1e3 * logits
    for x in (sure, -sure):
        assert np.isfinite(jax.grad(loss)(x, labels)).all()


def test_charbonnier(rng):
    a, b = rng.normal(size=(2, 1, 5, 6))
    np.testing.assert_allclose(learn.charbonnier(a, b), np.abs(a - b).mean(), atol=1e-3)
    assert np.isfinite(jax.grad(learn.charbonnier)(jnp.asarray(a), jnp.asarray(a))).all()
    with pytest.raises(ValueError, match="output and target"):
        learn.charbonnier(a, b[:, 1:])
    with pytest.raises(ValueError, match="logits must have classes and then the shape of labels"):
        learn.dice_loss(a, b)
