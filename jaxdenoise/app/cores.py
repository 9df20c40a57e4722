"""Every core of a CPU as a device of its own.

A program of XLA uses about one core, whatever it does; `jd.shard` runs it on every device.
"""

import os
from contextlib import suppress

import jax


def use_every_core() -> None:
    """Before JAX is first used; later, or where the environment asks for a number, nothing."""
    asked = "JAX_NUM_CPU_DEVICES" in os.environ or "device_count" in os.environ.get("XLA_FLAGS", "")
    if not asked:
        with suppress(RuntimeError):  # too late: JAX is in use
            jax.config.update("jax_num_cpu_devices", _usable_cores())


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
