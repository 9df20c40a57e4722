"""`jaxdenoise learn`: from folders to what was learned."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def data():
    """Ten pairs in the folder `data`."""
    for kind in ("frame", "mask"):
        folder = Path("data", f"{kind}s")
        folder.mkdir(parents=True)
        for k in range(10):
            Image.fromarray(np.full((8, 9), k, np.uint8)).save(folder / f"{kind}_{k:03d}.png")


def test_split(run, data):
    done = run("learn", "split", "data", "out", "--ratios", "6,2,2", "--link", "symlink")
    assert done.status == 0, done.err
    assert done.out.strip() == "data: 10 pairs -> out: train 6, val 2, test 2"
    assert len(list(Path("out").rglob("*.png"))) == 20


def test_without_the_extra(run, data, monkeypatch):
    loaded = [name for name in sys.modules if name.startswith("jaxdenoise.learn")]
    for name in (*loaded, "equinox"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "equinox", None)
    done = run("learn", "split", "data", "out")
    assert done.status == 1
    assert done.err.splitlines()[-1].endswith("needs: pip install 'jaxdenoise[learn]'")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["data", "out", "--ratios", "1,2"], ["--ratios", "three numbers"]),
        (["data", "out", "--ratios", "0,1,1"], ["--ratios", "three numbers"]),
        (["data", "out", "--link", "move"], ["--link", "copy, hardlink, symlink"]),
        (["data", "out", "--targets", "labels"], ["labels", "no such folder"]),
        (["nowhere", "out"], ["nowhere", "no such folder"]),
    ],
)
def test_split_refuses(run, data, options, words):
    run("learn", "split", *options).failed_with(*words)
    assert not Path("out").exists()
