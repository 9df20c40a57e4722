"""Refuse images that do not fit the memory, before anything is decoded."""

import os
from pathlib import Path

import numpy as np

from jaxdenoise.files.errors import InputError

# Bytes per sample of the work in float32: input and result of a method, and two arrays of its own.
_WORK = 16
# Copies of the samples that exist at the same time: decoded, converted, written.
_COPIES = 3
_CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> float:
    """Return the bytes that this process can still use; infinite where the system does not say."""
    found = [_free_on_the_machine(), _free_in_the_cgroup()]
    return min((size for size in found if size is not None), default=float("inf"))


def check_memory(
    path: Path,
    size: str,
    pixels: int,
    *,
    samples: int,
    dtype: np.dtype,
    max_pixels: float | None,
) -> None:
    """Refuse an image that claims more pixels than `max_pixels`.

    With `max_pixels=None` the limit is the memory that is available. `size` describes the image in
    the message and `samples` counts the channels of a pixel.
    """
    megapixels = f"{pixels / 1e6:.6g} megapixels"
    if max_pixels is not None:
        if pixels > max_pixels:
            raise InputError(
                f"{path}: claims {size} ({megapixels}), over the limit of {max_pixels / 1e6:.6g}; "
                f"--max-megapixels raises it"
            )
        return
    need = pixels * samples * (_COPIES * dtype.itemsize + _WORK)
    free = available_memory()
    if need > free:
        raise InputError(
            f"{path}: claims {size} ({megapixels}), which takes {need / 1e9:.3g} GB, and "
            f"{free / 1e9:.3g} GB of memory are free; --max-megapixels sets another limit"
        )


def _free_on_the_machine() -> float | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            name, _, amount = line.partition(":")
            if name == "MemAvailable":
                return 1024.0 * int(amount.split()[0])
    except (OSError, ValueError):
        pass
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return None


def _free_in_the_cgroup() -> float | None:
    """Return what the limit of a container leaves."""
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        return float(limit - int((_CGROUP / "memory.current").read_text()))
    except (OSError, ValueError):  # no limit, or another version of cgroups
        return None
