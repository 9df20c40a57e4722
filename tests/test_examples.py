"""Every example runs without a screen and ends in a picture."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import FAST_TO_COMPILE

# A few steps show that an example runs.
FEWER = {
    "through_the_denoiser": ["--steps", "2"],
    "photon_limited": ["--warmup", "20", "--samples", "4"],
    "how_sure": ["--warmup", "20", "--samples", "4"],
    "train_denoiser": ["--epochs", "2", "--steps", "2"],
    "segment_through_denoiser": ["--epochs", "2", "--steps", "2"],
}
# Networks compile in half the time without optimisation; the others would run longer for it.
UNOPTIMISED = {"train_denoiser", "segment_through_denoiser"}
EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example(path, tmp_path):
    picture = tmp_path / "picture.png"
    command = [sys.executable, path, "--output", picture, *FEWER.get(path.stem, [])]
    flags = {"XLA_FLAGS": FAST_TO_COMPILE} if path.stem in UNOPTIMISED else {}
    subprocess.run(command, check=True, cwd=tmp_path, env=os.environ | flags)
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert picture.stat().st_size > 50_000
