"""What every denoiser obeys."""

import inspect
import threading
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh, PartitionSpec

import jaxdenoise as jd
from tests.denoisers import DENOISERS, Entry
from tests.gradients import check_grads
from tests.schedules import SEVERAL, TINY

SIGMA = 0.1
# By a thousandth of a parameter at most.
DESCENT = optax.sign_sgd(1e-3)


@pytest.fixture(params=DENOISERS.values(), ids=DENOISERS.keys())
def entry(request) -> Entry:
    return request.param


@pytest.fixture(params=["float32", "float64"])
def noisy(request, photograph) -> np.ndarray:
    """A small noisy image that is not square."""
    noise = np.random.default_rng(1).normal(size=(14, 18)) * SIGMA
    return (photograph[20:34, 20:38] + noise).astype(request.param)


# What does not depend on rounding: programs of one dtype are enough, and compiling takes long.
in_double_precision = pytest.mark.parametrize("noisy", ["float64"], indirect=True)
in_single_precision = pytest.mark.parametrize("noisy", ["float32"], indirect=True)


def tolerance(image: np.ndarray) -> float:
    return 3e-5 if image.dtype == np.float32 else 1e-10


def test_every_method_is_in_the_table():
    assert {entry.method for entry in DENOISERS.values()} == set(jd.methods())


def test_signature_is_image_sigma_then_keywords(entry):
    parameters = list(inspect.signature(getattr(jd, entry.method)).parameters.values())
    assert [p.name for p in parameters[:2]] == ["image", "sigma"]
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in parameters[2:])
    assert [p.name for p in parameters[-2:]] == ["channel_axis", "schedule"]


@pytest.mark.parametrize("dtype", ["uint8", "bfloat16"])
def test_shape_is_kept_and_the_result_is_float(entry, dtype):
    image = jnp.asarray(np.random.default_rng(0).integers(0, 2, (14, 18)), dtype)
    out = entry.denoiser(image, 0.5)
    assert out.shape == image.shape
    floating = jnp.issubdtype(image.dtype, jnp.floating)
    assert out.dtype == (image.dtype if floating else jnp.float32)
    assert np.isfinite(np.asarray(out, float)).all()


def test_dtype_is_kept(entry, noisy):
    out = entry.denoiser(noisy, SIGMA)
    assert (out.shape, out.dtype) == (noisy.shape, noisy.dtype)


