"""Every script of benchmarks/ runs, on images of 32 x 32 pixels, and writes what it measured."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import FAST_TO_COMPILE

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
# The arguments of every script ask for the fewest rounds, methods and sizes. The script runs in the
# folder of the images.
ARGUMENTS = {
    "fuzz": "--count 12",
    "interrupts": "--count 1 --longest 0.1",
    "landscape": "--quick --seeds 1 --picture picture.png",
    "learning": "--data membrane --rounds 1 --quick",
    "outliers": "--data . --limit 1 --rounds 1 --picture picture.png",
    "posterior": "--data . --noises 'poisson 4' --limit 1 --warmup 20 --samples 4",
    "quality": "--data . --sets Set12 --sigmas 25 --methods tv --picture picture.png",
    "risk": "--data . --draws 2 --methods tv",
    "speed": "--data . --methods tv --rounds 1 --sizes 32",
    "split": "--number 10 --rounds 1",
    "through": "--data membrane --runs runs --quick --picture picture.png",
    "tune": "--data . --methods tv --limit 1",
}
# These scripts print a table and write no file.
WITHOUT_FIGURES = {"fuzz", "interrupts"}
# These modules are imported by the scripts.
PARTS = {
    *("fresh", "front", "impulse_peers", "landscape_groups", "landscape_picture", "measure"),
    *("ours", "peers", "photograph", "recovery_peers", "scaling", "side_by_side"),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two photographs of a set, and six frames with their masks."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)

    def save(name, pixels):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / name)

    def waves():
        pixels = np.add.outer(np.sin(np.arange(32) / 2), np.cos(np.arange(32) / 3))
        return np.clip(128 + 50 * pixels + 5 * rng.normal(size=pixels.shape), 0, 255)

    for number in (1, 8):
        save(f"Set12/{number:02}.png", waves())
    for number in range(6):
        frame = waves()
        save(f"membrane/frames/{number}.png", frame)
        save(f"membrane/masks/{number}.png", 255 * (frame > 128))
    return folder


def test_every_script_is_tried():
    assert {path.stem for path in BENCHMARKS.glob("*.py")} == ARGUMENTS.keys() | PARTS


@pytest.mark.parametrize("name", ARGUMENTS)
def test_benchmark(name, data, tmp_path):
    for folder in data.iterdir():
        (tmp_path / folder.name).symlink_to(folder)
    command = [sys.executable, BENCHMARKS / f"{name}.py", *shlex.split(ARGUMENTS[name])]
    environment = os.environ | {"XLA_FLAGS": FAST_TO_COMPILE}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"\bnan\b", done.stdout, re.IGNORECASE), done.stdout
    if name not in WITHOUT_FIGURES:
        figures = json.loads((tmp_path / f"{name}.json").read_text())
        assert figures["machine"]["cores_used"] > 0
    if "picture.png" in ARGUMENTS[name]:
        assert (tmp_path / "picture.png").stat().st_size > 20_000
