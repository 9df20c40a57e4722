"""What the options mean to the library, and the commands beside `denoise`."""

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Literal

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import jaxdenoise as jd
from jaxdenoise.app import options, report
from jaxdenoise.files.errors import InputError


@pytest.fixture
def photo(noisy, tmp_path):
    Image.fromarray(noisy(24, 32, 3)).save(tmp_path / "photo.png")
    return "photo.png"


@pytest.fixture
def only_tv(monkeypatch):
    """The commands that run every method run one, for speed."""
    monkeypatch.setattr(jd, "methods", lambda: ("tv",))


def test_default_method(run, noisy):
    np.save("in.npy", noisy(12, 14, dtype=np.float32))
    done = run("denoise", "in.npy", "-o", "out.npy", "--sigma", 0.06)
    assert done.out.startswith("in.npy: subspace, sigma 0.06")
    expected = jd.subspace(np.load("in.npy"), 0.06)
    np.testing.assert_allclose(np.load("out.npy"), expected, rtol=1e-5)


def test_outliers_and_their_map(run, noisy):
    """What is missing is filled; each of the maps is a file beside the output."""
    image = noisy(24, 26, dtype=np.float32)
    image[5, 7], image[11, 3] = np.nan, 1
    np.save("in.npy", image)
    options = ["--method", "robust_subspace", "--sigma", 0.06]
    done = run("denoise", "in.npy", "-o", "out.npy", *options, "--outliers-map", "map.npy")
    assert done.status == 0, done.err
    expected = jd.robust_subspace(image, np.float32(0.06))
    np.testing.assert_allclose(np.load("out.npy"), expected, atol=1e-4)
    probability = np.load("map.npy")
    assert probability.shape == image.shape
    assert min(probability[5, 7], probability[11, 3]) > 0.5
    assert np.mean(probability > 0.5) < 0.02
    run("denoise", "in.npy", "-o", "a.npy", *options, "--outliers-map", "a.npy").failed_with(
        "--outliers-map a.npy", "--out"
    )
    assert not Path("a.npy").exists()