def test_no_noise_changes_nothing(entry, noisy):
    checkerboard = (np.indices(noisy.shape) // 7).sum(axis=0) % 2
    ramp = np.add.outer(*(np.linspace(0, 1, n) for n in noisy.shape)) ** 2
    for image in (noisy, checkerboard.astype(noisy.dtype), ramp.astype(noisy.dtype)):
        for sigma in (0.0, 1e-6):
            out = entry.trusting_denoiser(image, sigma)
            np.testing.assert_allclose(out, image, atol=1e-5)


@pytest.mark.parametrize("level", [0.0, 0.3, 255.0])
def test_constant_stays_constant(entry, level):
    out = entry.denoiser(np.full((14, 18), level, np.float32), SIGMA)
    np.testing.assert_allclose(out, level, rtol=1e-5)


def test_shift_and_scale_equivariance(entry, noisy):
    out = entry.denoiser(noisy, SIGMA)
    moved = entry.denoiser((255 * noisy + 40).astype(noisy.dtype), 255 * SIGMA)
    np.testing.assert_allclose((np.asarray(moved) - 40) / 255, out, atol=10 * tolerance(noisy))


@in_double_precision
def test_flips_and_transposition_commute(entry, noisy):
    out = np.asarray(entry.denoiser(noisy, SIGMA))
    flips = (lambda x: x[::-1], lambda x: x[:, ::-1]) if entry.flips else ()
    for move in (*flips, lambda x: x.T):
        moved = entry.denoiser(move(noisy), SIGMA)
        np.testing.assert_allclose(moved, move(out), atol=tolerance(noisy))


@in_double_precision
def test_jit_equals_eager(entry, noisy):
    denoiser = jax.jit(entry.denoiser)
    out = entry.denoiser(noisy, SIGMA)
    np.testing.assert_allclose(denoiser(noisy, SIGMA), out, atol=tolerance(noisy))
    # A traced number cannot raise an error; it must not give a plausible image either.
    for invalid in (np.nan, np.inf, -SIGMA):
        assert np.isnan(denoiser(noisy, invalid)).all()


def test_missing_pixels_are_filled_and_change_others_little(entry, noisy):
    missing = np.random.default_rng(4).random(noisy.shape) < 0.05
    missing[3:5, 6:9] = True
    out = np.asarray(entry.denoiser(np.where(missing, np.nan, noisy), SIGMA))
    assert np.isfinite(out).all()
    change = np.abs(out - entry.denoiser(noisy, SIGMA))
    assert change[~missing].max() < 2 * SIGMA
    assert change.max() < 4 * SIGMA
    assert change.mean() < 0.2 * SIGMA


@in_single_precision
@pytest.mark.parametrize("unit", [1e-30, 1e-17, 1e18])
def test_units_do_not_matter(entry, noisy, unit):
    image = (noisy.astype(np.float64) * unit).astype(np.float32)
    out = np.asarray(entry.denoiser(image, SIGMA * unit), np.float64) / unit
    np.testing.assert_allclose(out, entry.denoiser(noisy, SIGMA), atol=1e-5)


@in_single_precision
def test_an_offset_costs_no_precision(entry, noisy):
    """Beyond that of the image itself: a result is rounded once."""
    high = (noisy.astype(np.float64) + 1000).astype(np.float32)
    same = (high.astype(np.float64) - 1000).astype(np.float32)
    out = np.asarray(entry.denoiser(high, SIGMA), np.float64) - 1000
    np.testing.assert_allclose(out, entry.denoiser(same, SIGMA), atol=np.spacing(np.float32(1000)))


@in_single_precision
def test_precisions_agree(entry, noisy):
    exact = entry.denoiser(noisy.astype(np.float64), SIGMA)
    np.testing.assert_allclose(entry.denoiser(noisy, SIGMA), exact, atol=1e-4 * SIGMA)


@in_double_precision
def test_vmap_equals_loop_with_a_sigma_for_each_image(entry, noisy):
    images = jnp.stack([noisy, noisy[::-1], 1 - noisy])
    sigmas = jnp.asarray([0.05, 0.1, 0.2], noisy.dtype)
    batched = jax.vmap(entry.denoiser)(images, sigmas)
    for image, sigma, out in zip(images, sigmas, batched, strict=True):
        np.testing.assert_allclose(out, entry.denoiser(image, sigma), atol=tolerance(noisy))


@in_double_precision
def test_constant_noise_map_equals_scalar(entry, noisy):
    for noise_map in (np.full(noisy.shape, SIGMA), np.full((1, noisy.shape[1]), SIGMA)):
        out = entry.denoiser(noisy, noise_map.astype(noisy.dtype))
        np.testing.assert_allclose(out, entry.denoiser(noisy, SIGMA), atol=10 * tolerance(noisy))


@in_double_precision
def test_noise_map_acts_where_it_is(entry, noisy):
    """Without noise on the left the left half stays, away from the seam, and the right does not."""
    half = noisy.shape[1] // 2
    noise_map = np.where(np.arange(noisy.shape[1]) < half, 1e-7, SIGMA)[None]
    change = np.abs(entry.trusting_denoiser(noisy, noise_map.astype(noisy.dtype)) - noisy)
    assert change[:, : half - 4].max() < 1e-3
    assert change[:, half + 4 :].mean() > 0.2 * SIGMA


@in_double_precision
def test_channels_of_different_noise(entry, noisy):
    """A channel without noise stays, and is not read as noise by the others."""
    if not entry.decorrelates:
        pytest.skip("its channels share one weight or one edge")
    sigmas = np.array([SIGMA, 1e-7])
    denoiser = entry.trusting_denoiser
    out = denoiser(np.stack([noisy, 1 - noisy], axis=-1), sigmas, channel_axis=-1)
    np.testing.assert_allclose(out[..., 0], denoiser(noisy, SIGMA), atol=1e-10)
    np.testing.assert_allclose(out[..., 1], 1 - noisy, atol=1e-5)


@in_double_precision
def test_channels_go_along_their_axis(entry, noisy):
    colour = np.stack([noisy, 1 - noisy, noisy**2])
    out = entry.denoiser(colour, SIGMA, channel_axis=0)
    last = entry.denoiser(np.moveaxis(colour, 0, -1), SIGMA, channel_axis=-1)
    np.testing.assert_allclose(np.moveaxis(np.asarray(last), -1, 0), out, atol=tolerance(noisy))
    single = entry.denoiser(noisy[None], SIGMA, channel_axis=0)
    np.testing.assert_allclose(single[0], entry.denoiser(noisy, SIGMA), atol=tolerance(noisy))


@in_double_precision
def test_equal_channels_of_fixed_strength_are_grey(entry, noisy):
    """One weight for all channels, from the mean of their differences."""
    strength = {"nlm": {"h": 0.08}, "bilateral": {"sigma_range": 0.2}, "mean_shift": {}}
    given = strength.get(entry.method, {})
    if entry.method == "mean_shift":
        given = {"sigma_range": 0.2}
    if entry.method == "tv":  # its norm runs over the channels together
        out = entry.denoiser(np.stack([noisy] * 3), SIGMA, weight=0.1 * 3**0.5, channel_axis=0)
        grey = entry.denoiser(noisy, SIGMA, weight=0.1)
    elif entry.decorrelates:
        out = entry.trusting_denoiser(np.stack([noisy] * 3), SIGMA, channel_axis=0)
        grey = entry.trusting_denoiser(noisy, SIGMA / 3**0.5)
    else:
        out = entry.denoiser(np.stack([noisy] * 3), SIGMA, channel_axis=0, **given)
        grey = entry.denoiser(noisy, SIGMA, **given)
    for plane in out:
        np.testing.assert_allclose(plane, grey, atol=10 * tolerance(noisy))


@in_double_precision
def test_volume(entry, noisy):
    if not entry.volumes:
        with pytest.raises(ValueError, match="2 spatial axes"):
            entry.denoiser(np.stack([noisy] * 3), SIGMA)
        return
    volume = np.stack([noisy[:8, :9], noisy[2:10, 3:12], noisy[4:12, 6:15]])
    out = entry.denoiser(volume, SIGMA)
    assert (out.shape, out.dtype) == (volume.shape, volume.dtype)
    turned = entry.denoiser(volume.transpose(2, 0, 1), SIGMA)
    np.testing.assert_allclose(
        np.asarray(turned).transpose(1, 2, 0), out, atol=10 * tolerance(noisy)
    )


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (9, 1)])
def test_image_smaller_than_patch_and_window(entry, shape):
    image = np.random.default_rng(0).normal(size=shape)
    out = entry.denoiser(image, 0.5)
    assert out.shape == shape
    assert np.isfinite(out).all()


