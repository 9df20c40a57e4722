"""Strict numerics for the whole run: x64, no implicit promotion of dtypes or ranks."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import jax
import numpy as np
import pytest

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
# Eight virtual devices: what is sharded here is sharded on a node of accelerators.
jax.config.update("jax_num_cpu_devices", 8)
# Compiling dominates the run: unoptimised machine code, and loops not by way of MLIR, are there in
# a quarter of the time. The flags are read when the first device is, and taken back for the
# processes that tests start.
FAST_TO_COMPILE = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
with pytest.MonkeyPatch.context() as environment:
    flags = os.environ.get("XLA_FLAGS", "")
    environment.setenv("XLA_FLAGS", f"{flags} {FAST_TO_COMPILE}")
    jax.devices()


@pytest.fixture(scope="session")
def photograph() -> np.ndarray:
    """A 64 x 64 detail of a real photograph in [0, 1]: a face, a camera, a coat, the sky."""
    from skimage import data

    return data.camera()[90:218:2, 180:308:2] / 255.0


@pytest.fixture
def small_tiles() -> Callable[[], AbstractContextManager]:
    """A context in which images of a few pixels have many tiles, of several chunks."""

    @contextmanager
    def small() -> Iterator[None]:
        jax.clear_caches()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("jaxdenoise._core.tiles._AREA", {2: 80, 3: 80})
            patch.setattr("jaxdenoise._core.tiles._SIDE", {2: 10, 3: 10})
            patch.setattr("jaxdenoise._core.grid._TILE", (2, 3))
            patch.setattr("jaxdenoise._core.patches._CHUNK", 4)
            patch.setattr(sys.modules["jaxdenoise.filters.tv"], "_TILE_SIDE", {2: 30, 3: 30})
            yield
        jax.clear_caches()

    return small


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
