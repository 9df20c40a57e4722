"""DnCNN."""

import equinox as eqx
import jax
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from jaxdenoise._core.checks import check_count
from jaxdenoise.learn.models.layers import Convolutions, convolution


class DnCNN(eqx.Module):
    """DnCNN: a chain of 3 x 3 convolutions and rectifiers that tells the noise of an image.

    Without the paper's batch normalisation, which ties an image to those it is trained with.

    `DnCNN.initialise(key, channels=1, width=64, depth=17)`: channels of the image and of the layers
    between, and the number of convolutions. 555,137 parameters; 74,593 for a width of 32 and a
    depth of 10.

    Called on one image, (channels, height, width), of noise of standard deviation 1; returns the
    noise. `Denoiser(model)` is the denoiser.

    **References:** Zhang, Zuo, Chen, Meng & Zhang, "Beyond a Gaussian denoiser: residual learning
    of deep CNN for image denoising", IEEE TIP 2017.
    """

    body: Convolutions
    head: eqx.nn.Conv2d

    @classmethod
    def initialise(
        cls, key: PRNGKeyArray, *, channels: int = 1, width: int = 64, depth: int = 17
    ) -> "DnCNN":
        for name, count in (("channels", channels), ("width", width), ("depth", depth)):
            check_count(count, name=name)
        body, head = jax.random.split(key)
        hidden = [width] * (depth - 1)
        return cls(
            Convolutions.initialise(body, channels, *hidden),
            convolution(head, hidden[-1] if hidden else channels, channels, 3),
        )

    def __call__(self, image: Float[Array, "channels height width"]) -> Array:
        return self.head(self.body(image))
