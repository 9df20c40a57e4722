"""Gradients of a loss behind a network, in the parameters of the denoiser before it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdenoise as jd
from jaxdenoise import learn
from tests.gradients import check_grads

KEY = jax.random.key(0)


@pytest.fixture
def scene(photograph, rng):
    clean = photograph[20:36, 20:38]
    noisy = jnp.asarray(clean + 0.15 * rng.normal(size=clean.shape))
    return noisy[None], jnp.asarray(clean > 0.5, jnp.int32)


@pytest.mark.parametrize("method", ["nlm", "tv"])
def test_gradient_of_dice_matches_finite_differences(scene, method):
    image, labels = scene
    denoiser = learn.Learnable.initialise(method, sigma=0.15)
    network = learn.UNet.initialise(KEY, width=2, depth=1)

    def loss(logs):
        both = learn.Through(learn.Learnable(logs, method), network)
        return learn.dice_loss(both(image), labels)

    logs = {k: v.astype(jnp.float64) for k, v in denoiser.logs.items()}
    assert len(logs) == 2
    check_grads(jax.jit(loss), (logs,), order=1, modes=["rev"], rtol=1e-4, atol=1e-8, eps=1e-6)
    slopes = jax.grad(loss)(logs)
    # The weight of `tv` is given, and then sigma says nothing.
    moving = logs.keys() - ({"sigma"} if method == "tv" else set())
    assert all(np.abs(slopes[name]) > 1e-6 for name in moving)


def test_fit_trains_both_unless_frozen(scene):
    image, labels = (np.asarray(x) for x in scene)
    pairs = [(image.astype(np.float32), labels)] * 8
    for frozen in (False, True):
        with jax.enable_x64(False):
            network = learn.UNet.initialise(KEY, width=2, depth=1)
        both = learn.Through(learn.Learnable.initialise(sigma=0.15, frozen=frozen), network)
        found = learn.fit(both, learn.Batches(pairs, 8), loss=learn.dice_loss, epochs=2).model
        moved = jax.tree.map(
            lambda a, b: float(jnp.abs(a - b)), found.denoiser.logs, both.denoiser.logs
        )
        assert all((change == 0) == frozen for change in moved.values())
        weights = (eqx.filter(m.model, eqx.is_inexact_array) for m in (found, both))
        assert not jax.tree.all(jax.tree.map(lambda a, b: bool(jnp.all(a == b)), *weights))


def test_it_is_the_denoiser(scene):
    image = scene[0]
    found = learn.Learnable.initialise("tv", sigma=0.2, weight=0.1)(image)
    np.testing.assert_allclose(found[0], jd.tv(image[0], 0.2, weight=0.1), atol=1e-6)
    colour = jnp.concatenate([image, 1 - image])
    found = learn.Learnable.initialise("bilateral", sigma=0.2, channels=2)(colour)
    np.testing.assert_allclose(found, jd.bilateral(colour, 0.2, channel_axis=0), atol=1e-5)


def test_bad_input():
    with pytest.raises(ValueError, match="method must be one of"):
        learn.Learnable.initialise("median")
    with pytest.raises(ValueError, match="sigma must be finite and positive"):
        learn.Learnable.initialise(sigma=0.0)
    with pytest.raises(TypeError, match="nlm has no strength weight; it has h"):
        learn.Learnable.initialise("nlm", weight=1.0)
