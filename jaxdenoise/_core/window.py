"""The loop over window offsets that all kernel filters share.

Every kernel filter is a weighted sum over a search window, sum_j w_ij v_j. The loop runs over the
offsets o = j - i, and at each offset over all pixels at once: whole-array arithmetic on shifted
views, nothing gathered. Reverse mode recomputes an offset's weights (`jax.checkpoint`), so a
gradient needs hardly more memory than the forward pass, and forward mode works as it is.

Three facts about XLA on a CPU shape this file (jax 0.10):

- A fusion is vectorised only if no value computed in it is read at two different indices, so
  what is sliced twice must be materialised first. `exp` and `reduce_window` are materialised, cheap
  arithmetic is not: a weight should end with one of them. For the same reason fields and values
  are lists of arrays: a view of a stack that is taken apart again is such a value.
- A static crop becomes, transposed, a pad that is not vectorised; a crop at a traced position
  becomes an update in place. Views in the loop are cut by `lax.dynamic_slice`.
- A reduction of a whole array to a scalar parameter is slow: a parameter is broadcast before the
  loop, so that its gradient is reduced once after it. Subtracted right before `exp`, it also
  keeps XLA from fusing the transposed slices of w into what follows them, which would double the
  time of a gradient.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax


def clip_radius(window_size: Sequence[int], spatial: tuple[int, ...]) -> tuple[int, ...]:
    """The window's radius along each axis, clipped to what an image of this shape can hold."""
    return tuple(min(w // 2, size - 1) for w, size in zip(window_size, spatial, strict=True))


def offsets_in_window(radius: tuple[int, ...]) -> np.ndarray:
    """All offsets of the window in lexicographic order, (n, d); the middle one is zero."""
    grid = np.meshgrid(*(np.arange(-r, r + 1) for r in radius), indexing="ij")
    return np.stack(grid, axis=-1).reshape(-1, len(radius)).astype(np.int32)


def box_sum(x: Array, sizes: Sequence[int], strides: Sequence[int] | None = None) -> Array:
    """Sum over a box of `sizes` pixels along the axes, valid part only, at every `strides`-th."""
    strides = [1] * len(sizes) if strides is None else strides
    for axis, (size, stride) in enumerate(zip(sizes, strides, strict=True)):
        x = run_sum(x, size, axis, stride)
    return x


def run_sum(x: Array, size: int, axis: int, stride: int = 1) -> Array:
    """Sum over `size` neighbours along one axis, valid part only, every `stride`-th of them."""
    window, strides = [1] * x.ndim, [1] * x.ndim
    window[axis], strides[axis] = size, stride
    # The initial value must be concrete: it tells JAX that this is a sum it can differentiate.
    zero = np.zeros((), x.dtype)
    return lax.reduce_window(x, zero, lax.add, tuple(window), tuple(strides), "VALID")


def scaled_difference(
    y: Array, scale: Array
) -> tuple[Array, Callable[[list[Array], list[Array]], Array]]:
    """Planes to compare pixels by, and (y_i - y_j)^2 / scale^2 of two views of them.

    The mean over the channels. Where `scale` is a map, scale^2 of a pair is the mean over its two
    pixels.
    """
    c = len(y)
    if scale.ndim == 0:

        def squared_difference(here: list[Array], there: list[Array]) -> Array:
            return _sum(jnp.square(a - b) for a, b in zip(here, there, strict=True)) / c

        return y / scale, squared_difference

    def squared_difference_on_map(here: list[Array], there: list[Array]) -> Array:
        pairs = zip(here[:c], there[:c], here[c:], there[c:], strict=True)
        return _sum(jnp.square(a - b) / (v + w) for a, b, v, w in pairs) * (2 / c)

    return jnp.concatenate([y, jnp.square(scale)]), squared_difference_on_map


def window_sums(
    contribution: Callable[..., Any],
    fields: Sequence[Array],
    radius: tuple[int, ...],
    of_offsets: Array | None = None,
) -> Any:
    """sum over all offsets o of contribution(fields at o, o), a pytree of arrays (*core).

    `fields` are arrays (*core + 2 * radius); `contribution` gets their views (*core) and o, (d,),
    and where there are values `of_offsets`, (offsets, ...), that of o as well.
    """
    core = _shrink(fields[0].shape, radius)

    @jax.checkpoint
    def at(offset: Array, *value: Array) -> Any:
        return contribution(_views(fields, offset, radius, core), offset, *value)

    offsets = jnp.asarray(offsets_in_window(radius))
    scanned = (offsets,) if of_offsets is None else (offsets, of_offsets)
    zeros = jax.tree.map(jnp.zeros_like, at(*(x[0] for x in scanned)))
    return _accumulate(at, zeros, *scanned)


def window_values(
    value: Callable[[list[Array], Array], Array],
    fields: Sequence[Array],
    radius: tuple[int, ...],
    core: tuple[int, ...],
) -> Array:
    """value(fields at o, o) for all offsets o, (offsets, ...), the views being (*core)."""

    def at(offset: Array) -> Array:
        return value(_views(fields, offset, radius, core), offset)

    return lax.map(at, jnp.asarray(offsets_in_window(radius)))


def _views(
    fields: Sequence[Array], offset: Array, radius: tuple[int, ...], shape: tuple[int, ...]
) -> list[Array]:
    start = [r + offset[axis] for axis, r in enumerate(radius)]
    return [_view(f, start, shape) for f in fields]


def symmetric_window_sums(
    weight: Callable[[list[Array], list[Array], Array], Array],
    fields: Sequence[Array],
    values: Sequence[Array],
    radius: tuple[int, ...],
    reaches: Sequence[tuple[int, ...]],
) -> list[Array]:
    """sum over offsets o != 0 of w_ij v_j with w_ij = w_ji and j = i + o.

    Half of the offsets suffice: w_ij is computed once, on the core widened by the radius, and
    serves pixel i with v_j and, read at -o, pixel j with v_i.

    - `fields`: arrays (*core + 2 * halo), what weights are made of. `weight(here, there, o)` gets
        two lists of their views, each wider by its `reaches` along the axes, on either side, than
        the result, whose shape is `weight_shape`.
    - `values`: arrays (*core + 2 * halo), zero outside the image. Returns their sums, (*core).
    - halo = `symmetric_halo(radius, reach)` with the largest reach along each axis.
    """
    reach = tuple(map(max, zip(*reaches, strict=True)))
    halo = symmetric_halo(radius, reach)
    core = _shrink(fields[0].shape, halo)
    wide = weight_shape(fields[0].shape, radius, reach)
    margin = [h - r for h, r in zip(halo, radius, strict=True)]

    def views(start: Sequence) -> list[Array]:
        return [
            _view(
                f,
                [s - r for s, r in zip(start, reach, strict=True)],
                tuple(size + 2 * r for size, r in zip(wide, reach, strict=True)),
            )
            for f, reach in zip(fields, reaches, strict=True)
        ]

    here = views(margin)

    @jax.checkpoint
    def at(offset: Array) -> tuple[list[Array], list[Array]]:
        ahead = [m + offset[axis] for axis, m in enumerate(margin)]
        back = [r - offset[axis] for axis, r in enumerate(radius)]
        w = weight(here, views(ahead), offset)
        # The sum ahead stays on the widened core and is cropped after the loop: w is then read at
        # one shift only, which keeps the transposed loop vectorised.
        w_back = _view(w, back, core)
        behind = [m + b for m, b in zip(margin, back, strict=True)]
        return [w * _view(v, ahead, wide) for v in values], [
            w_back * _view(v, behind, core) for v in values
        ]

    offsets = offsets_in_window(radius)
    # Like a field: under `shard_map` a sum must vary over the same mesh axes as what it adds up.
    zeros = tuple(
        [jnp.zeros_like(_view(fields[0], start, shape))] * len(values)
        for start, shape in ((margin, wide), (halo, core))
    )
    ahead, behind = _accumulate(at, zeros, jnp.asarray(offsets[len(offsets) // 2 + 1 :]))
    return [_view(a, radius, core) + b for a, b in zip(ahead, behind, strict=True)]


def weight_shape(
    tile: tuple[int, ...], radius: tuple[int, ...], reach: Sequence[int] | None = None
) -> tuple[int, ...]:
    """The shape of the weights in `symmetric_window_sums` on a tile, `reach` included in its halo.

    The half window never looks back along the first axis, so the core grows by one radius there
    and by two along the others.
    """
    look = (radius[0], *(2 * r for r in radius[1:]))
    reach = [0] * len(tile) if reach is None else reach
    return tuple(t - k - 2 * r for t, k, r in zip(tile, look, reach, strict=True))


def symmetric_halo(radius: tuple[int, ...], reach: Sequence[int] | None = None) -> tuple[int, ...]:
    """How far beyond its core a tile reaches in `symmetric_window_sums`."""
    look = (radius[0], *(2 * r for r in radius[1:]))
    reach = [0] * len(radius) if reach is None else reach
    return tuple(k + r for k, r in zip(look, reach, strict=True))


def _accumulate(at: Callable[..., Any], zeros: Any, *scanned: Array) -> Any:
    def add(sums: Any, here: tuple[Array, ...]) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, sums, at(*here)), None

    return lax.scan(add, zeros, scanned)[0]


def _shrink(shape: tuple[int, ...], margin: Sequence[int]) -> tuple[int, ...]:
    return tuple(size - 2 * m for size, m in zip(shape, margin, strict=True))


def _view(x: Array, start: Sequence, shape: tuple[int, ...]) -> Array:
    """A window at a static or traced start."""
    return lax.dynamic_slice(x, [jnp.asarray(s, jnp.int32) for s in start], shape)


def _sum(terms: Iterable[Array]) -> Array:
    """The sum of a few arrays, term by term."""
    return functools.reduce(jnp.add, terms)
