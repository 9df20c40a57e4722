"""What a prior is: an energy of images. Priors add and scale."""

from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxdenoise._core.checks import check_scalar
from jaxdenoise._core.pytree import pytree_dataclass


@runtime_checkable
class HasEnergy(Protocol):
    """All that `map_estimate` and `sample` ask of a prior, beside being a pytree."""

    def energy(self, image: ArrayLike) -> Array: ...


class Prior:
    """A pytree with `energy(image)`, a scalar: E(x) = -log p(x), up to a constant.

    Sums of priors are priors, and so are their products with a number, the weight:
    `2.0 * jd.HuberTV(1.0, 0.1) + other`. Any pytree that has an `energy` serves as a prior; it is
    added and scaled too where it derives from this class.
    """

    # Whether exp(-energy) is a density over u, in which the noise is 1, rather than over the image.
    over_coordinates = False
    # An array of NumPy on the left of `*` must not take a prior for a sequence of numbers.
    __array_ufunc__ = None

    def energy(self, image: ArrayLike) -> Float[Array, ""]:
        raise NotImplementedError

    def __add__(self, other: HasEnergy) -> "Sum":
        if not isinstance(other, HasEnergy):
            return NotImplemented
        return Sum((self, other))

    def __radd__(self, other: Any) -> "Prior":
        """So that `sum` of several priors is one."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __mul__(self, weight: ArrayLike) -> "Scaled":
        return Scaled(weight, self)

    __rmul__ = __mul__


@pytree_dataclass
class Sum(Prior):
    """The product of densities: energies add."""

    terms: tuple[Any, ...]

    @property
    def over_coordinates(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return any(is_over_coordinates(term) for term in self.terms)

    def energy(self, image: ArrayLike) -> Float[Array, ""]:
        return jnp.sum(jnp.stack([term.energy(image) for term in self.terms]))


@pytree_dataclass
class Scaled(Prior):
    """A power of a density: weight * energy."""

    weight: ArrayLike
    prior: Any

    @property
    def over_coordinates(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return is_over_coordinates(self.prior)

    def __post_init__(self):
        check_scalar(self.weight, name="weight")

    def energy(self, image: ArrayLike) -> Float[Array, ""]:
        energy = self.prior.energy(image)
        return jnp.asarray(self.weight, energy.dtype) * energy


def is_over_coordinates(prior: Any) -> bool:
    return getattr(prior, "over_coordinates", False)


def check_built_for(image: ArrayLike, shape: tuple[int, ...]) -> None:
    """Of a prior that a pilot of this shape has shown."""
    if jnp.shape(image) != shape:
        raise ValueError(f"prior was built for an image of shape {shape}, got {jnp.shape(image)}")


def check_prior(prior: Any) -> None:
    if not isinstance(prior, HasEnergy):
        raise TypeError(f"prior must have a method energy(image), got {type(prior).__name__}")
    for leaf in jax.tree.leaves(prior):
        if not hasattr(leaf, "dtype") and not isinstance(leaf, int | float):
            raise TypeError(
                f"prior must be a pytree of arrays, but {type(prior).__name__} holds or is "
                f"a {type(leaf).__name__}"
            )