PARAMETERS = {
    "bilateral": {"sigma_range": 0.2, "sigma_spatial": 1.3},
    "bm3d": {"threshold": 2.5},
    "mean_shift": {"sigma_range": 0.2, "sigma_spatial": 1.3},
    "nlm": {"h": 0.08},
    "robust_subspace": {"outlier_rate": 0.1},
    "steering": {"bandwidth": 1.5, "sensitivity": 0.4},
    "subspace": {"strength": 1.2},
    "tv": {"weight": 0.07},
}


def test_gradients_match_finite_differences(entry, photograph):
    """With respect to the image, the noise and the method's own parameters."""
    rng = np.random.default_rng(2)
    # Several references of groups, some with more patches than a patch has pixels; and outliers, of
    # different values, as the derivative is one-sided where several pixels are the least.
    image = photograph[30:45, 20:36] + 0.02 * rng.normal(size=(15, 16))
    image = np.where(rng.random(image.shape) < 0.1, 2 * rng.random(image.shape) - 0.5, image)

    def denoise(image, sigma, parameters):
        return entry.denoiser(image, sigma, **parameters)

    arguments = image, SIGMA, PARAMETERS.get(entry.method, {})
    # So small a step that no patch changes its group.
    check_grads(denoise, arguments, order=1, modes=["fwd", "rev"], atol=1e-3, rtol=1e-3, eps=1e-8)


@in_double_precision
def test_strengths_can_be_tuned(entry, noisy):
    """A step of `tune` goes where the risk, the same by its finite differences, falls."""
    start = jd.strengths(entry.method, SIGMA)
    if not start:
        pytest.skip("it has none")
    given = {"key": jax.random.key(0), "probes": 1}
    once = {"optimizer": DESCENT, "reach": 1, "steps": 2}
    step = jd.tune(entry.denoiser, noisy, SIGMA, start, **once, **given)
    before = step.risk[0]

    def risk(parameters):
        denoiser = partial(entry.denoiser, **parameters)
        return jd.sure(denoiser, noisy, SIGMA, difference=True, **given)

    np.testing.assert_allclose(risk(start), before, rtol=1e-6)
    for name in start:
        moved = step.path[name][1] / start[name] - 1
        slope = (risk(start | {name: 1.0001 * start[name]}) - before) / (1e-4 * before)
        assert np.sign(moved) == -np.sign(slope) or abs(slope) < 1e-2


DEGENERATE = {
    "flat": np.full((9, 10), 0.5),
    "black": np.zeros((9, 10)),
    "saturated": np.full((9, 10), 255.0),
    "all outliers": np.random.default_rng(0).choice([0.0, 255.0], (9, 10)),
    "duplicated": np.tile([[0.0, 1.0]], (9, 5)),
    "diagonal step": np.tril(np.full((9, 10), 255.0)),
    "faint": 1e-30 * np.random.default_rng(0).random((9, 10)),
    "bright": 1e18 * np.random.default_rng(0).random((9, 10)),
    "diagonal ramp": 10.0 * np.add.outer(np.arange(9), np.arange(10)),
}


