"""Frozen dataclasses that are pytrees: noise models and priors."""

from dataclasses import dataclass, field, fields
from typing import dataclass_transform

from jax.tree_util import GetAttrKey, register_pytree_with_keys


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def pytree_dataclass(cls: type) -> type:
    """A frozen dataclass that is a pytree; fields with `metadata={"static": True}` are structure.

    Its checks run when a user builds it, not when JAX does: a tree may hold gradients, `in_axes`
    or tracers in the place of parameters.
    """
    cls = dataclass(frozen=True)(cls)
    names = [f.name for f in fields(cls) if not f.metadata.get("static")]
    static = [f.name for f in fields(cls) if f.metadata.get("static")]

    def flatten(tree):
        children = [(GetAttrKey(name), getattr(tree, name)) for name in names]
        return children, tuple(getattr(tree, name) for name in static)

    def unflatten(aux, children):
        tree = object.__new__(cls)
        for name, value in zip((*names, *static), (*children, *aux), strict=True):
            object.__setattr__(tree, name, value)
        return tree

    register_pytree_with_keys(cls, flatten, unflatten)
    return cls
