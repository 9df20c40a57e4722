"""One denoiser on every device: the tiles of one image, or the images of a batch."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jax.typing import ArrayLike

_AXIS = "pieces"


def shard(
    denoiser: Callable[..., Any], mesh: Mesh | None = None, *, batch: bool = False
) -> Callable[..., Any]:
    """Run a denoiser over all devices of a mesh, with the result of one device.

    With `batch` the devices share the images. Without it they share the tiles of one image, each
    with all the pixels that its windows reach; `tv` has more than one only above about 500 pixels
    a side. Composes with `jit`, whose arguments must not be committed to one device, and `grad`,
    without `batch` with `vmap` too.

    **Arguments:**

    - `denoiser`: any function of this package that takes an image first, or one made of them.
    - `mesh`: the devices, whatever its axes. Default: all of `jax.devices()`. A CPU is one device
        unless `jax.config.update("jax_num_cpu_devices", cores)` comes before JAX's first use.
    - `batch`: every positional argument has a leading axis of images, as under `jax.vmap`, which
        the number of devices must divide; scalars and keyword arguments hold for all of them. A
        keyword argument that is not an array is static: a new value compiles anew.

    **Returns:** a function of the same arguments.

    **Raises:** `TypeError` if `denoiser` is not a function or `mesh` not a mesh; `ValueError` if
    the devices cannot share a batch evenly, or its arguments differ in length.

    **Example:**

    ```python
    denoise = jd.shard(jd.subspace)
    clean = denoise(noisy, 0.1)
    ```
    """

    if not callable(denoiser):
        raise TypeError(f"denoiser must be a function, got {denoiser!r}")
    if not isinstance(mesh, Mesh | None):
        raise TypeError(f"mesh must be a jax.sharding.Mesh, got {mesh!r}")
    devices = jax.devices() if mesh is None else mesh.devices.ravel().tolist()
    flat = Mesh(np.asarray(devices), (_AXIS,), axis_types=(AxisType.Auto,))
    return _share_batch(denoiser, flat) if batch else _share_tiles(denoiser, flat)


def _share_tiles(denoiser: Callable[..., Any], mesh: Mesh) -> Callable[..., Any]:
    """The image is everywhere; `map_pieces` finds the mesh in the context."""
    everywhere = NamedSharding(mesh, PartitionSpec())

    def on_tiles(image: ArrayLike, *arguments: Any, **parameters: Any) -> Any:
        # Only what may be committed to one device: numbers stay, for the denoiser to check.
        image = jax.device_put(image, everywhere)
        arguments, parameters = jax.tree.map(
            lambda x: jax.device_put(x, everywhere) if isinstance(x, Array) else x,
            (arguments, parameters),
        )
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return denoiser(image, *arguments, **parameters)

    return on_tiles


def _share_batch(denoiser: Callable[..., Any], mesh: Mesh) -> Callable[..., Any]:
    """Every device has some of the images, and works on one after the other."""
    whole, shared = PartitionSpec(), PartitionSpec(_AXIS)

    @partial(jax.jit, static_argnames="parameters")
    def on_images(arguments: tuple, arrays: dict, parameters: tuple) -> Any:
        split = [jnp.ndim(a) > 0 for a in arguments]

        def own(arguments: tuple, arrays: dict) -> Any:
            def one(images: list[Array]) -> Any:
                image = iter(images)
                each = (
                    next(image) if along else a for a, along in zip(arguments, split, strict=True)
                )
                return denoiser(*each, **arrays, **dict(parameters))

            return lax.map(one, [a for a, along in zip(arguments, split, strict=True) if along])

        specs = tuple(shared if along else whole for along in split)
        each = jax.shard_map(own, mesh=mesh, in_specs=(specs, whole), out_specs=shared)
        return each(arguments, arrays)

    def on_batch(images: ArrayLike, *arguments: Any, **parameters: Any) -> Any:
        every = [a if np.ndim(a) == 0 else jnp.asarray(a) for a in (images, *arguments)]
        lengths = {np.shape(a)[0] for a in every if np.ndim(a)}
        if len(lengths) != 1:
            raise ValueError(
                f"images and arguments of a batch must be equally many, got {sorted(lengths)}"
            )
        if (length := lengths.pop()) % mesh.size:
            raise ValueError(
                f"a batch of {length} images cannot be shared evenly by {mesh.size} devices"
            )
        every = tuple(
            jax.device_put(a, NamedSharding(mesh, shared if np.ndim(a) else whole)) for a in every
        )
        arrays = {k: v for k, v in parameters.items() if isinstance(v, Array | np.ndarray)}
        others = tuple((k, v) for k, v in parameters.items() if k not in arrays)
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return on_images(every, arrays, others)

    return on_batch
