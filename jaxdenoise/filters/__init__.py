"""Kernel filters and total variation, one textbook method a file."""

from jaxdenoise.filters.nlm import nlm as nlm
from jaxdenoise.filters.tv import tv as tv
