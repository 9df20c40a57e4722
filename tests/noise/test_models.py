import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import poisson

import jaxdenoise as jd
from tests.gradients import check_grads

KEY = jax.random.key(7)


@jax.jit
def sample(model, image):
    return model.sample(KEY, image)


@jax.jit
def variance(model, image):
    return model.variance(image)


@jax.jit
def log_likelihood(model, noisy, image):
    return model.log_likelihood(noisy, image)


MODELS = {
    "gaussian": jd.Gaussian(0.1),
    "poisson": jd.Poisson(30.0),
    "poisson_gaussian": jd.PoissonGaussian(0.05, 0.1),
    "salt_and_pepper": jd.Impulse(0.2, 0.0, 1.0, 0.05),
    "random_valued": jd.Impulse(0.2, 0.0, 1.0, 0.05, values="uniform"),
}


@pytest.fixture(params=MODELS.values(), ids=MODELS.keys())
def model(request):
    return request.param


def test_sample_has_the_stated_variance(model):
    for level in (0.2, 0.7):
        image = np.full((400, 500), level)
        noisy = sample(model, image)
        # The standard error of a variance over 2e5 pixels is below 1 % here.
        np.testing.assert_allclose(np.var(noisy), variance(model, image)[0, 0], rtol=0.03)


def test_same_key_same_sample_under_jit_and_vmap(model):
    image = np.full((6, 7), 0.4)
    noisy = model.sample(KEY, image)
    np.testing.assert_allclose(sample(model, image), noisy, atol=1e-12)
    batched = jax.jit(jax.vmap(model.sample, (None, 0)))(KEY, image[None])
    np.testing.assert_allclose(batched[0], noisy)


def test_is_a_pytree_that_crosses_jit(model):
    image = np.full((4, 4), 0.5)
    np.testing.assert_allclose(variance(model, image), model.variance(image))
    assert isinstance(jax.tree.map(lambda leaf: leaf, model), type(model))


def test_trees_may_hold_anything_in_the_place_of_parameters():
    """The checks are for who builds a model, not for gradients and axes that travel in one."""
    image = np.full((3, 4), 0.5)
    gradient = jax.device_get(jax.grad(lambda m: -jnp.sum(m.variance(image)))(jd.Gaussian(0.1)))
    assert gradient.sigma < 0
    models = jd.Poisson(jnp.asarray([10.0, 20.0]))
    out = jax.vmap(lambda m, x: m.variance(x), in_axes=(0, None))(models, image)
    np.testing.assert_allclose(out[0], 2 * out[1])
    assert jax.tree.map(lambda _: -1.0, jd.Gaussian(0.1)).sigma == -1


def test_without_noise_the_likelihood_is_a_point_mass():
    x = jnp.asarray([0.5])
    assert jd.Gaussian(0.0).log_likelihood(x, x) == jnp.inf
    assert jd.Gaussian(0.0).log_likelihood(x + 0.1, x) == -jnp.inf
    assert jd.Impulse(0.2, 0.0, 1.0, 0.0).log_likelihood(x + 0.1, x) == -jnp.inf


def test_impulses_of_rate_zero_are_gaussian_noise():
    image, noisy = np.full((3, 4), 0.4), np.linspace(0, 1, 12).reshape(3, 4)
    expected = jd.Gaussian(0.3).log_likelihood(noisy, image)
    for values in ("extremes", "uniform"):

        def score(rate, values=values):
            return jd.Impulse(rate, 0.0, 1.0, 0.3, values=values).log_likelihood(noisy, image)

        score = jax.jit(jax.value_and_grad(score))
        np.testing.assert_allclose(score(0.0)[0], expected, rtol=1e-12)
        for rate in (0.0, 0.2):
            assert np.isfinite(score(rate)[1])


def test_dtype_is_kept(model):
    image = np.full((4, 4), 0.5, np.float32)
    for out in (
        sample(model, image),
        variance(model, image),
        log_likelihood(model, image, image),
    ):
        assert out.dtype == np.float32


def test_likelihood_is_highest_near_the_truth_and_differentiable(model):
    truth = np.full((100, 100), 0.5)
    noisy = sample(model, truth)
    levels = np.linspace(0.3, 0.7, 41)
    scores = [log_likelihood(model, noisy, np.full_like(truth, level)) for level in levels]
    assert abs(levels[np.argmax(scores)] - 0.5) <= 0.011
    check_grads(lambda x: model.log_likelihood(noisy[:3, :3], x), (truth[:3, :3],), order=1)


