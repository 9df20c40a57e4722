"""The limit of pixels is the memory of the machine, or what the option says."""

import struct
import zlib

import numpy as np
import pytest
import tifffile

from jaxdenoise.files import memory
from jaxdenoise.files.pictures import read_picture


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.fixture
def bomb():
    """A file of some bytes that would take 961 megapixels."""
    header = struct.pack(">IIBBBBB", 31_000, 31_000, 8, 0, 0, 0, 0)
    body = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"0")) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_files_that_do_not_fit_are_refused_by_their_header(bomb, refused, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 4e9)
    refused(
        "bomb.png",
        bomb,
        "961 megapixels",
        "which takes 18.3 GB, and 4 GB of memory",
        "--max-megapixels",
    )


def test_the_option_sets_another_limit(bomb, refused, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 1e3)
    # Beyond the limit it is decoded, and found to be damaged.
    refused("bomb.png", bomb, "damaged", max_pixels=1e9)
    refused("bomb.png", bomb, "over the limit of 1", max_pixels=1e6)


@pytest.mark.parametrize("suffix", ["npy", "tif"])
def test_other_formats_are_limited_too(noise, tmp_path, monkeypatch, refused, suffix):
    path = tmp_path / f"a.{suffix}"
    if suffix == "npy":
        np.save(path, noise(100, 100))
    else:
        tifffile.imwrite(path, noise(100, 100))
    monkeypatch.setattr(memory, "available_memory", lambda: 1e5)
    refused(path.name, path.read_bytes(), "0.01 megapixels", "GB of memory are free")
    monkeypatch.setattr(memory, "available_memory", lambda: 1e6)
    assert read_picture(path).pages[0].pixels.shape == (100, 100)


def test_available_memory_is_between_a_megabyte_and_all():
    assert 1e6 < memory.available_memory() < 1e14


def test_a_container_has_less(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("2000\n")
    assert memory.available_memory() == 3000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available_memory() > 1e6
