"""Kernel filters and total variation, one textbook method a file."""

from jaxdenoise.filters.bilateral import bilateral as bilateral
from jaxdenoise.filters.mean_shift import mean_shift as mean_shift
from jaxdenoise.filters.nlm import nlm as nlm
from jaxdenoise.filters.steering import steering as steering
from jaxdenoise.filters.tv import tv as tv
