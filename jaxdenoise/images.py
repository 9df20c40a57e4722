"""Images to test on, drawn instead of photographed: exactly piecewise constant, as many as keys."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, PRNGKeyArray

from jaxdenoise._core.checks import check_count


class _Layer(NamedTuple):
    buildings: int
    height: tuple[float, float]  # of the roofs, in heights of the image
    grey: tuple[float, float]
    antennas: float  # the share of the buildings that carry one
    windows: float  # the share of the buildings in which light burns


# From back to front; haze makes what is far bright.
_LAYERS = (
    _Layer(13, (0.4, 0.82), (0.62, 0.74), antennas=0.4, windows=0.0),
    _Layer(10, (0.25, 0.62), (0.38, 0.52), antennas=0.25, windows=0.0),
    _Layer(8, (0.12, 0.45), (0.1, 0.26), antennas=0.1, windows=0.8),
)
_SKY, _LIT = 0.92, 0.82
# In heights of the image: how far shoulders lie below a stepped roof, and antennas rise above it.
_STEP, _ANTENNA = 0.05, 0.1
# The share of the buildings with a stepped roof, and of the windows with light.
_STEPPED, _LIT_SHARE = 0.3, 0.6


def skyline(key: PRNGKeyArray, shape: Sequence[int] = (256, 256)) -> Float[Array, "h w"]:
    """A synthetic test image: silhouettes of buildings against a bright sky, in [0, 1].

    Piecewise constant without noise or blur, with some thirty grey levels: a sky, behind one
    another three layers of buildings with flat or stepped roofs and antennas, those in front
    darkest and with a regular grid of windows. Buildings scale with the image; every pixel of the
    last row belongs to one. Another key draws another town; towns in a batch by `jax.vmap`.

    **Arguments:**

    - `key`: from `jax.random.key`.
    - `shape`: height and width in pixels. Windows need about 64 of each to be seen.

    **Returns:** an image in JAX's default float type.

    **Raises:** `ValueError` if `shape` is not two positive integers.

    **Example:**

    ```python
    clean = jd.skyline(jax.random.key(0))
    noisy = jd.Gaussian(0.1).sample(jax.random.key(1), clean)
    ```
    """
    if np.shape(shape) != (2,):
        raise ValueError(f"shape must be two positive integers, got {shape!r}")
    for axis, size in enumerate(shape):
        check_count(size, name=f"shape[{axis}]")
    return _skyline(key, tuple(shape))


@partial(jax.jit, static_argnums=1)
def _skyline(key, shape):
    image = jnp.full(shape, _SKY)
    for layer, layer_key in zip(_LAYERS, jax.random.split(key, len(_LAYERS)), strict=True):
        image = _build(layer_key, image, layer)
    return image


def _build(key: Array, image: Array, layer: _Layer) -> Array:
    """The image behind a layer of buildings that stand wall to wall."""
    h, w = image.shape
    keys = iter(jax.random.split(key, 8))

    def draw(low: float, high: float) -> Array:
        return jax.random.uniform(next(keys), (layer.buildings,), minval=low, maxval=high)

    def choose(share: float) -> Array:
        return jax.random.bernoulli(next(keys), share, (layer.buildings,))

    # Walls stand between buildings; the borders of the image cut the first and the last of them.
    widths = draw(0.5, 1.5)
    cut = jax.random.uniform(next(keys), (2,), maxval=0.5)
    walls = jnp.concatenate([jnp.zeros(1), jnp.cumsum(widths)]) - cut[0]
    walls = jnp.round(w * walls / (walls[-1] - cut[1])).astype(int)
    left, right = walls[:-1], walls[1:]
    columns, rows = jnp.arange(w), jnp.arange(h)[:, None]
    at = jnp.searchsorted(right, columns, side="right")
    left, right, grey = left[at], right[at], draw(*layer.grey)[at]

    roof = draw(*layer.height)
    shoulder = (roof - jnp.where(choose(_STEPPED), _STEP, 0))[at]
    mast = roof + jnp.where(choose(layer.antennas), _ANTENNA, 0)
    from_axis = jnp.abs(2 * columns + 1 - left - right)
    top = jnp.where(5 * from_axis < 3 * (right - left), roof[at], shoulder)
    top = jnp.where(from_axis < max(2, w // 80), mast[at], top)

    def height_to_row(height: Array) -> Array:
        return jnp.minimum(jnp.round(h * (1 - height)).astype(int), h - 1)[None]

    image = jnp.where(rows >= height_to_row(top), grey[None], image)
    # Windows fill a corner of every cell of a grid that hangs from the roof at the left wall.
    cell = max(2, round(min(h, w) / 40))
    across, down = (columns - left)[None], rows - height_to_row(shoulder)
    x, y = across % cell, down % cell
    glass = (x >= cell // 2) & (y >= cell // 2) & (down >= 0)
    glass &= (across - x + cell < (right - left)[None]) & choose(layer.windows)[at][None]
    lit = jax.random.bernoulli(next(keys), _LIT_SHARE, (h, w))[rows - y, columns[None] - x]
    return jnp.where(glass & lit, _LIT, image)