def test_every_core_is_a_device():
    code = """
import os, jax
from jaxdenoise.app.cores import use_every_core
use_every_core()
assert jax.device_count() == len(os.sched_getaffinity(0)), jax.devices()
use_every_core()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_sigma_is_in_units_of_the_file(denoise, noisy):
    image = noisy(20, 24, dtype=np.float32)
    np.save("one.npy", image)
    np.save("many.npy", 1000 * image)
    assert denoise("one.npy", "-o", "a.npy", "--sigma", 0.06).status == 0
    assert denoise("many.npy", "-o", "b.npy", "--sigma", 60).status == 0
    np.testing.assert_allclose(np.load("b.npy"), 1000 * np.load("a.npy"), rtol=1e-4)


def test_sigma_is_estimated_and_said(denoise, noisy):
    image = noisy(48, 48, dtype=np.float32)
    np.save("in.npy", image)
    done = denoise("in.npy", "-o", "out.npy", "--sigma", "auto")
    estimate = float(jd.estimate_sigma(jnp.asarray(image)))
    assert f"sigma {estimate:.4g} (estimated)" in done.out
    np.testing.assert_allclose(
        np.load("out.npy"), np.asarray(jd.tv(jnp.asarray(image), estimate)), rtol=1e-4
    )


def test_no_noise_found_is_said(denoise, noisy):
    np.save("in.npy", flat := np.full((20, 24), 0.3, np.float32))
    done = denoise("in.npy", "-o", "out.npy")
    assert done.status == 0
    assert "in.npy: no noise found, nothing removed; give --sigma NUMBER" in done.err
    np.testing.assert_array_equal(np.load("out.npy"), flat)
    assert "no noise" not in denoise("in.npy", "-o", "told.npy", "--sigma", 0.01).err
    image = noisy(48, 48, dtype=np.float32)
    image[:, :8] = 0.5
    np.save("bordered.npy", image)
    assert "no noise" not in denoise("bordered.npy", "-o", "clean.npy").err


def test_counts_below_0_are_refused(denoise):
    np.save("in.npy", np.full((20, 24), -0.5, np.float32))
    options = ["--noise", "poisson", "--gain", 1]
    denoise("in.npy", "-o", "out.npy", *options).failed_with(
        "in.npy: it has counts below 0, down to -0.5", "poisson-gaussian"
    )


def test_parameters_reach_the_method(denoise, noisy):
    image = noisy(20, 24, dtype=np.float32)
    np.save("in.npy", image)
    parameters = ("--param", "weight=0.2", "--param", "iterations=7")
    assert denoise("in.npy", "-o", "out.npy", "--sigma", 0.1, *parameters).status == 0
    expected = jd.tv(jnp.asarray(image), 0.1, weight=0.2, iterations=7)
    np.testing.assert_allclose(np.load("out.npy"), np.asarray(expected), rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_peak_is_photons_at_full_scale(denoise, noisy, dtype):
    image = noisy(20, 24, dtype=dtype)
    np.save("in.npy", image)
    full = 1.0 if dtype is np.float32 else float(np.iinfo(dtype).max)
    peak = ("--noise", "poisson", "--peak", 50)
    gain = ("--noise", "poisson", "--gain", full / 50)
    assert denoise("in.npy", "-o", "peak.npy", *peak).status == 0
    done = denoise("in.npy", "-o", "gain.npy", *gain)
    assert done.status == 0
    assert "poisson noise, gain" in done.out
    a, b = np.load("peak.npy").astype(float), np.load("gain.npy").astype(float)
    unit = 1e-5 if dtype is np.float32 else 1
    assert np.abs(a - b).max() <= unit
    expected = jd.denoise(image.astype(np.float32), jd.Poisson(50 / full), method="tv")
    assert np.abs(a - np.asarray(expected)).max() <= 2 * unit


def test_poisson_gaussian(denoise, noisy):
    image = noisy(20, 24, dtype=np.float32)
    np.save("in.npy", image)
    noise = ("--noise", "poisson-gaussian", "--gain", 0.02, "--sigma", 0.01)
    assert denoise("in.npy", "-o", "out.npy", *noise).status == 0
    expected = jd.denoise(image, jd.PoissonGaussian(0.02, 0.01), method="tv")
    np.testing.assert_allclose(np.load("out.npy"), np.asarray(expected), atol=1e-5)


def test_values_are_parsed_by_the_signature(monkeypatch):
    def fake(
        image,
        sigma,
        *,
        window_size: int = 21,
        h: float | None = None,
        variant: Literal["pixel", "patch"] = "pixel",
        order: Literal[0, 1] = 1,
        fast: bool = True,
        channel_axis: int | None = None,
    ):
        """A method."""

    monkeypatch.setattr(jd, "methods", lambda: ("fake",))
    monkeypatch.setattr(jd, "fake", fake, raising=False)
    texts = ["window_size=15", "h=1e-1", "variant=patch", "order=0", "fast=false"]
    assert options.parse_parameters("fake", texts) == {
        "window_size": 15,
        "h": 0.1,
        "variant": "patch",
        "order": 0,
        "fast": False,
    }
    assert options.parse_parameters("fake", ["h=none"]) == {"h": None}
    for wrong in ("window_size=none", "variant=block", "order=2", "fast=1", "channel_axis=0"):
        with pytest.raises(InputError, match=wrong.partition("=")[0]):
            options.parse_parameters("fake", [wrong])


@pytest.mark.parametrize("name", jd.methods())
def test_the_default_of_every_parameter_can_be_given(name):
    for key, parameter in options.method_parameters(getattr(jd, name)).items():
        assert parameter.default is not inspect.Parameter.empty
        given = options.parse_parameters(name, [f"{key}={parameter.default}"])
        assert given == {key: parameter.default}


def test_methods_lists_all(run):
    done = run("methods")
    assert done.status == 0
    for name in jd.methods():
        assert name in done.out
        for parameter in options.method_parameters(getattr(jd, name)):
            assert f"{parameter}=" in done.out


def test_compare_with_added_noise(run, photo):
    done = run("compare", photo, "--add-noise", 20, "--methods", "tv", "-o", "picture.png")
    assert done.status == 0, done.err
    for word in ("PSNR", "SSIM", "compile s", "noisy", "tv", "sigma 20", "picture.png"):
        assert word in done.out
    with Image.open("picture.png") as picture:
        assert picture.format == "PNG"


def test_compare_with_a_reference_and_without(run, photo, noisy, only_tv):
    Image.fromarray(noisy(24, 32, 3, seed=1)).save("clean.png")
    done = run("compare", photo, "--clean", "clean.png")
    assert done.status == 0, done.err
    assert "PSNR" in done.out
    run("compare", photo).failed_with("compare.png", "exists", "--force")
    done = run("compare", photo, "--sigma", "15", "--force")
    assert done.status == 0, done.err
    assert "PSNR" not in done.out
    assert "sigma 15" in done.out


def test_compare_is_repeatable(run, photo, only_tv):
    rows = []
    for name, seed in (("a.png", 3), ("b.png", 3), ("c.png", 4)):
        done = run("compare", photo, "--add-noise", 20, "--seed", seed, "-o", name)
        rows.append([line.split()[3:6] for line in done.out.splitlines() if "noisy" in line])
    assert rows[0] == rows[1] != rows[2]


def test_compare_takes_small_and_deep_images(run, noisy, only_tv):
    Image.fromarray(noisy(8, 9, dtype=np.uint16)).save("small.png")
    done = run("compare", "small.png", "--add-noise", 3000)
    assert done.status == 0, done.err
    np.save("float.npy", 1e4 * noisy(16, 700, dtype=np.float32))
    done = run("compare", "float.npy", "--add-noise", 300, "-o", "wide.png")
    assert done.status == 0, done.err


def test_compare_refuses(run, photo, noisy, tmp_path):
    Image.fromarray(noisy(24, 33, 3)).save("other.png")
    for arguments, words in (
        (["--clean", "other.png"], ["other.png", "(24, 33, 3)"]),
        (["--clean", "nope.png"], ["nope.png"]),
        (["--clean", photo, "--add-noise", 3], ["--clean", "--add-noise"]),
        (["--add-noise", "-3"], ["--add-noise"]),
        (["--methods", "tv,magic"], ["--methods", "'magic'"]),
        (["--sigma", "loud"], ["--sigma"]),
        (["-o", "picture.jpg"], ["picture.jpg", ".png"]),
    ):
        run("compare", photo, *arguments).failed_with(*words)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.png", "photo.png"]


def test_a_method_that_fails_is_reported_and_the_others_shown(run, photo, monkeypatch, only_tv):
    def broken(image, sigma, **options):
        raise ValueError("image is too small")

    monkeypatch.setattr(jd, "tv", broken)
    done = run("compare", photo, "--add-noise", 20)
    assert done.status != 0
    assert "tv: image is too small" in done.err
    assert Path("compare.png").exists()


def test_demo_runs_twice_and_replaces_only_its_own_picture(run, only_tv):
    for _ in range(2):
        done = run("demo")
        assert done.status == 0, done.err
    for word in ("noisy", "tv", "PSNR", "demo.png"):
        assert word in done.out
    Path("mine.png").write_text("precious")
    run("demo", "-o", "mine.png").failed_with("mine.png", "--force")
    assert Path("mine.png").read_text() == "precious"
    run("demo", "--sigma", "auto").failed_with("--sigma")


def test_version_and_help(run):
    assert run("--version").out.startswith("jaxdenoise ")
    for command in ("denoise", "compare", "methods", "demo"):
        done = run(command, "--help")
        assert done.status == 0
        assert command in done.out


def test_errors_of_the_parser_are_one_line(run):
    run("denoise").failed_with("IN")
    run("fly").failed_with("fly")


def test_data_range_of_metrics():
    assert report.data_range(np.zeros((2, 2)), np.dtype(np.uint16)) == 65535
    assert report.data_range(np.array([0, 0.5]), np.dtype(np.float32)) == 1
    assert report.data_range(np.array([-2.0, 5.0]), np.dtype(np.float32)) == 7
