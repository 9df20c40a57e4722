"""SURE as a loss."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxdenoise as jd
from jaxdenoise import learn

SHAPE = (1, 9, 10)


class Shrink(eqx.Module):
    factor: jax.Array

    def __call__(self, image):
        return self.factor * image


class Threshold(eqx.Module):
    threshold: jax.Array

    def __call__(self, image):
        return _shrunk(image, self.threshold)


def _shrunk(x, threshold):
    return jnp.sign(x) * jax.nn.relu(jnp.abs(x) - threshold)


@pytest.fixture
def clean(rng):
    return 2 * rng.normal(size=SHAPE).astype(np.float32)


def test_is_sure(clean):
    y, probe = learn.Probe()(jax.random.key(0), jnp.asarray(clean), jnp.asarray(clean))
    np.testing.assert_array_equal(y, clean)
    assert set(np.unique(probe)) == {-1, 1}
    model = Shrink(jnp.float32(0.7))
    # b'Jb / N is the factor itself.
    expected = np.mean(np.square(0.3 * clean)) - 1 + 2 * 0.7
    np.testing.assert_allclose(learn.sure_loss.of(model, y, probe), expected, rtol=1e-5)


def test_is_unbiased_for_a_network(clean):
    with jax.enable_x64(False):
        network = learn.DnCNN.initialise(jax.random.key(0), width=4, depth=3)
        model = learn.AtUnitNoise(learn.Denoiser(network))
    transform, clean = learn.chained(learn.AddNoise(1.0, 1.0), learn.Probe()), jnp.asarray(clean)

    def both(key):
        y, probe = transform(key, clean, clean)
        return learn.sure_loss.of(model, y, probe), jd.mse(model(y), clean)

    estimates, errors = jax.jit(jax.vmap(both))(jax.random.split(jax.random.key(1), 2000))
    difference = np.asarray(estimates - errors)
    assert np.mean(errors) > 0.2
    assert abs(difference.mean()) < 3 * difference.std() / len(difference) ** 0.5


def test_learns_without_clean_images(rng):
    """A threshold, whose kinks no derivative sees: alone it would fall to 0."""
    clean = np.where(rng.random(SHAPE) < 0.2, np.float32(5), np.float32(0))
    batches = learn.Batches(
        [(clean, clean)] * 32, 32, transform=learn.chained(learn.AddNoise(1.0, 1.0), learn.Probe())
    )
    with jax.enable_x64(False):
        start = Threshold(jnp.float32(0.5))
    fitted = learn.fit(
        start, batches, loss=learn.sure_loss, epochs=8, steps_per_epoch=25,
        optimizer=optax.adam(5e-2), average=0.95,
    )  # fmt: skip
    noisy = clean + np.random.default_rng(1).normal(size=(500, *SHAPE)).astype(np.float32)
    thresholds = np.linspace(0, 2.5, 51, dtype=np.float32)
    errors = [np.mean((_shrunk(noisy, t) - clean[None]) ** 2) for t in thresholds]
    best = thresholds[np.argmin(errors)]
    assert 0.6 < best < 2
    np.testing.assert_allclose(fitted.model.threshold, best, atol=0.1)
