"""Bad input gives one error, at trace time, that names the argument."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdenoise as jd
from jaxdenoise._core import checks

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


def test_nan_pixel_does_not_spread_beyond_its_window(rng):
    image = rng.normal(size=(30, 30))
    image[3, 4] = np.nan
    out = np.asarray(jd.bilateral(image, 0.5, window_size=5))
    assert np.isnan(out[3, 4])
    assert np.isfinite(out[8:, 8:]).all()
