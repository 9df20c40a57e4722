"""Unbiased estimates of risk against closed forms, and against the error itself on average."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

import jaxdenoise as jd
from tests.gradients import check_grads

SIGMA = 0.1


@pytest.fixture
def noisy(rng) -> np.ndarray:
    return rng.normal(size=(5, 6))


def soft_threshold(y, sigma):
    return jnp.sign(y) * jnp.maximum(jnp.abs(y) - sigma, 0)


def closed_form(matrix: np.ndarray, y: np.ndarray, variance: np.ndarray, weight: np.ndarray):
    residual = matrix @ y.ravel() - y.ravel()
    return np.mean(residual**2 - variance.ravel() + 2 * weight.ravel() * np.diag(matrix))


@pytest.mark.parametrize("sigma", [SIGMA, np.linspace(0, 1, 6)[None]])
def test_sure_of_a_matrix(linear, matrix, noisy, sigma):
    variance = np.broadcast_to(np.square(sigma), noisy.shape)
    expected = closed_form(matrix, noisy, variance, variance)
    np.testing.assert_allclose(jd.sure(linear, noisy, sigma), expected, rtol=1e-12)
    # Probes, exact or by differences, of which a matrix has no others.
    given = {"key": jax.random.key(1), "probes": 4000}
    by_probes = jd.sure(linear, noisy, sigma, **given)
    np.testing.assert_allclose(by_probes, expected, rtol=0.01)
    by_differences = jd.sure(linear, noisy, sigma, difference=True, **given)
    np.testing.assert_allclose(by_differences, by_probes, rtol=1e-9)
    one = jd.sure(linear, noisy, sigma, key=jax.random.key(1))
    assert one != jd.sure(linear, noisy, sigma, key=jax.random.key(2))


def test_sure_is_the_error_on_average():
    """A soft threshold has a kink; several images at once, each its own noise."""
    clean = jnp.linspace(-0.3, 0.3, 256).reshape(16, 16)

    def once(key):
        noise_key, probe_key = jax.random.split(key)
        noisy = clean + SIGMA * jax.random.normal(noise_key, clean.shape)
        error = jd.mse(soft_threshold(noisy, SIGMA), clean)
        return jd.sure(soft_threshold, noisy, SIGMA, key=probe_key), error

    estimates, errors = jax.vmap(once)(jax.random.split(jax.random.key(0), 400))
    deviation = np.std(estimates - errors) / 400**0.5
    assert deviation < 0.01 * np.mean(errors)
    assert abs(np.mean(estimates) - np.mean(errors)) < 4 * deviation


def test_choices_are_differentiated_by_differences(photograph, rng):
    noisy = photograph[20:34, 20:38] + SIGMA * rng.normal(size=(14, 18))
    for method, chooses in (("subspace", True), ("nlm", False)):
        estimate = partial(jd.sure, getattr(jd, method), noisy, SIGMA, key=jax.random.key(0))
        exact, differences = (float(estimate(difference=d)) for d in (False, True))
        assert exact != differences
        assert float(estimate()) == (differences if chooses else exact)


def test_a_jump_that_nothing_tells():
    """Of a hard threshold: differences see it, if they are asked for."""
    clean = jnp.linspace(-0.3, 0.3, 65536).reshape(256, 256)
    noisy = clean + SIGMA * jax.random.normal(jax.random.key(0), clean.shape)

    def hard(y, sigma):
        return jnp.where(jnp.abs(y) > 2 * sigma, y, 0)

    error = jd.mse(hard(noisy, SIGMA), clean)
    assert jd.sure(hard, noisy, SIGMA) < 0.8 * error
    np.testing.assert_allclose(jd.sure(hard, noisy, SIGMA, difference=True), error, rtol=0.03)


def test_many_photons_in_single_precision():
    """The change of a photon is that of the transform, whose roots are nearly equal."""
    noisy = np.full((6, 7), 1e6, np.float32)
    given = {"key": jax.random.key(0)}
    found = jd.pure(lambda y, noise: 0.5 * y, noisy, jd.Poisson(1.0), **given)
    np.testing.assert_allclose(found, 0.25 * 1e12, rtol=1e-4)
    risk = [
        jd.pure(lambda y, noise: y, noisy, jd.Poisson(1.0), stabilised=s, **given)
        for s in (True, False)
    ]
    np.testing.assert_allclose(*risk, rtol=1e-5)


def test_on_a_mesh(noisy, linear):
    """Each device its own images, the divergence exact or by probes."""
    images = jnp.stack([noisy + k for k in range(8)])
    mesh = Mesh(np.asarray(jax.devices()), ("batch",))
    spec = PartitionSpec("batch")

    def each(image):
        found = jd.lipschitz(linear, image, SIGMA, iterations=3)
        diagonal = jd.jacobian_diagonal(linear, image, SIGMA)
        exact = jd.sure(linear, image, SIGMA)
        probed = jd.sure(linear, image, SIGMA, key=jax.random.key(0), probes=3)
        tuned = jd.tune(lambda y, s, f: f * y, image, SIGMA, {"f": 0.5}, steps=3)
        return found.constant, diagonal, exact, probed, tuned.parameters["f"]

    batch = jax.vmap(each)
    sharded = jax.jit(jax.shard_map(batch, mesh=mesh, in_specs=spec, out_specs=spec))(images)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9), sharded, batch(images))


def test_gradient_of_sure(photograph, rng):
    noisy = photograph[20:32, 20:34] + SIGMA * rng.normal(size=(12, 14))

    def risk(h, sigma):
        denoiser = partial(jd.nlm, h=h, patch_size=3, window_size=5)
        return jd.sure(denoiser, noisy, sigma, key=jax.random.key(0))

    check_grads(risk, (0.08, SIGMA), order=1, eps=1e-6, rtol=1e-3)


NOISES = [jd.Poisson(4.0), jd.PoissonGaussian(0.25, 0.1)]


@pytest.mark.parametrize("noise", NOISES, ids=["poisson", "with_read_out"])
def test_pure_of_a_matrix(linear, matrix, noisy, noise):
    read_out = getattr(noise, "sigma", 0) ** 2
    counts = np.abs(noisy)
    variance = 0.25 * counts + read_out
    expected = closed_form(matrix, counts, variance, variance)
    np.testing.assert_allclose(jd.pure(linear, counts, noise, stabilised=False), expected)


@pytest.mark.parametrize("noise", NOISES, ids=["poisson", "with_read_out"])
def test_pure_is_the_error_on_average(noise):
    """Behind the stabilising transform, down to no photon at all."""
    clean = jnp.linspace(0.0, 2.0, 256).reshape(16, 16)

    def denoiser(image, noise):
        stabilised = noise.stabilise(image)
        near = sum(jnp.roll(stabilised, shift) for shift in range(-2, 3)) / 5
        return noise.unstabilise(0.9 * near + 0.2)

    def once(key):
        noise_key, probe_key = jax.random.split(key)
        noisy = noise.sample(noise_key, clean)
        error = jd.mse(denoiser(noisy, noise), clean)
        return jd.pure(denoiser, noisy, noise, key=probe_key), error

    estimates, errors = jax.vmap(once)(jax.random.split(jax.random.key(0), 1000))
    assert abs(np.mean(estimates) / np.mean(errors) - 1) < 0.03


def test_bad_input(linear, noisy):
    with pytest.raises(TypeError, match="noise must be Poisson or PoissonGaussian, got Gaussian"):
        getattr(jd.pure, "__wrapped__", jd.pure)(linear, noisy, jd.Gaussian(1.0))
    with pytest.raises(TypeError, match="what denoiser returns must be a real array"):
        jd.sure(lambda y, sigma: y.astype(complex), noisy, SIGMA)
    with pytest.raises(ValueError, match="probes must be a positive integer"):
        jd.sure(linear, noisy, SIGMA, probes=0)
    with pytest.raises(ValueError, match="sigma must be finite and not negative"):
        jd.sure(linear, noisy, -1.0)
    with pytest.raises(ValueError, match=r"denoiser must return an image of the shape \(5, 6\)"):
        jd.sure(lambda y, sigma: y[1:], noisy, SIGMA)
    with pytest.raises(ValueError, match="noisy must not be empty"):
        jd.sure(linear, np.zeros((0, 3)), SIGMA)


def test_denoisers_by_name(photograph):
    """Every estimate takes the name of a method, and refuses a text that is none."""
    y = photograph[:6, :7]
    noise = jd.Poisson(20.0)
    behind = partial(jd.denoise, method="tv")
    np.testing.assert_allclose(jd.sure("tv", y, 0.1), jd.sure(jd.tv, y, 0.1))
    np.testing.assert_allclose(jd.pure("tv", y, noise), jd.pure(behind, y, noise))
    for f in (jd.sure, jd.j_invariant_loss, jd.jacobian_diagonal, jd.lipschitz):
        with pytest.raises(ValueError, match=r"denoiser must be one of 'bilateral', .*got 'magic'"):
            f("magic", y, 0.1)
    with pytest.raises(ValueError, match="denoiser must be one of"):
        jd.pure("magic", y, noise)
