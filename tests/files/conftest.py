"""Fixtures of the files' tests: images of noise, in which a made-up row is visible."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from jaxdenoise.files.errors import InputError
from jaxdenoise.files.pictures import read_picture


@pytest.fixture
def noise() -> Callable[..., np.ndarray]:
    def make(*shape: int, dtype: type = np.uint8) -> np.ndarray:
        return np.random.default_rng(0).integers(1, np.iinfo(dtype).max, shape).astype(dtype)

    return make


@pytest.fixture
def refused(tmp_path) -> Callable[..., None]:
    """Write bytes to a file, and expect one line that names it and has the words."""

    def check(name: str, data: bytes | bytearray, *words: str, **options) -> None:
        path: Path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(InputError) as refusal:
            read_picture(path, **options)
        message = str(refusal.value)
        assert message.startswith(f"{path}: ")
        assert len(message.splitlines()) == 1
        for word in words:
            assert word in message

    return check
