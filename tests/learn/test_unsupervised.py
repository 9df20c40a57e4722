"""SURE as a loss."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdenoise as jd
from jaxdenoise import learn

SHAPE = (1, 9, 10)


class Shrink(eqx.Module):
    """The best denoiser that multiplies by one number."""

    factor: jax.Array

    def __call__(self, image):
        return self.factor * image


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


def test_learns_without_clean_images(clean):
    """The factor of the Wiener filter, from noisy images alone."""
    power = float(np.mean(clean**2))
    batches = learn.Batches(
        [(clean, clean)] * 32, 32, transform=learn.chained(learn.AddNoise(1.0, 1.0), learn.Probe())
    )
    with jax.enable_x64(False):
        start = Shrink(jnp.float32(0.2))
    fitted = learn.fit(start, batches, loss=learn.sure_loss, epochs=8, steps_per_epoch=25,
                       optimizer=_adam(), average=0.95)  # fmt: skip
    np.testing.assert_allclose(fitted.model.factor, power / (power + 1), atol=0.01)


def _adam():
    import optax

    return optax.adam(2e-2)