@pytest.mark.parametrize("name", ["gaussian", "poisson", "random_valued"])
def test_density_integrates_to_one(name):
    model = MODELS[name]
    if name == "poisson":
        values, step = np.arange(200.0) / 30, 1.0
    else:
        values = np.linspace(-1, 2, 30001)
        step = values[1] - values[0]
    image = np.asarray([0.6])
    scores = jax.jit(jax.vmap(lambda y: model.log_likelihood(y[None], image)))(values)
    np.testing.assert_allclose(np.sum(np.exp(scores)) * step, 1, rtol=1e-3)


def test_poisson_likelihood_without_light():
    model = jd.Poisson(10.0)
    dark = np.zeros((1,))
    assert log_likelihood(model, dark, dark) == 0
    assert log_likelihood(model, np.ones((1,)), dark) == -np.inf
    slope = jax.jit(jax.grad(log_likelihood, argnums=2))
    assert np.isfinite(slope(model, dark, dark)).all()


@pytest.mark.parametrize("model", [jd.Gaussian(0.2), jd.Poisson(1.0), jd.PoissonGaussian(2.0, 3.0)])
def test_stabilised_noise_has_unit_variance(model):
    """Makitalo & Foi, figure 1: within a few percent from about ten photons upwards."""
    image = np.full((300, 300), 40.0)
    stabilised = model.stabilise(sample(model, image))
    np.testing.assert_allclose(np.std(stabilised), 1, rtol=0.02)


@pytest.mark.parametrize("mean", [0.5, 1.0, 2.0, 5.0, 20.0, 100.0])
@pytest.mark.parametrize("read_out", [0.0, 1.0])
def test_inverse_is_unbiased(mean, read_out):
    """unstabilise(E[stabilise(y)]) is E[y] although the transform is not linear."""
    from scipy import stats

    counts = np.arange(400)
    probability = stats.poisson.pmf(counts, mean)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    y = counts[:, None] + read_out * nodes
    model = jd.PoissonGaussian(1.0, read_out)
    expected = probability @ np.asarray(model.stabilise(y)) @ weights / weights.sum()
    # The closed form is an approximation; its error is largest at low counts.
    np.testing.assert_allclose(model.unstabilise(expected), mean, atol=0.045)
    plain = (expected / 2) ** 2 - 3 / 8 - read_out**2
    assert abs(model.unstabilise(expected) - mean) < abs(plain - mean)


def test_poisson_is_poisson_gaussian_without_read_out():
    image = np.linspace(0, 2, 50)
    poisson, both = jd.Poisson(8.0), jd.PoissonGaussian(1 / 8, 0.0)
    for name in ("variance", "stabilise", "unstabilise"):
        np.testing.assert_allclose(getattr(poisson, name)(image), getattr(both, name)(image))


def test_zero_photons_come_back_as_zero():
    model = jd.Poisson(1.0)
    np.testing.assert_allclose(model.unstabilise(model.stabilise(np.zeros(3))), 0, atol=1e-3)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: jd.Gaussian(-1.0), "sigma"),
        (lambda: jd.Gaussian(float("nan")), "sigma"),
        (lambda: jd.Poisson(0.0), "peak"),
        (lambda: jd.PoissonGaussian(-1.0, 1.0), "gain"),
        (lambda: jd.Impulse(1.5, 0.0, 1.0, 0.1), "rate"),
    ],
)
def test_bad_parameters(make, name):
    with pytest.raises(ValueError, match=name):
        make()


def test_likelihood_of_many_photons_in_single_precision(rng):
    """As double precision has it, also where hundreds of thousands cancel."""
    for peak in (3.0, 100.0, 6e4):
        image = rng.uniform(0.2, 1, size=(8, 9))
        counts = rng.poisson(peak * image) / peak
        expected = np.sum(poisson.logpmf(np.round(peak * counts), peak * image))
        narrow = (np.float32(x) for x in (counts, image))
        single = log_likelihood(jd.Poisson(np.float32(peak)), *narrow)
        np.testing.assert_allclose(single, expected, rtol=1e-4)
        double = log_likelihood(jd.Poisson(peak), counts, image)
        np.testing.assert_allclose(double, expected, rtol=1e-8)
    far = log_likelihood(jd.Poisson(6e4), np.array([1.0]), np.array([1e-9]))
    np.testing.assert_allclose(far, poisson.logpmf(60000, 6e-5), rtol=1e-10)


@pytest.mark.parametrize("noise", [jd.Poisson(4.0), jd.PoissonGaussian(0.25, 0.1)])
def test_missing_pixels_stay_missing_in_a_sample(noise):
    image = np.asarray([0.5, np.nan, -1.0])
    np.testing.assert_array_equal(np.isnan(sample(noise, image)), [False, True, False])
