import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdenoise._core.iterate import repeat


def advance(state):
    x, t = state
    return jnp.sin(x) * t + x, t * 0.9


@pytest.mark.parametrize("iterations", [1, 3, 16, 23])
def test_equals_the_loop_and_so_does_its_gradient(iterations):
    def loop(x):
        state = x, jnp.ones(())
        for _ in range(iterations):
            state = advance(state)
        return jnp.sum(state[0])

    def rolled(x):
        return jnp.sum(repeat(advance, (x, jnp.ones(())), iterations)[0])

    x = jnp.linspace(0, 1, 5)
    for f in (lambda g: g, jax.grad, jax.jacfwd):
        np.testing.assert_allclose(f(rolled)(x), f(loop)(x), rtol=1e-12)


def test_memory_of_the_gradient_grows_as_the_root():
    def bytes_of_gradient(iterations: int) -> int:
        gradient = jax.grad(lambda x: jnp.sum(repeat(advance, (x, jnp.ones(())), iterations)[0]))
        return (
            jax.jit(gradient)
            .lower(jnp.zeros(10_000))
            .compile()
            .memory_analysis()
            .temp_size_in_bytes
        )

    assert bytes_of_gradient(400) < 2.5 * bytes_of_gradient(100)
