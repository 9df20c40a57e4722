"""The schedule of the platform that a program is lowered for, and schedules of the caller."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdenoise as jd
from jaxdenoise._core.schedule import map_by, scheduled
from tests.schedules import TINY


def references(image, *, schedule):
    return jnp.full_like(image, schedule.references)


def run(image):
    return scheduled(references)(image, schedule=None)


@pytest.mark.parametrize("transform", [lambda f: f, lambda f: jax.grad(lambda x: jnp.sum(f(x)))])
def test_a_program_holds_the_schedule_of_its_platform_alone(monkeypatch, transform):
    monkeypatch.setattr("jaxdenoise._core.schedule.CPU", TINY._replace(references=111))
    monkeypatch.setattr("jaxdenoise._core.schedule.ACCELERATOR", TINY._replace(references=222))

    def square(image):
        return run(image) * image

    traced = jax.jit(transform(square)).trace(jnp.ones(3))
    for platform, own, other in (("cpu", "111.0", "222.0"), ("cuda", "222.0", "111.0")):
        text = traced.lower(lowering_platforms=(platform,)).as_text()
        own, other = (f"{float(number):e}"[:7] for number in (own, other))
        assert own in text
        assert other not in text
    both = traced.lower(lowering_platforms=("cpu", "tpu")).as_text()
    assert "1.11000" in both
    assert "2.22000" in both
    np.testing.assert_array_equal(jax.vmap(square)(jnp.ones((2, 3))), 111)


def test_denoisers_are_cut_by_platform():
    """An image that is one tile on an accelerator is several on a CPU."""
    image = jax.ShapeDtypeStruct((300, 700), jnp.float32)
    traced = jax.jit(lambda image: jd.bilateral(image, 0.1)).trace(image)
    texts = [traced.lower(lowering_platforms=(p,)).as_text() for p in ("cpu", "cuda")]
    # Ten tiles of 60 x 350 pixels, stacked.
    assert "tensor<10x1x60x350xf32>" in texts[0]
    assert "tensor<10x1x60x350xf32>" not in texts[1]


@pytest.mark.parametrize("at_once", [1, 2, 3, 5, 100])
def test_map_by(at_once):
    xs = np.arange(10.0).reshape(5, 2)
    twice, total = map_by(lambda x: (2 * x, jnp.sum(x)), jnp.asarray(xs), at_once)
    np.testing.assert_array_equal(twice, 2 * xs)
    np.testing.assert_array_equal(total, xs.sum(axis=1))


def test_sizes_in_more_dimensions():
    assert jd.CPU.window_tile(2) == (2**15, 512)
    assert jd.CPU.window_tile(3) == (2**17, 128)
    assert [jd.CPU.iterated_tile(d) for d in (2, 3)] == [512, 64]
    assert jd.CPU.references_along(2) == (16, 32)
    for d in (1, 2, 3, 4):
        assert 350 < np.prod(jd.CPU.references_along(d)) <= 1024


@pytest.mark.parametrize("method", jd.methods())
def test_bad_schedules_are_refused(method):
    denoise = getattr(jd, method)
    with pytest.raises(TypeError, match="schedule"):
        denoise(np.ones((8, 9)), 0.1, schedule="cpu")
    with pytest.raises(ValueError, match="groups of schedule must be a positive integer, got 0"):
        denoise(np.ones((8, 9)), 0.1, schedule=TINY._replace(groups=0))
