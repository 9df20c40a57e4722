"""Every example runs without a screen and ends in a picture."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example(path, tmp_path):
    picture = tmp_path / "picture.png"
    subprocess.run([sys.executable, path, "--output", picture], check=True, cwd=tmp_path)
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert picture.stat().st_size > 50_000
