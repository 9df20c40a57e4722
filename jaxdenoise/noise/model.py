"""What a noise model is, and how a dataclass becomes one."""

from dataclasses import dataclass, field, fields
from typing import Protocol, dataclass_transform, runtime_checkable

from jax import Array
from jax.tree_util import GetAttrKey, register_pytree_with_keys
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


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def noise_model(cls: type) -> type:
    """A frozen dataclass that is a pytree.

    Its checks run when a user builds it, not when JAX does: a tree may hold gradients, `in_axes`
    or tracers in the place of parameters.
    """
    cls = dataclass(frozen=True)(cls)
    names = [f.name for f in fields(cls) if not f.metadata.get("static")]
    static = [f.name for f in fields(cls) if f.metadata.get("static")]

    def flatten(model):
        children = [(GetAttrKey(name), getattr(model, name)) for name in names]
        return children, tuple(getattr(model, name) for name in static)

    def unflatten(aux, children):
        model = object.__new__(cls)
        for name, value in zip((*names, *static), (*children, *aux), strict=True):
            object.__setattr__(model, name, value)
        return model

    register_pytree_with_keys(cls, flatten, unflatten)
    return cls
