"""Differentiable image denoising in JAX."""

from jaxdenoise.filters import bilateral as bilateral
from jaxdenoise.filters import mean_shift as mean_shift
from jaxdenoise.filters import nlm as nlm
from jaxdenoise.filters import steering as steering
from jaxdenoise.filters import tv as tv
from jaxdenoise.groups import bm3d as bm3d
from jaxdenoise.groups import degrees_of_freedom as degrees_of_freedom
from jaxdenoise.groups import descend_trace_risk as descend_trace_risk
from jaxdenoise.groups import detect_outliers as detect_outliers
from jaxdenoise.groups import minimise_trace_risk as minimise_trace_risk
from jaxdenoise.groups import recover_subspace as recover_subspace
from jaxdenoise.groups import robust_subspace as robust_subspace
from jaxdenoise.groups import subspace as subspace
from jaxdenoise.groups import trace_risk as trace_risk
from jaxdenoise.images import skyline as skyline
from jaxdenoise.metrics import mse as mse
from jaxdenoise.metrics import psnr as psnr
from jaxdenoise.metrics import ssim as ssim
from jaxdenoise.noise import Gaussian as Gaussian
from jaxdenoise.noise import Impulse as Impulse
from jaxdenoise.noise import Poisson as Poisson
from jaxdenoise.noise import PoissonGaussian as PoissonGaussian
from jaxdenoise.noise import estimate_sigma as estimate_sigma
from jaxdenoise.registry import denoise as denoise
from jaxdenoise.registry import methods as methods
from jaxdenoise.sharding import shard as shard
