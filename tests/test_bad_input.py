"""Bad input gives one error, at trace time, that names the argument."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdenoise as jd
from jaxdenoise._core import checks
from tests.conftest import FAST_TO_COMPILE

ROOT = Path(__file__).parent.parent

IMAGE = np.zeros((8, 9))
CASES = {
    "rank_1": (np.zeros(5), {}, ValueError, r"image must have 2 (or 3 )?spatial axes"),
    "rank_4": (np.zeros((2, 2, 2, 2)), {}, ValueError, r"image must have 2 (or 3 )?spatial axes"),
    "colour_rank": (np.zeros((4, 3)), {"channel_axis": -1}, ValueError, "channel_axis=-1"),
    "axis": (IMAGE, {"channel_axis": 2}, ValueError, "channel_axis must be None or an axis"),
    "complex": (IMAGE + 0j, {}, TypeError, "image must be a real array, got dtype complex128"),
    "empty": (np.zeros((0, 4)), {}, ValueError, "image must not be empty"),
    "no_sigma": (IMAGE, {"sigma": None}, ValueError, "sigma must be a number or a map"),
    "complex_sigma": (IMAGE, {"sigma": np.ones(9) * 1j}, TypeError, "sigma must be a real array"),
    "negative_sigma": (IMAGE, {"sigma": -1.0}, ValueError, "sigma must be finite and not negative"),
    "nan_sigma": (IMAGE, {"sigma": np.nan}, ValueError, "sigma must be finite and not negative"),
    "nan_map": (IMAGE, {"sigma": np.full((8, 9), np.nan)}, ValueError, "sigma must be finite"),
    "map_shape": (IMAGE, {"sigma": np.ones((9, 8))}, ValueError, r"sigma must .* \(8, 9\)"),
}


def unwrapped(method: str):
    """Under pytest beartype would catch a wrong type before the check that a user meets."""
    denoiser = getattr(jd, method)
    return getattr(denoiser, "__wrapped__", denoiser)


@pytest.mark.parametrize("method", jd.methods())
@pytest.mark.parametrize(("image", "given", "error", "match"), CASES.values(), ids=CASES.keys())
def test_image_and_sigma(method, image, given, error, match):
    given = {"sigma": 0.1, **given}
    with pytest.raises(error, match=match):
        unwrapped(method)(image, **given)


@pytest.mark.parametrize(
    ("method", "given", "match"),
    [
        ("nlm", {"window_size": 4}, "window_size must be an odd positive integer, got 4"),
        ("nlm", {"patch_size": 0}, "patch_size"),
        ("nlm", {"patch_size": (3, 3, 3)}, "patch_size must be one odd integer or 2 of them"),
        (
            "bilateral",
            {"window_size": (3, 4)},
            "window_size must be an odd positive integer, got 4",
        ),
        ("nlm", {"h": -0.1}, "h must be finite"),
        ("nlm", {"variant": "both"}, "variant must be one of 'pixel', 'patch', got 'both'"),
        ("bilateral", {"window_size": -3}, "window_size"),
        ("subspace", {"strength": 0.0}, "strength must be finite and positive"),
        ("bilateral", {"sigma_range": np.inf}, "sigma_range"),
        ("bilateral", {"sigma_spatial": 0.0}, "sigma_spatial must be finite and positive"),
        ("bilateral", {"sigma_spatial": np.ones(3)}, "sigma_spatial must be a scalar"),
        ("bm3d", {"threshold": -1.0}, "threshold must be finite"),
        ("bm3d", {"threshold": 0.0}, "threshold must be finite and positive"),
        ("bm3d", {"profile": "best"}, "profile must be one of 'normal', 'fast', got 'best'"),
        ("mean_shift", {"iterations": 0}, "iterations must be a positive integer"),
        ("mean_shift", {"sigma_range": np.ones((3, 3))}, "sigma_range must be a scalar or"),
        ("robust_subspace", {"outlier_rate": 1.0}, "outlier_rate must be below 1, got 1.0"),
        ("robust_subspace", {"outlier_rate": -0.1}, "outlier_rate must be finite and not negative"),
        ("robust_subspace", {"outlier_rate": np.ones(2)}, "outlier_rate must be a scalar"),
        ("robust_subspace", {"mask": np.ones((9, 8), bool)}, r"mask must .* \(8, 9\)"),
        ("robust_subspace", {"profile": "slow"}, "profile must be one of 'fast', 'best'"),
        ("detect_outliers", {"outlier_rate": np.nan}, "outlier_rate must be finite"),
        ("steering", {"order": 2}, "order must be one of 0, 1"),
        ("steering", {"bandwidth": -1.0}, "bandwidth"),
        ("subspace", {"profile": "slow"}, "profile must be one of 'fast', 'best', got 'slow'"),
        ("tv", {"weight": -1.0}, "weight"),
        ("tv", {"iterations": 2.5}, "iterations"),
    ],
)
def test_parameters(method, given, match):
    with pytest.raises(ValueError, match=match):
        unwrapped(method)(IMAGE, 0.1, **given)


def test_mask_is_of_booleans_or_integers():
    with pytest.raises(TypeError, match="mask must be of booleans or integers, got dtype float64"):
        jd.robust_subspace(IMAGE, 0.1, mask=np.zeros((8, 9)))
    colours = np.zeros((3, 8, 9))
    with pytest.raises(ValueError, match=r"mask must have shape \(8, 9\) or \(3, 8, 9\)"):
        jd.robust_subspace(colours, 0.1, mask=np.zeros((9, 8), bool), channel_axis=0)


def test_neither_denoiser_nor_mesh():
    with pytest.raises(TypeError, match="denoiser must be a function, got 'subspace'"):
        unwrapped("shard")("subspace")
    with pytest.raises(TypeError, match="mesh must be a jax.sharding.Mesh, got 4"):  # noqa: RUF043
        unwrapped("shard")(jd.subspace, 4)


def test_numpy_integers_are_sizes_and_booleans_are_not():
    checks.check_odd(np.int64(3), name="window_size")
    checks.check_count(np.int32(2), name="iterations")
    with pytest.raises(ValueError, match="iterations"):
        checks.check_count(True, name="iterations")


def test_errors_come_at_trace_time():
    with pytest.raises(ValueError, match="channel_axis"):
        jax.jit(lambda x: jd.nlm(x, 0.1, channel_axis=5))(IMAGE)
    with pytest.raises(ValueError, match="sigma must be finite"):
        jax.jit(lambda x: jd.nlm(x, -0.1))(IMAGE)


def test_traced_sigma_is_accepted():
    assert jax.jit(jd.tv)(IMAGE, jnp.float64(0.1)).shape == IMAGE.shape


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ({"sigma": jnp.float32(jnp.nan)}, ValueError, "sigma must be finite and not negative"),
        ({"sigma": jnp.full((8, 9), -1.0)}, ValueError, "sigma must be finite and not negative"),
        ({"sigma": np.ma.masked_array(np.ones((8, 9)), np.eye(8, 9))}, ValueError, "sigma must be"),
        ({"weight": jnp.float64(-1)}, ValueError, "weight must be finite and not negative"),
        ({"sigma": 2**40}, ValueError, "sigma must be a float or an integer of 32 bits"),
        ({"weight": "strong"}, TypeError, "weight must be a number or .* got a str"),
        ({"iterations": 2**40}, ValueError, "iterations must be at most 2147483647"),
    ],
)
def test_numbers_that_are_known_are_checked(given, error, match):
    with pytest.raises(error, match=match):
        unwrapped("tv")(IMAGE, **{"sigma": 0.1, **given})


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("subspace", {"strength": None}),
        ("bm3d", {"threshold": None}),
        ("bilateral", {"sigma_spatial": "wide"}),
        ("subspace", {"profile": np.array(["fast"])}),
        ("nlm", {"variant": ["pixel"]}),
        ("steering", {"order": True}),
    ],
)
def test_strengths_and_choices_of_other_types_are_named(method, given):
    with pytest.raises((TypeError, ValueError), match=f"{next(iter(given))} must be"):
        unwrapped(method)(IMAGE, 0.1, **given)


class Quantity(np.ndarray):
    """An array with a unit, as astropy has it."""


@pytest.mark.parametrize(
    ("image", "error", "match"),
    [
        (
            IMAGE.view(Quantity),
            TypeError,
            "image must be .* got a tests Quantity; np.asarray makes",
        ),
        (IMAGE.astype(object), TypeError, "image must be a real array, got dtype object"),
        (IMAGE.tolist(), TypeError, "image must be .* got a list"),
        (np.full((8, 9), np.nan), ValueError, "image has no finite pixel"),
        (np.zeros((64, 64, 3)), ValueError, r"3 channels, or 3 slices .* channel_axis=-1 for chan"),
        (np.zeros((64, 64, 1)), ValueError, "1 channels, or 1 slices"),
        (np.zeros((4, 16, 16)), ValueError, "channel_axis=0 for channels"),
        (4_000_000_000 + np.arange(72, dtype=np.uint32).reshape(8, 9), ValueError, "steps of 256"),
    ],
)
def test_images_that_would_be_misread(image, error, match):
    with pytest.raises(error, match=match):
        unwrapped("tv")(image, 0.1)


def test_a_channel_without_any_pixel_is_named():
    colours = np.stack([IMAGE, np.full_like(IMAGE, np.nan)])
    with pytest.raises(ValueError, match="channel 1 has no finite pixel"):
        jd.tv(colours, 0.1, channel_axis=0)


def test_a_thin_volume_can_be_said():
    volume = np.zeros((3, 16, 16, 1))
    assert jd.tv(volume, 0.1, channel_axis=-1).shape == volume.shape


def test_arrays_that_jax_would_cut_or_refuse(rng):
    """64-bit integers, foreign byte orders and masks are the same numbers."""
    counts = rng.integers(0, 100, (8, 9))
    expected = jd.tv(counts.astype(np.float32), 10.0)
    with jax.enable_x64(False):
        for same in (counts.astype(np.int64), counts.astype(">u8"), counts.astype(">f4")):
            np.testing.assert_allclose(jd.tv(same, 10.0), expected, rtol=1e-6)
        large = jd.tv(np.full((8, 9), 3_000_000_000), 1.0)
    np.testing.assert_allclose(large, 3e9)
    missing = np.eye(8, 9, dtype=bool)
    masked = jd.tv(np.ma.masked_array(counts, missing), 10.0)
    absent = np.where(missing, np.nan, counts).astype(np.float32)
    np.testing.assert_array_equal(masked, jd.tv(absent, 10.0))


def test_wrong_arguments_are_named_or_harmless():
    """Seventeen wrong values for every argument of twenty public functions."""
    command = [sys.executable, "-m", "tests.arguments"]
    flags = os.environ | {"XLA_FLAGS": FAST_TO_COMPILE}
    done = subprocess.run(
        command, cwd=ROOT, env=flags, check=True, capture_output=True, text=True, timeout=200
    )
    assert not done.stdout
