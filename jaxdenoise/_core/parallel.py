"""Work on independent pieces: a few at once on a device, side by side on a mesh.

The pieces are tiles of an image. XLA works on them on about one core of a CPU, whatever they do,
and best on one after the other; over the devices of a mesh they are shared out by `shard_map`. The
mesh is JAX's own context (that of `jax.set_mesh` and `jaxdenoise.shard`), a part of every jit's
cache key, so no function has to pass it on.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import AxisType, PartitionSpec

from jaxdenoise._core.schedule import Schedule, map_by


def map_pieces(
    fn: Callable[..., Any], pieces: Any, shared: tuple = (), *, schedule: Schedule
) -> Any:
    """fn(piece, *shared) for all pieces along the leading axis, spread over the mesh in context.

    A device works on as many at once as the schedule says.
    What is traced and not a piece must come in `shared`: reverse mode through `shard_map` does not
    know what `fn` closes over.
    """
    mesh = jax.sharding.get_abstract_mesh()
    axes = tuple(
        name
        for name, kind in zip(mesh.axis_names, mesh.axis_types, strict=True)
        # Inside a caller's own `shard_map` an axis is manual, there a device works for itself; an
        # explicit one is the caller's to use.
        if kind == AxisType.Auto
    )
    devices = math.prod(mesh.shape[name] for name in axes)
    count = len(jax.tree.leaves(pieces)[0])
    if devices == 1 or count == 1:
        return map_by(lambda piece: fn(piece, *shared), pieces, schedule.tiles)
    share = -(-count // devices)
    spec = PartitionSpec(axes)
    each_its_share = jax.shard_map(
        lambda own, shared: map_by(lambda piece: fn(piece, *shared), own, schedule.tiles),
        in_specs=(spec, PartitionSpec()),
        out_specs=spec,
        axis_names=set(axes),
    )
    # The last piece, repeated, fills what the devices do not share evenly.
    even = jax.tree.map(lambda x: _repeat_last(x, share * devices - count), pieces)
    # Gathered before anything is made of them: sums over pieces keep the order of one device.
    everything = jax.lax.with_sharding_constraint(each_its_share(even, shared), PartitionSpec())
    return jax.tree.map(lambda x: x[:count], everything)


def _repeat_last(x: Array, times: int) -> Array:
    return jnp.concatenate([x, jnp.broadcast_to(x[-1:], (times, *x.shape[1:]))]) if times else x
