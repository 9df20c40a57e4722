"""The loop over window offsets that all kernel filters share.

Every kernel filter is a weighted sum over a search window, sum_j w_ij v_j. The loop runs over the
offsets o = j - i, and at each offset over all pixels at once: whole-array arithmetic on shifted
views, nothing gathered. Reverse mode recomputes an offset's weights (`jax.checkpoint`), so a
gradient needs hardly more memory than the forward pass, and forward mode works as it is.

Three facts about XLA on a CPU shape this file (jax 0.10):

- A fusion is vectorised only if no value computed in it is read at two different shifts, so
  what is sliced twice must be materialised first. `exp` and `reduce_window` are materialised, cheap
  arithmetic is not: a weight should end with one of them.
- A static crop becomes, transposed, a pad that is not vectorised; a crop at a traced position
  becomes an update in place. Views in the loop are cut by `lax.dynamic_slice`.
- A reduction of a short leading axis, or of a whole array to a scalar parameter, is slow: values
  are summed one by one, and a parameter is broadcast before the loop so that its gradient is
  reduced once after it. Subtracted right before `exp`, it also keeps XLA from fusing the
  transposed slices of w into what follows them, which would double the time of a gradient.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax


def clip_radius(window_size: int, spatial: tuple[int, ...]) -> tuple[int, ...]:
    """The window's radius along each axis, clipped to what an image of this shape can hold."""
    return tuple(min(window_size // 2, size - 1) for size in spatial)


def offsets_in_window(radius: tuple[int, ...]) -> np.ndarray:
    """All offsets of the window in lexicographic order, (n, d); the middle one is zero."""
    grid = np.meshgrid(*(np.arange(-r, r + 1) for r in radius), indexing="ij")
    return np.stack(grid, axis=-1).reshape(-1, len(radius)).astype(np.int32)


def box_sum(x: Array, size: int) -> Array:
    """Sum over a cube of `size` pixels, valid part only."""
    for axis in range(x.ndim):
        window = [1] * x.ndim
        window[axis] = size
        # The initial value must be concrete: it tells JAX that this is a sum it can differentiate.
        zero = np.zeros((), x.dtype)
        x = lax.reduce_window(x, zero, lax.add, tuple(window), (1,) * x.ndim, "VALID")
    return x


def window_sums(
    contribution: Callable[[Array, Array], Any], fields: Array, radius: tuple[int, ...]
) -> Any:
    """sum over all offsets o of contribution(fields at o, o), a pytree of arrays (*core).

    `fields` is (F, *core + 2 * radius); `contribution` gets its view (F, *core) and o, (d,).
    """
    core = _shrink(fields.shape[1:], radius)

    @jax.checkpoint
    def at(offset: Array) -> Any:
        start = [r + offset[axis] for axis, r in enumerate(radius)]
        return contribution(_view(fields, start, core), offset)

    offsets = jnp.asarray(offsets_in_window(radius))
    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(at, offsets[0]))
    return _accumulate(at, zeros, offsets)


def symmetric_window_sums(
    weight: Callable[[Array, Array, Array], Array],
    fields: Array,
    values: Sequence[Array],
    radius: tuple[int, ...],
    reach: int = 0,
) -> list[Array]:
    """sum over offsets o != 0 of w_ij v_j with w_ij = w_ji and j = i + o.

    Half of the offsets suffice: w_ij is computed once, on the core widened by the radius, and
    serves pixel i with v_j and, read at -o, pixel j with v_i.

    - `fields`: (F, *core + 2 * halo) with halo = `symmetric_halo(radius, reach)`, what weights are
        made of. `weight(here, there, o)` gets two views of it that are `reach` pixels wider on
        every side than what it returns, of shape `weight_shape(tile, radius, reach)`.
    - `values`: arrays (*core + 2 * halo), zero outside the image. Returns their sums, (*core).
    """
    halo = symmetric_halo(radius, reach)
    core = _shrink(fields.shape[1:], halo)
    wide = weight_shape(fields.shape[1:], radius, reach)
    reached = tuple(size + 2 * reach for size in wide)
    margin = [h - r for h, r in zip(halo, radius, strict=True)]
    here = _view(fields, [m - reach for m in margin], reached)

    @jax.checkpoint
    def at(offset: Array) -> tuple[list[Array], list[Array]]:
        ahead = [m + offset[axis] for axis, m in enumerate(margin)]
        back = [r - offset[axis] for axis, r in enumerate(radius)]
        w = weight(here, _view(fields, [a - reach for a in ahead], reached), offset)
        # The sum ahead stays on the widened core and is cropped after the loop: w is then read at
        # one shift only, which keeps the transposed loop vectorised.
        w_back = _view(w, back, core)
        behind = [m + b for m, b in zip(margin, back, strict=True)]
        return [w * _view(v, ahead, wide) for v in values], [
            w_back * _view(v, behind, core) for v in values
        ]

    offsets = offsets_in_window(radius)
    zeros = [jnp.zeros(wide, v.dtype) for v in values], [jnp.zeros(core, v.dtype) for v in values]
    ahead, behind = _accumulate(at, zeros, jnp.asarray(offsets[len(offsets) // 2 + 1 :]))
    return [_view(a, radius, core) + b for a, b in zip(ahead, behind, strict=True)]


def weight_shape(tile: tuple[int, ...], radius: tuple[int, ...], reach: int = 0) -> tuple[int, ...]:
    """The shape of the weights in `symmetric_window_sums` on a tile, `reach` included in its halo.

    The half window never looks back along the first axis, so the core grows by one radius there
    and by two along the others.
    """
    return (
        tile[0] - radius[0] - 2 * reach,
        *(t - 2 * r - 2 * reach for t, r in zip(tile[1:], radius[1:], strict=True)),
    )


def symmetric_halo(radius: tuple[int, ...], reach: int = 0) -> tuple[int, ...]:
    """How far beyond its core a tile reaches in `symmetric_window_sums`."""
    return (radius[0] + reach, *(2 * r + reach for r in radius[1:]))


def _accumulate(at: Callable[[Array], Any], zeros: Any, offsets: Array) -> Any:
    return lax.scan(lambda sums, o: (jax.tree.map(jnp.add, sums, at(o)), None), zeros, offsets)[0]


def _shrink(shape: tuple[int, ...], margin: Sequence[int]) -> tuple[int, ...]:
    return tuple(size - 2 * m for size, m in zip(shape, margin, strict=True))


def _view(x: Array, start: Sequence, shape: tuple[int, ...]) -> Array:
    """A window along the last axes at a static or traced start; leading axes are kept."""
    leading = x.ndim - len(shape)
    zero = jnp.zeros((), jnp.int32)
    starts = [zero] * leading + [s + zero for s in start]
    return lax.dynamic_slice(x, starts, x.shape[:leading] + tuple(shape))
