"""Compiled programs: kept in a folder of the user's cache, and released from memory in time."""

import os
import platform
import sys
import warnings
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import jax

# Linux allows a process 65,530 memory mappings, and beyond them XLA ends in a segmentation fault.
_MAPPINGS = Path("/proc/self/maps")
_MOST_MAPPINGS = 20_000
# Programs that compile faster than this are not stored.
_SECONDS = 0.2
_BYTES = 1 << 29


def keep_compiled() -> None:
    """Before the first compilation; nothing where the user has a cache of JAX, or wants none."""
    if os.environ.get("JAXDENOISE_CACHE") == "0" or jax.config.values["jax_compilation_cache_dir"]:
        return
    try:
        folder = _folder()
        # Programs that others could put there would run.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _shrink(folder, _BYTES)
    except (OSError, RuntimeError):  # of a user without a home
        return
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return
    # A full disk is no reason to complain.
    warnings.filterwarnings("ignore", ".*persistent compilation cache", UserWarning)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", _SECONDS)


def release_programs() -> None:
    """Release all compiled programs once they hold a third of the mappings of a process.

    A program of `subspace` has 350. This bounds memory too: a program has up to 25 MB.
    """
    with suppress(OSError):  # systems without such a limit have no such file
        if _MAPPINGS.read_bytes().count(b"\n") > _MOST_MAPPINGS:
            jax.clear_caches()


def _folder() -> Path:
    """One for each kind of CPU, as machines that differ may share a home."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification takes relative paths for invalid.
    cache = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return cache / "jaxdenoise" / sha256(_cpu().encode()).hexdigest()[:16]


def _cpu() -> str:
    """Its instruction sets where Linux lists them, else its name."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return line
    return f"{sys.platform} {platform.machine()} {platform.processor()}"


def _shrink(folder: Path, most: int) -> None:
    """Remove what was not used for the longest time, until the rest fits.

    JAX's own bound stops the cache for good where a process was killed while it wrote an entry.
    """
    entries = [(path, path.stat()) for path in folder.iterdir() if path.is_file()]
    size = sum(about.st_size for _, about in entries)
    for path, about in sorted(entries, key=lambda e: max(e[1].st_atime, e[1].st_mtime)):
        if size <= most:
            return
        path.unlink(missing_ok=True)
        size -= about.st_size
