"""Noise: models of it, and its level in an image."""

from jaxdenoise.noise.level import estimate_sigma as estimate_sigma
from jaxdenoise.noise.model import NoiseModel as NoiseModel
from jaxdenoise.noise.model import Stabilisable as Stabilisable
from jaxdenoise.noise.models import Gaussian as Gaussian
from jaxdenoise.noise.models import Impulse as Impulse
from jaxdenoise.noise.photons import Poisson as Poisson
from jaxdenoise.noise.photons import PoissonGaussian as PoissonGaussian
