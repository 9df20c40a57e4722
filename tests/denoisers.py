"""The table of denoisers that every law runs over: a new method is covered the day it enters.

Windows are small, so that a law compiles fast; what a default does is tested on the photograph.
"""

from dataclasses import dataclass, field
from functools import partial

import jaxdenoise as jd


@dataclass(frozen=True)
class Entry:
    method: str
    parameters: dict = field(default_factory=dict)
    gain_db: float = 4.0
    # Forward differences look one way: isotropic TV commutes with transposition alone.
    flips: bool = True
    volumes: bool = True
    # Channels are decorrelated, their noise taken as independent.
    decorrelates: bool = False
    # With these parameters no pixel is an outlier: without noise too, texture is texture.
    trusting: dict = field(default_factory=dict)

    @property
    def denoiser(self):
        return partial(getattr(jd, self.method), **self.parameters)

    @property
    def trusting_denoiser(self):
        return partial(self.denoiser, **self.trusting)

    @property
    def default(self):
        keep = {k: v for k, v in self.parameters.items() if k in ("variant", "order")}
        return partial(getattr(jd, self.method), **keep)


DENOISERS = {
    "bilateral": Entry("bilateral", {"window_size": 5}),
    "bm3d": Entry("bm3d", volumes=False, decorrelates=True),
    "mean_shift": Entry("mean_shift", {"window_size": 5, "iterations": 2}),
    "nlm": Entry("nlm", {"window_size": 7, "patch_size": 3}),
    "nlm_patch": Entry("nlm", {"window_size": 7, "patch_size": 3, "variant": "patch"}),
    "robust_subspace": Entry(
        "robust_subspace",
        volumes=False,
        decorrelates=True,
        trusting={"outlier_rate": 0.0},
    ),
    "steering": Entry("steering", {"window_size": 5, "iterations": 1}),
    "steering_constant": Entry("steering", {"window_size": 5, "iterations": 1, "order": 0}),
    "subspace": Entry("subspace", volumes=False, decorrelates=True),
    "tv": Entry("tv", flips=False),
}
