"""`tune`, and `denoise --tune`."""

import json
from pathlib import Path

import numpy as np
import pytest
from imageio.v3 import imread

import jaxdenoise as jd


@pytest.fixture
def image(noisy) -> np.ndarray:
    np.save("in.npy", image := noisy(40, 44, dtype=np.float32))
    return image


def test_what_is_found_is_printed_written_and_drawn(run, image):
    options = ["--method", "tv", "--sigma", 0.06, "--param", "weight=0.2"]
    done = run("tune", "in.npy", *options, "-o", "tv.json", "--curve", "risk.png")
    assert done.status == 0, done.err
    assert "weight" in done.out
    found = json.loads(Path("tv.json").read_text())
    assert found["start"] == {"weight": 0.2}
    assert found["risk"][0] > min(found["risk"])
    assert imread("risk.png").shape[:2] == (360, 900)
    expected = jd.tune(jd.tv, image, 0.06, {"weight": 0.2})
    np.testing.assert_allclose(
        found["parameters"]["weight"], expected.parameters["weight"], rtol=1e-4
    )


def test_denoise_tunes_every_page(run, image):
    options = ["--method", "tv", "--sigma", 0.06]
    assert run("denoise", "in.npy", "-o", "out.npy", *options, "--tune").status == 0
    assert run("tune", "in.npy", *options, "-o", "tv.json").status == 0
    weight = json.loads(Path("tv.json").read_text())["parameters"]["weight"]
    np.testing.assert_allclose(
        np.load("out.npy"), jd.tv(image, 0.06, weight=np.float32(weight)), atol=1e-4
    )


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
