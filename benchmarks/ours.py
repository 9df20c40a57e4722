"""Every method of the library by its name in the tables, at its defaults."""

from collections.abc import Callable, Collection
from functools import partial

from jax import Array

import jaxdenoise as jd


def ours(names: Collection[str] | None = None) -> dict[str, Callable[..., Array]]:
    """Functions of (image, sigma), all of them or those named."""
    methods = {}
    for name in jd.methods():
        methods[name] = getattr(jd, name)
        if name == "bm3d":
            methods["bm3d_fast"] = partial(jd.bm3d, profile="fast")
        if name == "nlm":
            methods["nlm_patch"] = partial(jd.nlm, variant="patch")
        if name == "subspace":
            methods["subspace_best"] = partial(jd.subspace, profile="best")
    return {k: v for k, v in methods.items() if names is None or k in names}