def test_results_and_gradients_are_finite_on_degenerate_images(entry):
    weights = np.random.default_rng(5).normal(size=(9, 10)).astype(np.float32)

    def loss(image, sigma):
        out = entry.denoiser(image, sigma)
        return jnp.sum(out * weights), out

    gradient = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))
    for name, image in DEGENERATE.items():
        for sigma in (3.0, SIGMA, 1e-12, 0.0):
            everything = jax.tree.leaves(gradient(image.astype(np.float32), jnp.float32(sigma)))
            assert all(np.isfinite(x).all() for x in everything), (name, sigma)


@in_double_precision
def test_new_sigma_does_not_recompile(entry, noisy, compilations):
    jax.block_until_ready(entry.denoiser(noisy, 0.1))
    compilations.clear()
    jax.block_until_ready(entry.denoiser(noisy, 0.2))
    assert not compilations
    jax.block_until_ready(jax.jit(lambda x: x + 1)(noisy))
    assert compilations, "the listener does not hear compilations"


def test_lowers_for_every_platform(entry):
    image = jax.ShapeDtypeStruct((40, 48), jnp.float32)
    sigma = jax.ShapeDtypeStruct((), jnp.float32)
    gradient = jax.grad(lambda *a: jnp.sum(entry.denoiser(*a)))
    for f in (entry.denoiser, gradient):
        traced = jax.jit(f).trace(image, sigma)
        lowered = traced.lower(lowering_platforms=("cpu", "cuda", "tpu")).as_text()
        # LAPACK and FFT calls deadlock on a CPU when two executions run at once.
        assert not any(call in lowered for call in ("lapack", "fft", "cusolver"))


@in_double_precision
@pytest.mark.timeout(60)
def test_two_threads_at_once_return(entry, noisy):
    alone = entry.denoiser(noisy, SIGMA)
    results: dict[int, np.ndarray] = {}

    def work(k: int) -> None:
        for _ in range(5):
            results[k] = np.asarray(entry.denoiser(noisy, SIGMA))

    threads = [threading.Thread(target=work, args=(k,), daemon=True) for k in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    for out in results.values():
        np.testing.assert_array_equal(out, alone)


@in_double_precision
@pytest.mark.timeout(60)
def test_eight_devices_equal_one(entry, noisy):
    mesh = Mesh(np.asarray(jax.devices()), ("batch",))
    images = jnp.stack([noisy + k for k in range(8)])
    spec = PartitionSpec("batch")
    each = jax.vmap(lambda image: entry.denoiser(image, SIGMA))
    sharded = jax.jit(jax.shard_map(each, mesh=mesh, in_specs=spec, out_specs=spec))(images)
    for image, out in zip(images, sharded, strict=True):
        np.testing.assert_allclose(out, entry.denoiser(image, SIGMA), atol=10 * tolerance(noisy))


def test_tiles_leave_no_seam_and_are_shared(entry, photograph):
    """The tiles of one image, on one device or on eight, agree with the whole."""
    image = photograph[:33, :41]
    # Few iterations, so that the tiles of `tv` are worth their halo.
    given = {"iterations": 5} if entry.method == "tv" else {}

    def result_and_gradients(schedule):
        def loss(image, sigma):
            out = entry.denoiser(image, sigma, schedule=schedule, **given)
            return jnp.sum(jnp.square(out)), out

        gradient = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)
        (_, out), gradients = jax.jit(gradient)(image, SIGMA)
        return out, gradients

    whole, gradients = result_and_gradients(jd.CPU)
    tiled, tiled_gradients = result_and_gradients(TINY)
    shared = jd.shard(entry.denoiser)(image, SIGMA, schedule=TINY, **given)
    np.testing.assert_allclose(tiled, whole, atol=1e-10)
    equal = partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-9)
    jax.tree.map(equal, tiled_gradients, gradients)
    equal(shared, tiled)


@pytest.mark.parametrize("schedule", [jd.ACCELERATOR, SEVERAL], ids=["accelerator", "several"])
@in_double_precision
def test_schedules_agree(entry, noisy, schedule):
    """What is worked on at once changes a result by rounding alone."""
    out = entry.denoiser(noisy, SIGMA, schedule=schedule)
    np.testing.assert_allclose(out, entry.denoiser(noisy, SIGMA), atol=1e-10)


def test_psnr_rises_on_a_photograph(entry, photograph):
    noisy = photograph + SIGMA * np.random.default_rng(3).normal(size=photograph.shape)
    before = jd.psnr(noisy, photograph, data_range=1)
    after = jd.psnr(entry.default(noisy, SIGMA), photograph, data_range=1)
    assert np.isfinite(after)
    assert after > before + entry.gain_db
