"""Strict numerics for the whole run: x64, no implicit promotion of dtypes or ranks."""

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
import pytest

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
# Eight virtual devices: what is sharded here is sharded on a node of accelerators.
jax.config.update("jax_num_cpu_devices", 8)


def known_to_xla(flags: list[str]) -> list[str]:
    """The flags that this jaxlib has. XLA ends a process at one that it does not know."""

    def known(flag: str) -> bool:
        command = [sys.executable, "-c", "import jax; jax.devices()"]
        environment = os.environ | {"XLA_FLAGS": flag}
        return subprocess.run(command, env=environment, capture_output=True).returncode == 0

    with ThreadPoolExecutor() as pool:
        return [flag for flag, yes in zip(flags, pool.map(known, flags), strict=True) if yes]


# Compiling dominates the run. Unoptimised machine code, loops that do not pass through MLIR, and
# one thread, since the workers have the cores, compile in a quarter of the time. XLA reads the
# flags when the first device is asked for; after that they are withdrawn, so that processes which
# tests start compile as users do.
WANTED = [
    "--xla_backend_optimization_level=0",
    "--xla_cpu_use_fusion_emitters=false",
    "--xla_cpu_parallel_codegen_split_count=1",
]
# XLA is asked once. The workers inherit the answer.
if "TEST_XLA_FLAGS" not in os.environ:
    os.environ["TEST_XLA_FLAGS"] = " ".join(known_to_xla(WANTED))
FAST_TO_COMPILE = os.environ["TEST_XLA_FLAGS"]
with pytest.MonkeyPatch.context() as environment:
    if "TEST_AS_USERS_COMPILE" not in os.environ:
        flags = os.environ.get("XLA_FLAGS", "")
        environment.setenv("XLA_FLAGS", f"{flags} {FAST_TO_COMPILE}")
    jax.devices()

# Tracing makes many small objects that live as long as a program: looking for garbage among them
# takes a tenth of the run.
gc.freeze()
gc.set_threshold(100_000, 20, 20)

# A process may hold 65,530 memory mappings, and an XLA program on the CPU takes 6 to 700 of them.
# Past the limit the next compilation is a segmentation fault.
MOST_MAPPINGS = 45_000
MAPPINGS = Path("/proc/self/maps")


@pytest.fixture(autouse=True)
def released_programs() -> Iterator[None]:
    """Release the compiled programs before a worker runs out of memory mappings."""
    yield
    if MAPPINGS.exists() and MAPPINGS.read_bytes().count(b"\n") > MOST_MAPPINGS:
        jax.clear_caches()


@pytest.fixture(scope="session")
def photograph() -> np.ndarray:
    """A 64 x 64 detail of a real photograph in [0, 1]: a face, a camera, a coat, the sky."""
    from skimage import data

    return data.camera()[90:218:2, 180:308:2] / 255.0


@pytest.fixture
def compilations() -> Iterator[list[str]]:
    """The compilations so far, to be cleared."""
    heard = []

    def listen(event: str, duration: float, **_) -> None:
        if "backend_compile" in event:
            heard.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield heard
    jax.monitoring.clear_event_listeners()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
