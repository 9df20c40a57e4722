"""Networks from images to images, for one image; batched by `jax.vmap`."""

from jaxdenoise.learn.models.dncnn import DnCNN as DnCNN
from jaxdenoise.learn.models.layers import count_parameters as count_parameters
from jaxdenoise.learn.models.unet import UNet as UNet
