"""Images of many sizes by few programs."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

from jaxdenoise._core.checks import check_image
from jaxdenoise.groups import Profile, bm3d, bm3d_of_part, subspace, subspace_of_part
from jaxdenoise.sharding import shard

# Sides are rounded up to a multiple of this. It exceeds every window, and 64 to 256 pixels are 16
# programs.
_STEP = 64
# The methods, and their counterparts that denoise the upper left part of a larger image.
_PARTS: dict[Callable[..., Array], Callable[..., Array]] = {
    bm3d: bm3d_of_part,
    subspace: subspace_of_part,
}


def bucketed(denoiser: Callable[..., Array], *, sharded: bool = False) -> Callable[..., Array]:
    """Run a denoiser on images of many sizes without compiling a program for each.

    JAX compiles a program for every shape. For `subspace` that takes seconds, some megabytes, and
    on Linux 350 of the 65,530 memory mappings that a process may have. Here an image is continued
    to the next multiple of 64 pixels a side, and the program of that canvas gets the size of the
    image as an argument. The wider canvas is computed too: below 256 pixels a side it has about
    1.4 times the pixels on average.

    **Arguments:**

    - `denoiser`: `subspace` or `bm3d`.
    - `sharded`: whether all devices share an image, as under `shard`.

    **Returns:** a function of the same arguments. Its result is that of the denoiser up to the
    order of sums. In single precision `subspace` differs by less than 1e-6 of the range. In `bm3d`
    the second stage may match another, equally similar patch; single pixels then differ by up to
    1e-3. Images below 64 pixels a side, with missing pixels or a map of sigma, traced ones, and
    those for which a `Profile` is given run as they are.

    **Raises:** `TypeError` for another denoiser.

    **Example:**

    ```python
    denoise = jd.bucketed(jd.subspace)
    cleaned = [denoise(photograph, 0.1) for photograph in photographs]
    jax.clear_caches()  # releases the programs
    ```
    """
    part = next((part for whole, part in _PARTS.items() if denoiser is whole), None)
    if part is None:
        raise TypeError(f"denoiser must be jd.bm3d or jd.subspace, got {denoiser!r}")
    run, run_part = (shard(f) if sharded else f for f in (denoiser, part))

    def denoise(
        image: ArrayLike, sigma: Any, *, channel_axis: int | None = None, **parameters: Any
    ) -> Array:
        image = check_image(image, channel_axis=channel_axis, ndim=(2,))
        # The window of a caller's own profile may be wider than the canvas.
        own = isinstance(parameters.get("profile"), Profile)
        if isinstance(image, Tracer) or np.ndim(sigma) or own:
            return run(image, sigma, channel_axis=channel_axis, **parameters)
        pixels = np.asarray(image)
        spatial = list(range(pixels.ndim))
        if channel_axis is not None:
            del spatial[channel_axis]
        sides = [pixels.shape[axis] for axis in spatial]
        spare = [(0, 0)] * pixels.ndim
        for axis, side in zip(spatial, sides, strict=True):
            spare[axis] = (0, -side % _STEP)
        if min(sides) < _STEP or not np.any(spare) or not np.isfinite(pixels).all():
            return run(image, sigma, channel_axis=channel_axis, **parameters)
        canvas = np.pad(pixels, spare, mode="reflect")
        extent = np.asarray(sides, np.int32)
        out = run_part(canvas, sigma, extent, channel_axis=channel_axis, **parameters)
        # Cut on the host: a slice of a JAX array would be compiled for every size.
        return jax.device_put(np.asarray(out)[tuple(map(slice, pixels.shape))])

    return denoise
