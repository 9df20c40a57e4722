"""Compiled programs are kept in a folder of the user's cache, which does no harm."""

import os
import stat
from pathlib import Path

import jax
import pytest
from PIL import Image

from jaxdenoise.app import compilation


@pytest.fixture
def kept(monkeypatch, tmp_path):
    """The configuration of JAX in a process without settings of its own."""
    told = {}
    monkeypatch.delenv("JAXDENOISE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(jax.config, "update", told.__setitem__)

    def keep() -> str | None:
        told.clear()
        compilation.keep_compiled()
        return told.get("jax_compilation_cache_dir")

    return keep


def test_the_folder(kept, monkeypatch, tmp_path):
    folder = Path(kept())
    assert folder.parent == tmp_path / "cache" / "jaxdenoise"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    monkeypatch.setattr(compilation, "_cpu", lambda: "another")
    assert Path(kept()).parent == folder.parent
    assert Path(kept()) != folder
    for invalid in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", invalid)
        monkeypatch.setenv("HOME", str(tmp_path))
        assert Path(kept()).parent == tmp_path / ".cache" / "jaxdenoise"


def test_it_is_switched_off(kept, monkeypatch, tmp_path):
    monkeypatch.setenv("JAXDENOISE_CACHE", "0")
    assert kept() is None
    monkeypatch.delenv("JAXDENOISE_CACHE")
    values = {**jax.config.values, "jax_compilation_cache_dir": "/of/the/user"}
    monkeypatch.setattr(type(jax.config), "values", property(lambda config: values))
    assert kept() is None
    assert not (tmp_path / "cache").exists()


def test_a_folder_that_cannot_be_made_does_no_harm(kept, monkeypatch, tmp_path):
    (tmp_path / "cache").write_text("a file")
    assert kept() is None
    (tmp_path / "cache").unlink()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert kept() is None


def test_it_is_bounded(kept, monkeypatch):
    monkeypatch.setattr(compilation, "_BYTES", 25)
    folder = Path(kept())
    for age, name in enumerate(["new", "old", "older", "oldest"]):
        (folder / name).write_bytes(bytes(10))
        os.utime(folder / name, (1000 - age, 1000 - age))
    kept()
    assert sorted(path.name for path in folder.iterdir()) == ["new", "old"]


def test_programs_are_kept(shell, noisy, monkeypatch, tmp_path):
    monkeypatch.delenv("JAXDENOISE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Image.fromarray(noisy(20, 24)).save(tmp_path / "in.png")
    line = "jaxdenoise {} denoise --method tv in.png -o {}"
    done = shell(line.format("--no-cache", "a.png"))
    assert (done.returncode, done.stderr) == (0, b"")
    assert not (tmp_path / "cache").exists()
    done = shell(line.format("", "b.png"))
    assert (done.returncode, done.stderr) == (0, b"")
    assert list((tmp_path / "cache" / "jaxdenoise").glob("*/jit__tv-*"))
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
