"""Many steps of one iteration, whose gradient does not need the memory of all of them."""

import math
from collections.abc import Callable
from typing import TypeVar

import jax
from jax import lax

State = TypeVar("State")


def repeat(advance: Callable[[State], State], state: State, iterations: int) -> State:
    """The state after so many steps.

    Reverse mode stores a state every sqrt(iterations) steps, computes those between once more, and
    each step a third time: 2 sqrt(iterations) states are in memory at once, and one step's values.
    """
    step = jax.checkpoint(lambda state, _: (advance(state), None), prevent_cse=False)

    def run(state: State, length: int) -> State:
        return lax.scan(step, state, None, length=length)[0]

    length = math.isqrt(iterations)
    stretch = jax.checkpoint(lambda state, _: (run(state, length), None), prevent_cse=False)
    state = lax.scan(stretch, state, None, length=iterations // length)[0]
    rest = iterations % length
    return run(state, rest) if rest else state
