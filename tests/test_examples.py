"""Every example runs without a screen and ends in a picture."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import FAST_TO_COMPILE

# A few steps of small images show that an example runs.
FEWER = {
    "cosmic_rays": "--side 64",
    "how_sure": "--side 48 --warmup 20 --samples 4",
    "photon_limited": "--side 48 --warmup 20 --samples 4",
    "segment_through_denoiser": "--side 32 --epochs 2 --steps 2",
    "through_the_denoiser": "--side 64 --steps 2",
    "train_denoiser": "--epochs 2 --steps 2",
    "tune_nlm": "--steps 2",
}
# These compute more than they compile.
OPTIMISED = {"batch_and_noise_map", "denoise_photo", "how_we_see", "tune_nlm"}
EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example(path, tmp_path):
    picture = tmp_path / "picture.png"
    command = [sys.executable, path, "--output", picture, *FEWER.get(path.stem, "").split()]
    flags = {} if path.stem in OPTIMISED else {"XLA_FLAGS": FAST_TO_COMPILE}
    subprocess.run(command, check=True, cwd=tmp_path, env=os.environ | flags)
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert picture.stat().st_size > 50_000
