"""Networks, and a network as a denoiser."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdenoise as jd
from jaxdenoise import learn
from jaxdenoise.files.errors import InputError

KEY = jax.random.key(0)


@pytest.fixture
def denoiser():
    """Not trained, but it does something."""
    return learn.Denoiser(learn.DnCNN.initialise(KEY, width=4, depth=3))


def test_numbers_of_parameters_are_those_documented():
    for network, given, count in (
        (learn.UNet, {}, 31_030_593),
        (learn.UNet, {"width": 16}, 1_940_817),
        (learn.FCN32s, {}, 134_264_641),
        (learn.FCN32s, {"width": 8}, 2_099_881),
        (learn.DnCNN, {}, 555_137),
        (learn.DnCNN, {"width": 32, "depth": 10}, 74_593),
    ):
        shapes = eqx.filter_eval_shape(lambda f=network, g=given: f.initialise(KEY, **g))
        assert learn.count_parameters(shapes) == count
        assert f"{count:,}" in network.__doc__


@pytest.mark.parametrize("shape", [(13, 9), (1, 1)])
def test_unet_keeps_the_size(shape):
    given = {"in_channels": 2, "out_channels": 3, "width": 2, "depth": 2}
    network = eqx.filter_jit(learn.UNet.initialise)(KEY, **given)
    images = jax.random.normal(KEY, (2, 2, *shape))
    out = eqx.filter_jit(eqx.filter_vmap(network))(images)
    assert out.shape == (2, 3, *shape)
    np.testing.assert_allclose(eqx.filter_jit(network)(images[1]), out[1], atol=1e-6)


def test_every_parameter_learns(denoiser):
    """No gradient is 0 throughout, but where a rectifier is dead."""
    network = eqx.filter_jit(learn.UNet.initialise)(KEY, width=4, depth=1)
    image = jax.random.normal(KEY, (1, 16, 16))
    for loss, model in (
        (lambda network: jnp.sum(jnp.square(network(image))), network),
        (lambda denoiser: jnp.sum(jnp.square(denoiser(image[0], 0.5))), denoiser),
    ):
        for slope in jax.tree.leaves(eqx.filter_jit(eqx.filter_grad(loss))(model)):
            assert np.isfinite(slope).all()
            assert np.any(slope != 0)


def test_enlarging_is_a_transposed_convolution():
    from jaxdenoise.learn.models.layers import Enlarge

    layer = Enlarge.initialise(KEY, 3, 2)
    x = jax.random.normal(KEY, (3, 5, 4))
    same = jax.lax.conv_transpose(
        x[None], layer.weight[:, ::-1, ::-1].transpose(0, 3, 1, 2), (2, 2), "VALID",
        dimension_numbers=("NCHW", "OIHW", "NCHW"),
    )  # fmt: skip
    np.testing.assert_allclose(layer(x), same[0], atol=1e-5)


@pytest.fixture
def vgg(tmp_path):
    """A file of random weights of VGG-16's names, of two channels where it has 64."""
    from safetensors.numpy import save_file

    rng, tensors = np.random.default_rng(0), {}

    def add(name, *shape):
        tensors[f"{name}.weight"] = rng.normal(size=shape).astype(np.float32)
        tensors[f"{name}.bias"] = rng.normal(size=shape[:1]).astype(np.float32)

    before = 3
    layers = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    for number, channels in zip(layers, (2, 2, 4, 4, 8, 8, 8, *[16] * 6), strict=True):
        add(f"features.{number}", channels, before, 3, 3)
        before = channels
    add("classifier.0", 128, 16 * 49)
    add("classifier.3", 128, 128)
    save_file(tensors, tmp_path / "vgg16.safetensors")
    return tmp_path / "vgg16.safetensors", tensors


