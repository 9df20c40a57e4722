"""`tune`, and `denoise --tune`."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from imageio.v3 import imread

import jaxdenoise as jd


@pytest.fixture
def image(noisy) -> np.ndarray:
    np.save("in.npy", image := noisy(40, 44, dtype=np.float32))
    return image


# The risk of `nlm` is smooth in h. That of `tv` has kinks, where the path of a descent depends on
# rounding, and so on the program that computes it.
SMALL = {"window_size": 7, "patch_size": 3}
OPTIONS = ["--method", "nlm", "--sigma", 0.06]
OPTIONS += [word for name, size in SMALL.items() for word in ("--param", f"{name}={size}")]


def test_what_is_found_is_printed_written_and_drawn(run, image):
    options = [*OPTIONS, "--param", "h=0.2"]
    done = run("tune", "in.npy", *options, "-o", "nlm.json", "--curve", "risk.png")
    assert done.status == 0, done.err
    assert "h " in done.out
    found = json.loads(Path("nlm.json").read_text())
    assert found["start"] == {"h": 0.2}
    assert found["risk"][0] > min(found["risk"])
    assert imread("risk.png").shape[:2] == (360, 900)
    expected = jd.tune(partial(jd.nlm, **SMALL), image, 0.06, {"h": 0.2})
    np.testing.assert_allclose(found["parameters"]["h"], expected.parameters["h"], rtol=1e-4)


def test_denoise_tunes_every_page(run, image):
    assert run("denoise", "in.npy", "-o", "out.npy", *OPTIONS, "--tune").status == 0
    assert run("tune", "in.npy", *OPTIONS, "-o", "nlm.json").status == 0
    h = json.loads(Path("nlm.json").read_text())["parameters"]["h"]
    expected = jd.nlm(image, 0.06, h=np.float32(h), **SMALL)
    np.testing.assert_allclose(np.load("out.npy"), expected, atol=1e-4)


def test_photons(run, image):
    done = run("tune", "in.npy", "--method", "tv", "--noise", "poisson", "--peak", 100)
    assert done.status == 0, done.err
    assert "peak 100" in done.out


def test_bad_input(run, image):
    tune = "tune", "in.npy", "--sigma", 0.06
    run(*tune, "--method", "robust_subspace").failed_with("robust_subspace has no strength")
    run(*tune, "--method", "best").failed_with("--method must be one of")
    run(*tune, "--curve", "risk.jpg").failed_with("--curve risk.jpg", ".png")
    run("tune", "in.npy", "--sigma", 0).failed_with("sigma is 0")
    Path("tv.json").write_text("{}")
    run(*tune, "-o", "tv.json").failed_with("tv.json: exists; --force overwrites it")
    assert Path("tv.json").read_text() == "{}"
    run(*tune, "-o", "in.npy", "--force").failed_with("must be different files")
    run(*tune, "--method", "tv", "--param", "weight=0").failed_with("weight", "not 0")
    run("tune", "none.npy").failed_with("none.npy")
    run("denoise", "in.npy", "-o", "out.npy", "--tune", "--method", "robust_subspace").failed_with(
        "in.npy", "robust_subspace has no strength"
    )
