"""Fully convolutional network on VGG-16."""

from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from jaxdenoise._core.checks import check_count
from jaxdenoise.files.errors import InputError, one_line
from jaxdenoise.learn.models.layers import Convolutions, convolution, max_pool, padded_to_multiple

# VGG-16: how many convolutions, and of how many times `width` channels, between two poolings.
_BLOCKS = ((2, 1), (2, 2), (3, 4), (3, 8), (3, 8))
# Channels of what were its fully connected layers, in units of `width`.
_CONNECTED = 64
# What ImageNet's pixels are on average, and their standard deviation, in red, green and blue.
_MEAN = 0.485, 0.456, 0.406
_DEVIATION = 0.229, 0.224, 0.225


class FCN32s(eqx.Module):
    """FCN-32s: the classifier VGG-16 made fully convolutional, and its coarse map enlarged.

    Thirteen 3 x 3 convolutions with five poolings over 2 x 2; what were the fully connected layers
    are a convolution of 7 x 7 and one of 1 x 1; the scores of the classes are enlarged 32 times,
    linearly. Images are continued by reflection to a multiple of 32 pixels, and normalised as
    ImageNet is: they should be from 0 to 1. Without the paper's dropout.

    `FCN32s.initialise(key, in_channels=3, out_channels=1, width=64)`: 134,264,641 parameters; in
    proportion to the square of `width`: 2,099,881 for 8. Trained from random numbers it learns
    slowly; `load_vgg16` begins with those of ImageNet.

    Called on one image, (in_channels, height, width); returns (out_channels, height, width).

    **References:** Long, Shelhamer & Darrell, "Fully convolutional networks for semantic
    segmentation", CVPR 2015. Simonyan & Zisserman, "Very deep convolutional networks for large-
    scale image recognition", ICLR 2015, configuration D.
    """

    blocks: tuple[Convolutions, ...]
    connected: tuple[eqx.nn.Conv2d, ...]
    score: eqx.nn.Conv2d

    @classmethod
    def initialise(
        cls, key: PRNGKeyArray, *, in_channels: int = 3, out_channels: int = 1, width: int = 64
    ) -> "FCN32s":
        counts = {"in_channels": in_channels, "out_channels": out_channels, "width": width}
        for name, count in counts.items():
            check_count(count, name=name)
        *keys, wide, narrow, score = jax.random.split(key, len(_BLOCKS) + 3)
        blocks, before = [], in_channels
        for k, (number, times) in zip(keys, _BLOCKS, strict=True):
            blocks.append(Convolutions.initialise(k, before, *[times * width] * number))
            before = times * width
        many = _CONNECTED * width
        connected = convolution(wide, before, many, 7), convolution(narrow, many, many, 1)
        return cls(tuple(blocks), connected, convolution(score, many, out_channels, 1))

    def __call__(self, image: Float[Array, "channels height width"]) -> Array:
        channels, height, width = image.shape
        mean, deviation = (
            np.resize(x if channels == 3 else np.mean(x), (channels, 1, 1))
            for x in (_MEAN, _DEVIATION)
        )
        x = (image - jnp.asarray(mean, image.dtype)) / jnp.asarray(deviation, image.dtype)
        x = padded_to_multiple(x, 2 ** len(self.blocks))
        size = x.shape[1:]
        for block in self.blocks:
            x = max_pool(block(x))
        for layer in self.connected:
            x = jax.nn.relu(layer(x))
        x = self.score(x)
        return jax.image.resize(x, (len(x), *size), "linear")[:, :height, :width]


def load_vgg16(model: FCN32s, path: str | Path) -> FCN32s:
    """With the weights of VGG-16 from a file of safetensors, such as ImageNet's, converted.

    **Arguments:**

    - `model`: of the file's width, 64 for ImageNet's. In another number of channels than the file's
        its first weights are their mean over these, times as many: grey is answered as equal red,
        green and blue are.
    - `path`: tensors named as torchvision's are: `features.0.weight`, `features.0.bias` and so on
        to `features.28`, and, if they are there, `classifier.0` and `classifier.3`, the fully
        connected layers.

    **Raises:** `InputError`, which names the file, if it cannot be read, lacks a tensor, or has one
    of another shape.
    """
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
    except Exception as error:  # what safetensors raises for files that are none
        raise InputError(f"{path}: no file of safetensors: {one_line(error)}") from error

    def loaded(layer: Any, name: str, *, first: bool = False) -> eqx.nn.Conv2d:
        found = []
        for kind, own in (("weight", layer.weight), ("bias", layer.bias)):
            tensor = tensors.get(f"{name}.{kind}")
            if tensor is None:
                raise InputError(f"{path}: has no tensor {name}.{kind}")
            if first and kind == "weight" and tensor.ndim == 4:
                channels = tensor.shape[1] / own.shape[1]
                repeated = np.repeat(tensor.mean(axis=1, keepdims=True), own.shape[1], axis=1)
                tensor = tensor if channels == 1 else channels * repeated
            if tensor.size != own.size or len(tensor) != len(own):
                raise InputError(f"{path}: {name}.{kind} is {tensor.shape}, not {own.shape}")
            found.append(jnp.asarray(tensor.reshape(own.shape), own.dtype))
        return eqx.tree_at(lambda layer: (layer.weight, layer.bias), layer, tuple(found))

    number, blocks = 0, []
    for block in model.blocks:
        layers = []
        for layer in block.layers:
            layers.append(loaded(layer, f"features.{number}", first=number == 0))
            number += 2  # a rectifier is counted too
        blocks.append(Convolutions(tuple(layers)))
        number += 1  # and a pooling
    connected = model.connected
    if "classifier.0.weight" in tensors:
        names = "classifier.0", "classifier.3"
        connected = tuple(loaded(c, name) for c, name in zip(connected, names, strict=True))
    return FCN32s(tuple(blocks), connected, model.score)
