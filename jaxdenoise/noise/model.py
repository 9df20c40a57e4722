"""What a noise model is."""

from typing import Protocol, runtime_checkable

from jax import Array
from jax.typing import ArrayLike
from jaxtyping import PRNGKeyArray


@runtime_checkable
class NoiseModel(Protocol):
    """What every noise model offers: draw it, score it, know its variance."""

    def sample(self, key: PRNGKeyArray, image: ArrayLike) -> Array: ...

    def log_likelihood(self, noisy: ArrayLike, image: ArrayLike) -> Array: ...

    def variance(self, image: ArrayLike) -> Array: ...


@runtime_checkable
class Stabilisable(NoiseModel, Protocol):
    """A noise model that a transform turns into Gaussian noise of standard deviation 1."""

    def stabilise(self, noisy: ArrayLike) -> Array: ...

    def unstabilise(self, denoised: ArrayLike) -> Array: ...
