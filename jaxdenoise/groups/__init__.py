"""Denoisers on groups of similar patches."""

from jaxdenoise.groups.bm3d import bm3d as bm3d
from jaxdenoise.groups.bm3d import bm3d_of_part as bm3d_of_part
from jaxdenoise.groups.missing import without_masked as without_masked
from jaxdenoise.groups.profile import GroupSizes as GroupSizes
from jaxdenoise.groups.profile import Profile as Profile
from jaxdenoise.groups.recovery import recover_subspace as recover_subspace
from jaxdenoise.groups.robust import detect_outliers as detect_outliers
from jaxdenoise.groups.robust import robust_subspace as robust_subspace
from jaxdenoise.groups.subspace import degrees_of_freedom as degrees_of_freedom
from jaxdenoise.groups.subspace import subspace as subspace
from jaxdenoise.groups.subspace import subspace_of_part as subspace_of_part
from jaxdenoise.groups.trace import descend_trace_risk as descend_trace_risk
from jaxdenoise.groups.trace import minimise_trace_risk as minimise_trace_risk
from jaxdenoise.groups.trace import trace_risk as trace_risk
