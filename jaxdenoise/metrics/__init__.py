"""How far apart two images are: in numbers, and to the eye."""

from jaxdenoise.metrics.fidelity import mse as mse
from jaxdenoise.metrics.fidelity import psnr as psnr
from jaxdenoise.metrics.perception import ssim as ssim
