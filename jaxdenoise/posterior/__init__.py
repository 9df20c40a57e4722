"""The posterior of an image: its priors, its maximum, and samples of it."""

from jaxdenoise.posterior.default_prior import default_prior as default_prior
from jaxdenoise.posterior.hmc import HMC as HMC
from jaxdenoise.posterior.huber_tv import HuberTV as HuberTV
from jaxdenoise.posterior.locally_linear import LocallyLinear as LocallyLinear
from jaxdenoise.posterior.map_estimate import map_estimate as map_estimate
from jaxdenoise.posterior.prior import Prior as Prior
from jaxdenoise.posterior.red import RED as RED
from jaxdenoise.posterior.sample import sample as sample
from jaxdenoise.posterior.strength import choose_weight as choose_weight
from jaxdenoise.posterior.svgd import SVGD as SVGD
from jaxdenoise.posterior.trace_prior import TracePrior as TracePrior
