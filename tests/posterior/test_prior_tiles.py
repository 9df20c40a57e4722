"""Priors do not depend on how the work is cut, nor on the number of axes."""

import jax
import numpy as np
import pytest

import jaxdenoise as jd
from tests.schedules import TINY

SIGMA = 0.1
PRIORS = {
    "trace": lambda pilot, **schedule: jd.TracePrior.learn(
        pilot, SIGMA, patch_size=3, members=6, stride=2, window_size=7, **schedule
    ),
    "locally linear": lambda pilot, **schedule: jd.LocallyLinear.learn(
        pilot, SIGMA, window_size=5, patch_size=3, **schedule
    ),
}


@pytest.fixture(scope="module")
def pilot(photograph) -> np.ndarray:
    return photograph[:25, :30]


@pytest.fixture(scope="module")
def image(pilot) -> np.ndarray:
    return pilot + SIGMA * np.random.default_rng(0).normal(size=pilot.shape)


@pytest.mark.parametrize("name", PRIORS)
def test_tiles_and_devices_change_nothing(name, pilot, image):
    """Neither the prior, its arrays in the same order, nor its energy and gradient."""

    def evaluate(pilot, image, schedule):
        prior = PRIORS[name](pilot, schedule=schedule)
        return prior, *jax.value_and_grad(prior.energy)(image)

    evaluate = jax.jit(evaluate, static_argnames="schedule")
    whole = evaluate(pilot, image, schedule=None)
    shared = jd.shard(evaluate)
    results = evaluate(pilot, image, schedule=TINY), shared(pilot, image, schedule=TINY)
    for result in results:
        for a, b in zip(jax.tree.leaves(result), jax.tree.leaves(whole), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


def test_what_is_linear_in_a_volume_costs_nothing():
    ramp = 0.05 * np.add.outer(np.arange(5.0), np.add.outer(2 * np.arange(8.0), np.arange(9.0)))
    prior = jd.LocallyLinear.learn(ramp, SIGMA)
    energy = jax.jit(prior.energy)
    assert energy(ramp) < 1e-3
    bent = ramp + 0.1 * np.random.default_rng(0).normal(size=ramp.shape)
    assert energy(bent) > 50
    turned = jd.LocallyLinear.learn(ramp.transpose(1, 2, 0), SIGMA)
    np.testing.assert_allclose(turned.energy(bent.transpose(1, 2, 0)), energy(bent), rtol=1e-9)