def test_fcn_keeps_the_size_and_loads_vgg(vgg):
    path, tensors = vgg
    network = learn.load_vgg16(learn.FCN32s.initialise(KEY, width=2), path)
    np.testing.assert_array_equal(network.blocks[2].layers[1].weight, tensors["features.12.weight"])
    np.testing.assert_array_equal(
        network.blocks[4].layers[2].bias[:, 0, 0], tensors["features.28.bias"]
    )
    wide = tensors["classifier.0.weight"].reshape(128, 16, 7, 7)
    np.testing.assert_array_equal(network.connected[0].weight, wide)
    grey = learn.load_vgg16(learn.FCN32s.initialise(KEY, in_channels=1, width=2), path)
    image = jax.random.uniform(KEY, (1, 40, 33))
    first, same = grey.blocks[0].layers[0], network.blocks[0].layers[0]
    np.testing.assert_allclose(first(image), same(jnp.repeat(image, 3, axis=0)), atol=1e-4)
    assert eqx.filter_jit(grey)(image).shape == (1, 40, 33)


def test_vgg_that_does_not_fit(vgg, tmp_path):
    from safetensors.numpy import save_file

    path, tensors = vgg
    with pytest.raises(InputError, match=r"features.0.weight is \(2, 3, 3, 3\), not \(4"):
        learn.load_vgg16(learn.FCN32s.initialise(KEY, width=4), path)
    save_file({k: v for k, v in tensors.items() if k != "features.7.bias"}, path)
    with pytest.raises(InputError, match="has no tensor features"):
        learn.load_vgg16(learn.FCN32s.initialise(KEY, width=2), path)
    path.write_text("words")
    with pytest.raises(InputError, match="no file of safetensors"):
        learn.load_vgg16(learn.FCN32s.initialise(KEY, width=2), path)


def test_denoiser_obeys_the_laws_of_denoisers(denoiser, rng):
    image = rng.normal(size=(12, 14)).astype(np.float32)
    out = denoiser(image, 0.3)
    assert (out.shape, out.dtype) == (image.shape, image.dtype)
    assert np.abs(out - image).max() > 1e-3
    same = denoiser(image, np.full((1, 14), 0.3, np.float32))
    np.testing.assert_allclose(same, out, atol=1e-5)
    moved = denoiser(255 * image + 40, 255 * 0.3)
    np.testing.assert_allclose((moved - 40) / 255, out, atol=1e-5)
    for sigma in (0.0, 1e-7):
        np.testing.assert_allclose(denoiser(image, sigma), image, atol=1e-6)
    colour = denoiser(np.stack([image, 2 * image], axis=-1), 0.3, channel_axis=-1)
    np.testing.assert_allclose(colour[..., 0], out, atol=1e-6)
    assert denoiser((9 * image).astype(np.uint8), 1.0).dtype == np.float32
    for flat in (0.0, 255.0):
        assert np.isfinite(denoiser(np.full((3, 2), flat), 0.1)).all()


def test_denoiser_is_one_to_the_others(denoiser, rng):
    image = rng.normal(size=(12, 14)).astype(np.float32)
    assert np.isfinite(jd.sure(denoiser, image, 0.3))
    assert jd.map_estimate(image, 0.3, 0.1 * jd.RED(denoiser, 0.3)).image.shape == image.shape


def test_denoiser_can_be_tuned(denoiser, rng):
    noisy = rng.normal(size=(12, 13))
    weaker, stronger = (denoiser(noisy, 1.0, strength=s) for s in (0.5, 1.5))
    np.testing.assert_allclose(stronger, denoiser(noisy, 1.5), rtol=1e-6)
    assert np.abs(weaker - stronger).max() > 1e-3
    tuned = jd.tune(denoiser, noisy, 1.0, {"strength": 1.0}, steps=2)
    assert tuned.parameters["strength"] != 1


def test_bad_input(denoiser):
    with pytest.raises(ValueError, match="width must be a positive integer"):
        learn.UNet.initialise(KEY, width=0)
    with pytest.raises(ValueError, match="sigma must be"):
        denoiser(np.zeros((4, 5)), -1.0)
    three = learn.Denoiser(learn.DnCNN.initialise(KEY, channels=3, width=2, depth=2), channels=3)
    with pytest.raises(ValueError, match="image must have 3 channels for this network, got 1"):
        three(np.zeros((4, 5)), 1.0)
