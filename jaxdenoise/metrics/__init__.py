"""How far apart two images are: in numbers, and to the eye."""

from jaxdenoise.metrics.fidelity import mse as mse
from jaxdenoise.metrics.fidelity import psnr as psnr
from jaxdenoise.metrics.nlpd import nlpd as nlpd
from jaxdenoise.metrics.overlap import dice as dice
from jaxdenoise.metrics.overlap import iou as iou
from jaxdenoise.metrics.perception import ms_ssim as ms_ssim
from jaxdenoise.metrics.perception import ssim as ssim
