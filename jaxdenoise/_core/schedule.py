"""How work is cut for a platform. Sizes alone: no result depends on them beyond rounding."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
from jax import lax


class Schedule(NamedTuple):
    """The sizes by which a denoiser's work is cut, for a device of its own kind.

    Every denoiser has a schedule for CPUs and one for accelerators; `schedule=` replaces both.
    Larger sizes mean fewer, larger operations, and more memory.

    **Example:**

    ```python
    small = jd.CPU._replace(groups=32)  # less memory for the groups of patches
    jd.subspace(noisy, 0.1, schedule=small)
    ```
    """

    tile_pixels: int  # pixels of a tile of an image in which windows are scanned
    tile_side: int  # its longest side
    iterated_side: int  # side of a tile of an image on which `tv` iterates, its halo included
    references: int  # reference patches of a tile in which groups are collected
    tiles: int  # tiles worked on at once
    groups: int  # groups of patches filtered at once
    offsets: int  # offsets of the window at which patches are compared at once
    channels: int  # channels of groups filtered at once

    def window_tile(self, axes: int) -> tuple[int, int]:
        """Pixels and the longest side of a tile for a window scan, in so many dimensions.

        The halo of a volume's tile is relatively larger, so its tiles are too.
        """
        return self.tile_pixels * 4**axes // 16, max(1, self.tile_side * 16 // 4**axes)

    def iterated_tile(self, axes: int) -> int:
        """The side of a tile for iterations, in so many dimensions."""
        return max(1, self.iterated_side * 64 // 8**axes)

    def references_along(self, axes: int) -> tuple[int, ...]:
        """Reference patches of a tile along each axis, twice as many along the contiguous one."""
        side = max(1, round((self.references / 2) ** (1 / axes)))
        return (*[side] * (axes - 1), 2 * side)


# About 2^15 pixels, 512 references and 128 groups fit the second-level cache.
CPU = Schedule(
    tile_pixels=2**15,
    tile_side=512,
    iterated_side=512,
    references=512,
    tiles=1,
    groups=128,
    offsets=1,
    channels=1,
)
# As few kernels as possible, in about a gigabyte for 512 x 512 pixels.
_ALL = 2**30
ACCELERATOR = Schedule(
    tile_pixels=_ALL,
    tile_side=_ALL,
    iterated_side=_ALL,
    references=512,
    tiles=64,
    groups=_ALL,
    offsets=111,
    channels=_ALL,
)


def scheduled(work: Callable[..., Any]) -> Callable[..., Any]:
    """`work(*arrays, schedule=...)`, by default with that of the platform it is lowered for.

    The platform is unknown while JAX traces: both programs are traced, and one is compiled.
    """

    def run(*arrays: Any, schedule: Schedule | None) -> Any:
        if schedule is not None:
            return work(*arrays, schedule=schedule)
        return lax.platform_dependent(
            *arrays,
            cpu=partial(work, schedule=CPU),
            default=partial(work, schedule=ACCELERATOR),
        )

    return run


def map_by(fn: Callable[..., Any], xs: Any, at_once: int) -> Any:
    """fn(x) for all x along the leading axis, so many at once."""
    if 1 < at_once >= len(jax.tree.leaves(xs)[0]):
        return jax.vmap(fn)(xs)
    return lax.map(fn, xs, batch_size=at_once if at_once > 1 else None)
