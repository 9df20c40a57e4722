"""One denoiser on every device: the tiles of one image, or the images of a batch."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import Array, lax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

_AXIS = "pieces"


def shard(
    denoiser: Callable[..., Array], mesh: Mesh | None = None, *, batch: bool = False
) -> Callable[..., Array]:
    """Run a denoiser over all devices of a mesh, with the result of one device.

    With `batch` the devices share the images. Without it they share the tiles of one image, in
    methods on groups of patches (`subspace`); the kernel filters and `tv` do not share theirs yet
    and run whole on every device. Composes with `jit`, `grad` and `vmap`. In float32 a group's last
    members may differ where two patches are equally similar up to rounding.

    **Arguments:**

    - `denoiser`: any function of this package that takes an image first, or one made of them.
    - `mesh`: the devices, whatever its axes. Default: all of `jax.devices()`. A CPU is one device
        unless `jax.config.update("jax_num_cpu_devices", cores)` comes before JAX's first use.
    - `batch`: every positional argument has a leading axis of images, as under `jax.vmap`, which
        the number of devices must divide; scalars and keyword arguments hold for all of them.

    **Returns:** a function of the same arguments.

    **Raises:** `ValueError` if the devices cannot share a batch evenly.

    **Example:**

    ```python
    denoise = jd.shard(jd.subspace)
    clean = denoise(noisy, 0.1)
    ```
    """

    def sharded(*arguments: Any, **parameters: Any) -> Array:
        devices = jax.devices() if mesh is None else mesh.devices.ravel().tolist()
        flat = Mesh(np.asarray(devices), (_AXIS,), axis_types=(AxisType.Auto,))
        if not batch:
            arguments, parameters = _put((arguments, parameters), flat, PartitionSpec())
            with jax.sharding.use_abstract_mesh(flat.abstract_mesh):
                return denoiser(*arguments, **parameters)
        split = [np.ndim(a) > 0 for a in arguments]
        for argument, along in zip(arguments, split, strict=True):
            if along and len(argument) % len(devices):
                raise ValueError(
                    f"a batch of {len(argument)} images cannot be shared evenly by "
                    f"{len(devices)} devices"
                )
        specs = tuple(PartitionSpec(_AXIS) if along else PartitionSpec() for along in split)
        arguments = tuple(_put(a, flat, spec) for a, spec in zip(arguments, specs, strict=True))

        def own(*arguments: Array) -> Array:
            def one(images: list[Array]) -> Array:
                image = iter(images)
                each = (
                    next(image) if along else a for a, along in zip(arguments, split, strict=True)
                )
                return denoiser(*each, **parameters)

            return lax.map(one, [a for a, along in zip(arguments, split, strict=True) if along])

        each_its_own = jax.shard_map(own, mesh=flat, in_specs=specs, out_specs=PartitionSpec(_AXIS))
        return jax.jit(each_its_own)(*arguments)

    return sharded


def _put(values: Any, mesh: Mesh, spec: PartitionSpec) -> Any:
    """Arrays onto the mesh; sizes and names stay what they are."""

    def put(value: Any) -> Any:
        is_array = isinstance(value, Array | np.ndarray | float)
        return jax.device_put(value, NamedSharding(mesh, spec)) if is_array else value

    return jax.tree.map(put, values)
