"""What the networks are made of. Images are (channels, height, width)."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PRNGKeyArray


def convolution(
    key: PRNGKeyArray, inputs: int, outputs: int, size: int, *, bias: bool = True
) -> eqx.nn.Conv2d:
    """Of the same height and width; weights for rectifiers (He et al., ICCV 2015), no bias yet."""
    layer = eqx.nn.Conv2d(inputs, outputs, size, padding="SAME", use_bias=bias, key=key)
    scale = (2 / (inputs * size**2)) ** 0.5
    weight = scale * jax.random.normal(key, layer.weight.shape, layer.weight.dtype)
    layer = eqx.tree_at(lambda layer: layer.weight, layer, weight)
    if bias:
        layer = eqx.tree_at(lambda layer: layer.bias, layer, replace_fn=jnp.zeros_like)
    return layer


class Convolutions(eqx.Module):
    """Convolutions of 3 x 3, a rectifier after each."""

    layers: tuple[eqx.nn.Conv2d, ...]

    @classmethod
    def initialise(cls, key: PRNGKeyArray, *channels: int) -> "Convolutions":
        """From `channels[0]` to `channels[1]` and so on."""
        keys = jax.random.split(key, len(channels) - 1)
        pairs = zip(keys, channels, channels[1:], strict=False)
        return cls(tuple(convolution(k, a, b, 3) for k, a, b in pairs))

    def __call__(self, x: Array) -> Array:
        for layer in self.layers:
            x = jax.nn.relu(layer(x))
        return x


class Enlarge(eqx.Module):
    """Transposed convolution of 2 x 2, a stride of 2: a square of four pixels from every pixel.

    As a product of matrices, whose gradient XLA finds fifty times faster on a CPU.
    """

    weight: Float[Array, "outputs 2 2 inputs"]
    bias: Float[Array, " outputs"]

    @classmethod
    def initialise(cls, key: PRNGKeyArray, inputs: int, outputs: int) -> "Enlarge":
        weight = jax.random.normal(key, (outputs, 2, 2, inputs)) / inputs**0.5
        return cls(weight, jnp.zeros(outputs))

    def __call__(self, x: Array) -> Array:
        outputs, *_, inputs = self.weight.shape
        height, width = x.shape[1:]
        squares = self.weight.reshape(-1, inputs) @ x.reshape(inputs, -1)
        squares = squares.reshape(outputs, 2, 2, height, width).transpose(0, 3, 1, 4, 2)
        return squares.reshape(outputs, 2 * height, 2 * width) + self.bias[:, None, None]


def max_pool(x: Array) -> Array:
    """Over squares of 2 x 2; by maxima of two, whose gradient needs no search as a window's."""
    channels, height, width = x.shape
    squares = x.reshape(channels, height // 2, 2, width // 2, 2)
    a, b, c, d = (squares[:, :, i, :, j] for i in (0, 1) for j in (0, 1))
    return jnp.maximum(jnp.maximum(a, b), jnp.maximum(c, d))


def padded_to_multiple(x: Array, of: int) -> Array:
    """Continued by reflection below and on the right."""
    missing = [(0, -n % of) for n in x.shape[1:]]
    return jnp.pad(x, [(0, 0), *missing], mode="symmetric")


def count_parameters(model: eqx.Module) -> int:
    """How many numbers of a network are trained; also of one that `eqx.filter_eval_shape` made."""
    numbers = eqx.filter(
        model, lambda x: isinstance(x, jax.ShapeDtypeStruct) or eqx.is_inexact_array(x)
    )
    return sum(x.size for x in jax.tree.leaves(numbers))
