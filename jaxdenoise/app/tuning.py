"""Tune a method to an image: run it, and write what was found."""

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import jaxdenoise as jd
from jaxdenoise.app.options import find_method
from jaxdenoise.files.errors import InputError
from jaxdenoise.files.pictures import atomic_path

# Of a larger image the middle is taken: its strength is found as well on a million pixels.
_PIXELS = 1 << 20


def tune_array(
    values: np.ndarray,
    noise: Any,
    method: str,
    given: dict[str, Any],
    *,
    channel_axis: int | None,
    steps: int = 15,
    callback: Callable[..., None] | None = None,
) -> tuple[dict[str, float], Any]:
    """The parameters to start from, and what `jd.tune` returns.

    Those of the method's strengths that are `given` start there; what else is given stays.
    """
    channels = 1 if channel_axis is None else values.shape[channel_axis]
    told = noise if isinstance(noise, float) else 1.0
    if told == 0:
        raise InputError("there is no noise to tune for: sigma is 0")
    if method in jd.methods():
        axes = values.ndim - (channel_axis is not None)
        known = jd.strengths(method, told, channels=channels, axes=axes)
    else:
        known = {"strength": 1.0}  # of a denoiser that was learned
    defaults = {k: float(v) for k, v in known.items()}
    if not defaults:
        raise InputError(f"{method} has no strength that could be tuned")
    chosen = {name: given[name] for name in defaults if given.get(name) is not None}
    start = defaults | chosen
    fixed = {name: value for name, value in given.items() if name not in start}
    denoiser = partial(jd.denoise, method=find_method(method), **fixed)
    tuned = jd.tune(
        denoiser,
        _middle(values, channel_axis),
        noise,
        start,
        steps=steps,
        callback=callback,
        channel_axis=channel_axis,
    )
    if not np.isfinite(tuned.risk).all():
        raise InputError(f"the risk of {method} is not finite, so nothing was tuned")
    return start, tuned


def _middle(values: np.ndarray, channel_axis: int | None) -> np.ndarray:
    """At most so many pixels; the longest axis is cut first."""
    sizes = dict(enumerate(values.shape))
    if channel_axis is not None:
        del sizes[channel_axis % values.ndim]
    while math.prod(sizes.values()) > _PIXELS:
        longest = max(sizes, key=lambda axis: sizes[axis])
        sizes[longest] -= -(-sizes[longest] // 16)
    window = [slice(None)] * values.ndim
    for axis, size in sizes.items():
        first = (values.shape[axis] - size) // 2
        window[axis] = slice(first, first + size)
    return values[tuple(window)]


def write_found(path: Path, found: dict[str, Any], *, overwrite: bool) -> None:
    with atomic_path(path, overwrite=overwrite) as temporary:
        temporary.write_text(json.dumps(found, indent=2) + "\n")


def write_curve(
    path: Path, title: str, start: dict[str, float], tuned: Any, *, overwrite: bool
) -> None:
    """The risk and the parameters, step by step."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    figure.suptitle(title)
    risk, ratio = figure.subplots(1, 2)
    risk.plot(np.asarray(tuned.risk), marker=".")
    risk.set_ylabel("estimated mean squared error")
    for name, values in tuned.path.items():
        ratio.plot(np.asarray(values) / start[name], marker=".", label=name)
    ratio.set_ylabel("parameter over its start")
    ratio.legend()
    for axes in (risk, ratio):
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
    with atomic_path(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, dpi=100, format="png")
