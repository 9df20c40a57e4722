"""Maps beside a result: of outliers, standard deviations and quantiles; where each goes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from jaxdenoise.app.inputs import Plan
from jaxdenoise.files.errors import InputError
from jaxdenoise.files.pages import Page, to_dtype
from jaxdenoise.files.tiff.metadata import GDAL_NODATA

# The maps that a page can have beside its values, and how quantiles are named.
OUTLIERS, STD = "outliers", "std"


def quantile_name(share: float) -> str:
    return f"q{100 * share:g}"


def map_paths(
    number: int, planned: Plan, drawn: Mapping[str, Plan], quantiles: Sequence[float]
) -> dict[str, Path]:
    """The paths of the maps of one file. Quantiles go beside the output, as `clean_q5.tif`."""
    target = planned.jobs[number].target
    paths = {name: plan.jobs[number].target for name, plan in drawn.items()}
    taken = {target.resolve(): "--out"}
    for name in map(quantile_name, quantiles):
        paths[name] = target.with_name(f"{target.stem}_{name}{target.suffix}")
        taken[paths[name].resolve()] = "--quantiles"
    for name in drawn:
        option = f"--{name}-map"
        other = taken.setdefault(paths[name].resolve(), option)
        if other != option:
            raise InputError(f"{option} {paths[name]}: is where {other} goes")
    return paths


def map_page(name: str, values: np.ndarray, page: Page, dtype: np.dtype) -> Page:
    """Probabilities at full scale, standard deviations in the units of the file as floats."""
    if name == STD:
        pixels = values.astype(np.float32)
    else:
        pixels = to_dtype(values, values.dtype if name == OUTLIERS else page.dtype, dtype)
    return replace(
        page,
        pixels=pixels,
        extra=None,
        extra_kinds=(),
        nodata=None,
        tags=tuple(tag for tag in page.tags if tag.code != GDAL_NODATA),
        source_dtype=page.dtype,
    )
