"""U-Net."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from jaxdenoise._core.checks import check_count
from jaxdenoise.learn.models.layers import (
    Convolutions,
    Enlarge,
    convolution,
    max_pool,
    padded_to_multiple,
)


class UNet(eqx.Module):
    """U-Net: down to coarser and coarser features, and up again beside them.

    Twice 3 x 3 convolution and rectifier at every scale; maxima over 2 x 2 pixels go down, where
    channels double, and transposed convolutions of 2 x 2 up, after which the features of the same
    scale on the way down are put beside. Convolutions keep the size, unlike the paper's: the
    image is continued by reflection to a multiple of 2^depth, by zeros around it.

    `UNet.initialise(key, in_channels=1, out_channels=1, width=64, depth=4)`: channels at the finest
    scale, and how often they are doubled. 31,030,593 parameters; in proportion to the square of
    `width`: 1,940,817 for 16.

    Called on one image, (in_channels, height, width); returns (out_channels, height, width).

    **References:** Ronneberger, Fischer & Brox, "U-Net: convolutional networks for biomedical image
    segmentation", MICCAI 2015.
    """

    down: tuple[Convolutions, ...]
    bottom: Convolutions
    enlarge: tuple[Enlarge, ...]
    up: tuple[Convolutions, ...]
    head: eqx.nn.Conv2d

    @classmethod
    def initialise(
        cls,
        key: PRNGKeyArray,
        *,
        in_channels: int = 1,
        out_channels: int = 1,
        width: int = 64,
        depth: int = 4,
    ) -> "UNet":
        counts = {"in_channels": in_channels, "out_channels": out_channels, "width": width}
        for name, count in (counts | {"depth": depth}).items():
            check_count(count, name=name)
        channels = [width * 2**k for k in range(depth + 1)]
        *keys, bottom, head = jax.random.split(key, 3 * depth + 2)
        down = zip(keys[:depth], [in_channels, *channels], channels[:-1], strict=False)
        ways_up = list(zip(channels[:0:-1], channels[-2::-1], strict=True))
        enlarge = zip(keys[depth : 2 * depth], ways_up, strict=True)
        up = zip(keys[2 * depth :], ways_up, strict=True)
        return cls(
            tuple(Convolutions.initialise(k, a, b, b) for k, a, b in down),
            Convolutions.initialise(bottom, channels[-2], channels[-1], channels[-1]),
            tuple(Enlarge.initialise(k, a, b) for k, (a, b) in enlarge),
            tuple(Convolutions.initialise(k, a, b, b) for k, (a, b) in up),
            convolution(head, width, out_channels, 1),
        )

    def __call__(self, image: Float[Array, "channels height width"]) -> Array:
        height, width = image.shape[1:]
        x, beside = padded_to_multiple(image, 2 ** len(self.down)), []
        for block in self.down:
            x = block(x)
            beside.append(x)
            x = max_pool(x)
        x = self.bottom(x)
        for enlarge, block in zip(self.enlarge, self.up, strict=True):
            x = block(jnp.concatenate([beside.pop(), enlarge(x)]))
        return self.head(x)[:, :height, :width]
