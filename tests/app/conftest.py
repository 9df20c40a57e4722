"""Fixtures of the command line's tests: ways to run it and small noisy images."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from jaxdenoise.app import cli


@dataclass
class Run:
    status: int
    out: str
    err: str

    def failed_with(self, *words: str) -> None:
        """One line on stderr that holds the words, no traceback, a status that says so."""
        assert self.status in (1, 2), (self.status, self.err)
        lines = [line for line in self.err.splitlines() if line]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("jaxdenoise: error: ")
        for word in words:
            assert word in lines[0]


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    """Neither tests nor processes that they start write to the user's cache."""
    monkeypatch.setenv("JAXDENOISE_CACHE", "0")


@pytest.fixture
def run(monkeypatch, capsys, tmp_path) -> Callable[..., Run]:
    """The command line, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Run:
        monkeypatch.setattr(sys, "argv", ["jaxdenoise", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return Run(stop.value.code or 0, captured.out, captured.err)

    return call


@pytest.fixture
def shell(monkeypatch, tmp_path) -> Callable[..., subprocess.CompletedProcess]:
    """A line of a shell, in which `jaxdenoise` is a process of its own, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    command = f'jaxdenoise() {{ "{sys.executable}" -m jaxdenoise_command "$@"; }}\n'

    def call(line: str, **given) -> subprocess.CompletedProcess:
        return subprocess.run(["bash", "-c", command + line], capture_output=True, **given)

    return call


@pytest.fixture
def denoise(run) -> Callable[..., Run]:
    """`denoise` with the fastest method."""
    return lambda *arguments: run("denoise", "--method", "tv", *arguments)


@pytest.fixture
def noisy() -> Callable[..., np.ndarray]:
    """A ramp with noise at full scale 1, converted to `dtype` at its own full scale."""

    def make(*shape: int, dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        ramp = np.linspace(0.2, 0.8, shape[1])
        ramp = ramp.reshape((1, -1) + (1,) * (len(shape) - 2))
        image = np.clip(ramp + 0.06 * rng.normal(size=shape), 0, 1)
        if np.issubdtype(dtype, np.integer):
            return np.rint(image * np.iinfo(dtype).max).astype(dtype)
        return image.astype(dtype)

    return make
