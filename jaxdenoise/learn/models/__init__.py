"""Networks from images to images, for one image; batched by `jax.vmap`."""

from jaxdenoise.learn.models.dncnn import DnCNN as DnCNN
from jaxdenoise.learn.models.fcn import FCN32s as FCN32s
from jaxdenoise.learn.models.fcn import load_vgg16 as load_vgg16
from jaxdenoise.learn.models.layers import count_parameters as count_parameters
from jaxdenoise.learn.models.unet import UNet as UNet
