"""`denoise` by the methods of the posterior, and the maps beside its output."""

import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

import jaxdenoise as jd
from jaxdenoise.app import job

FEWER = ["--param", "steps=5", "--param", "num_particles=3"]
FEW = ["--param", "num_warmup=20", "--param", "num_samples=6", "--param", "num_chains=2"]


@pytest.fixture
def prior_that_compiles_fast(monkeypatch):
    def prior(image, noise, channel_axis):
        sigma = 1.0 if isinstance(noise, jd.Poisson) else noise
        return jd.HuberTV(0.8 / sigma, 0.3 * sigma)

    monkeypatch.setattr(jd, "default_prior", prior)


def test_mean_and_maps(run, noisy, prior_that_compiles_fast):
    """Quantiles go beside the output; standard deviations are floats in units of the file."""
    tifffile.imwrite("in.tif", noisy(24, 26))
    asked = ["--std-map", "std.tif", "--quantiles", "5,95", *FEW]
    done = run("denoise", "in.tif", "-o", "out.tif", "--method", "hmc", "--sigma", 15, *asked)
    assert done.status == 0, done.err
    assert done.out.startswith("in.tif: hmc, sigma 15 (given)")
    assert "the chains do not agree" in done.err
    image, std = tifffile.imread("out.tif"), tifffile.imread("std.tif")
    low, high = tifffile.imread("out_q5.tif"), tifffile.imread("out_q95.tif")
    assert (image.dtype, low.dtype, std.dtype) == (np.uint8, np.uint8, np.float32)
    assert np.mean((low <= image) & (image <= high)) > 0.95
    assert 1 < std.mean() < 15
    run("denoise", "in.tif", "-o", "b.tif", "--method", "hmc", "--std-map", "b.tif").failed_with(
        "--std-map b.tif", "--out"
    )


def test_most_probable_image(run, noisy, prior_that_compiles_fast):
    np.save("in.npy", noisy(24, 26, dtype=np.float32))
    done = run("denoise", "in.npy", "-o", "out.npy", "--method", "map", "--sigma", 0.06)
    assert done.status == 0, done.err
    out, image = np.load("out.npy"), np.load("in.npy")
    assert np.std(np.diff(out, axis=0)) < 0.5 * np.std(np.diff(image, axis=0))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--method", "tv", "--std-map", "s.tif"], ["--std-map", "hmc or svgd, not tv"]),
        (["--method", "map", "--quantiles", "5,95"], ["--quantiles", "hmc or svgd, not map"]),
        (["--method", "hmc", "--quantiles", "5,hundred"], ["--quantiles", "percentages"]),
        (["--method", "hmc", "--quantiles", "0"], ["--quantiles", "percentages"]),
        (["--method", "hmc", "--sigma", "0"], ["in.npy", "nothing to sample"]),
        (["--method", "hmc", "--tune"], ["--tune", "hmc"]),
        (["--method", "svgd", "--volume"], ["--volume", "svgd"]),
        (["--method", "hmc", "--std-map", "s.png"], ["--std-map s.png", ".tif or .npy"]),
        (["--method", "hmc", "--quantiles", "0.05,0.95"], ["--quantiles", "percentages"]),
        (
            ["--method", "hmc", "--quantiles", "5", "--std-map", "out_q5.npy"],
            ["--std-map out_q5.npy", "--quantiles"],
        ),
        (["--method", "hmc", "--param", "num_warmup=5"], ["in.npy", "num_warmup", "at least 20"]),
        (["--method", "hmc", "--param", "chains=2"], ["--param chains", "num_chains"]),
        (["--method", "map", "--noise", "poisson", "--peak", "0"], ["--peak", "positive"]),
    ],
)
def test_bad_input(run, noisy, prior_that_compiles_fast, options, words):
    np.save("in.npy", noisy(8, 9, dtype=np.float32))
    given = [] if {"--noise", "--sigma"} & {*options} else ["--sigma", 0.1]
    run("denoise", "in.npy", "-o", "out.npy", *given, *options).failed_with(*words)
    assert [path.name for path in Path.cwd().iterdir()] == ["in.npy"]


@pytest.mark.parametrize("method", ["hmc", "svgd"])
def test_pages_of_counts(run, method, prior_that_compiles_fast, monkeypatch):
    """All pages by one compiled program, whose steps are told."""
    counts = np.random.default_rng(0).poisson(4, (3, 12, 14)).astype(np.uint16)
    tifffile.imwrite("in.tif", counts, photometric="minisblack")
    given = ["--std-map", "std.tif", "--quantiles", "5,95", *(FEW if method == "hmc" else FEWER)]
    told = []
    monkeypatch.setattr(job, "_advance_within", lambda *at: told.append(at[1:]))
    program = sys.modules["jaxdenoise.posterior.sample"]._hmc
    before = program._cache_size()
    asked = ["--method", method, "--noise", "poisson", "--gain", 1, *given]
    done = run("denoise", "in.tif", "-o", "out.tif", *asked)
    assert done.status == 0, done.err
    assert program._cache_size() - before == (method == "hmc")
    assert {number for number, *_ in told} == {0, 1, 2}
    assert "the chains do not agree" in done.err or "far too small" in done.err
    mean, std = tifffile.imread("out.tif"), tifffile.imread("std.tif")
    assert mean.shape == std.shape == tifffile.imread("out_q95.tif").shape == counts.shape
    assert mean.std() < counts.std()


def test_units_that_cannot_be(run):
    """Counts read as if 4 photons were 65535."""
    tifffile.imwrite("in.tif", np.full((8, 9), 7, np.uint16))
    options = ["--method", "map", "--noise", "poisson", "--peak", 4]
    run("denoise", "in.tif", "-o", "out.tif", *options).failed_with("in.tif", "--gain 1", "65535")


def test_counts_below_zero(run):
    np.save("in.npy", np.full((8, 9), -1.0, np.float32))
    options = ["--method", "map", "--noise", "poisson", "--peak", 4]
    run("denoise", "in.npy", "-o", "out.npy", *options).failed_with("in.npy", "counts below 0")
