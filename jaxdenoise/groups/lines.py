"""Defective lines: rows and columns of a sensor, whole or in part, that hold something else."""

from itertools import permutations

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxdenoise._core.planes import spatial_axes

# A line stands out by more than this many standard deviations of the noise, on both sides.
_STANDS_OUT = 3
# The largest difference between a pixel beside a line and the next one outwards, as a fraction of
# the line's height; the noise is added. A point-spread function of 1.5 pixels full width leaves
# 0.37. At 0.15 the tripod of scikit-image's `camera` is a defect.
_BESIDE = 0.12
# Widths of lines that are looked for, in pixels.
_WIDTHS = 1, 2
# Net number of pixels that stand out in a run, one that does not counting as `_GAP`.
_SHORTEST, _GAP = 24, -1


def defective_lines(y: Array, known: Array, deviation: Array) -> Array:
    """Which pixels of (C, *spatial) are in a defective line, along any of the axes.

    Such a line is one or two pixels wide along another axis, and brighter or darker than both sides
    there, on which it leaves no trace. The blur or sharpening of a line of the image itself leaves
    one. The run of such pixels may have gaps, where the image happens to look like the line. The
    two outermost of the lines have too little on one side and count as image.
    """
    found = jnp.zeros(y.shape, bool)
    for pair in permutations(spatial_axes(y), 2):
        turned = [jnp.moveaxis(a, pair, (-2, -1)) for a in (y, known, deviation)]
        shape = turned[0].shape
        columns = _defective_columns(*(a.reshape(-1, *shape[-2:]) for a in turned))
        found = found | jnp.moveaxis(columns.reshape(shape), (-2, -1), pair)
    return found


def _defective_columns(y: Array, known: Array, deviation: Array) -> Array:
    """Of images (N, H, W)."""
    # Bright ones and dark ones.
    y, known, deviation = (jnp.concatenate(a) for a in ([y, -y], [known, known], [deviation] * 2))
    lines = jnp.stack([_stands_out(y, deviation, size) for size in _WIDTHS])
    score = jnp.where(known, jnp.where(lines, 1, _GAP), 0)
    runs = _runs(score.reshape(-1, *y.shape[1:])).reshape(len(_WIDTHS), 2, -1, *y.shape[1:])
    found = jnp.zeros(runs.shape[2:], bool)
    for size, run in zip(_WIDTHS, jnp.any(runs, axis=1), strict=True):
        for step in range(size):
            found = found | jnp.pad(run, ((0, 0), (0, 0), (step, 0)))[:, :, : y.shape[2]]
    return found


def _stands_out(y: Array, deviation: Array, size: int) -> Array:
    """Which pixels are the first of `size` in a row that are brighter than both sides."""
    width = y.shape[2]
    wide = jnp.pad(y, ((0, 0), (0, 0), (2, size + 1)), mode="edge")
    at = [wide[:, :, i : i + width] for i in range(size + 4)]
    inside, beside, far = at[2:-2], (at[1], at[-2]), (at[0], at[-1])
    height = sum(inside) / size - sum(far) / 2
    least = _STANDS_OUT * deviation
    between = jnp.minimum(inside[0], inside[-1]) - jnp.maximum(*beside)
    trace = jnp.maximum(*(jnp.abs(b - f) for b, f in zip(beside, far, strict=True)))
    two_sides = (np.arange(width) > 1) & (np.arange(width) < width - size - 1)
    line = (between > least) & (height > least) & jnp.asarray(two_sides)[None, None]
    # Most differences of two pixels are below twice the noise.
    tolerance = _BESIDE * height + 2 * deviation
    # Two columns that differ are one line of the image, blurred and between them.
    uneven = jnp.abs(inside[0] - inside[-1])
    return line & (trace < tolerance) & (uneven < tolerance)


def _runs(score: Array) -> Array:
    """Mark pixels in a run along axis 1 whose scores have a large enough sum.

    The largest sums that end and that begin at a pixel follow from those before and after it.
    """

    def extend(total: Array, here: Array) -> tuple[Array, Array]:
        total = jnp.maximum(total + here, 0)
        return total, total

    along = jnp.moveaxis(jnp.concatenate([score, score[:, ::-1]]), 1, 0)
    totals = jnp.moveaxis(lax.scan(extend, jnp.zeros_like(along[0]), along)[1], 0, 1)
    ending, beginning = totals[: len(score)], totals[len(score) :, ::-1]
    inside = (ending > 0) & (beginning > 0)
    return inside & (ending + beginning - score >= _SHORTEST)
