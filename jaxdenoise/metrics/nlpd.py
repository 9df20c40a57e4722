"""The normalised Laplacian pyramid distance."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Float

from jaxdenoise._core.safe import safe_sqrt
from jaxdenoise._core.separable import correlate
from jaxdenoise.metrics.pair import planes_of_pair

# The low-pass filter of Burt & Adelson 1983.
_LOW_PASS = np.array([0.05, 0.25, 0.4, 0.25, 0.05])
# Of every scale, from fine to coarse: the constant in the denominator, and the weights of the
# neighbours at (dy, dx), as the authors fitted them to photographs.
_NORMALISATION = (
    (0.0248, {(0, 1): 0.1493, (0, -1): 0.1460, (0, -2): 0.0072, (1, 0): 0.1011, (-1, 0): 0.1015}),
    (0.0185, {(0, 1): 0.1986, (0, -1): 0.1846, (1, 0): 0.0757, (-1, 0): 0.0837}),
    (0.0179, {(0, 1): 0.2138, (0, -1): 0.2243, (1, 0): 0.0477, (-1, 0): 0.0467}),
    (0.0191, {(0, 1): 0.2503, (0, -1): 0.2616}),
    (0.0220, {(0, 1): 0.2598, (0, -1): 0.2552}),
    (0.2782, {(0, 1): 0.2215, (0, -1): 0.0717}),
)


def nlpd(
    a: ArrayLike, b: ArrayLike, *, data_range: ArrayLike, channel_axis: int | None = None
) -> Float[Array, ""]:
    r"""Normalised Laplacian pyramid distance: how differently two images excite the early eye.

    Each image, divided by `data_range`, becomes a Laplacian pyramid of six scales (centre against
    surround, as in the retina), and each coefficient is divided by the activity around it (gain
    control: a strong contrast masks a weak one beside it),

    $$y^{(k)} = \frac{z^{(k)}}{\sigma_k + P_k * |z^{(k)}|}, \qquad
    \mathrm{NLPD}(a, b) = \frac16 \sum_{k=1}^6
      \sqrt{\tfrac{1}{N_k} \|y_a^{(k)} - y_b^{(k)}\|^2}.$$

    The pyramid continues images by mirroring; outside of them there is no activity. Constants and
    filters are those that the authors fitted to natural images.

    **Arguments:**

    - `a`, `b`: 2-D images of the same shape, of any size, with gamma-encoded values as files have.
    - `data_range`: the difference of the largest and the smallest possible value.
    - `channel_axis`: the axis of the channels, over which the distance is averaged; the model is
        one of luminance.

    **Returns:** a scalar, 0 for equal images; about 0.1 is visible, 1 is another image.

    **Raises:** `ValueError` if shapes differ or `data_range` is not positive; `TypeError` for
    complex images.

    **Reference:** Laparra, Balle, Berardino & Simoncelli, "Perceptual image quality assessment
    using a normalized Laplacian pyramid", Human Vision and Electronic Imaging 2016.
    """
    return _distance(*planes_of_pair(a, b, data_range, channel_axis, ndim=(2,)))


@jax.jit
def _distance(x: Array, y: Array, data_range: Array) -> Array:
    pairs = zip(*(_normalised_pyramid(z / data_range) for z in (x, y)), strict=True)
    distances = [safe_sqrt(jnp.mean(jnp.square(p - q), axis=(1, 2))) for p, q in pairs]
    return jnp.mean(jnp.stack(distances))


def _normalised_pyramid(planes: Array) -> list[Array]:
    scales = []
    for constant, weights in _NORMALISATION[:-1]:
        coarse = _reduce(planes)
        scales.append(_normalise(planes - _expand(coarse, planes.shape), constant, weights))
        planes = coarse
    return [*scales, _normalise(planes, *_NORMALISATION[-1])]


def _reduce(planes: Array) -> Array:
    wide = jnp.pad(planes, ((0, 0), (2, 2), (2, 2)), mode="symmetric")
    return correlate(wide, [_LOW_PASS] * 2)[:, ::2, ::2]


def _expand(planes: Array, shape: tuple[int, ...]) -> Array:
    """To twice the size, or one less: what zeros between the pixels become by twice the filter."""
    far, near, centre = (2 * float(weight) for weight in _LOW_PASS[:3])
    for axis in (1, 2):
        n = planes.shape[axis]
        wide = jnp.pad(planes, [(1, 1) if k == axis else (0, 0) for k in range(3)], mode="edge")
        before, here, after = (lax.slice_in_dim(wide, k, k + n, axis=axis) for k in range(3))
        pairs = [far * (before + after) + centre * here, near * (here + after)]
        twice = jnp.stack(pairs, axis=axis + 1)
        twice = twice.reshape(*here.shape[:axis], 2 * n, *here.shape[axis + 1 :])
        planes = lax.slice_in_dim(twice, 0, shape[axis], axis=axis)
    return planes


def _normalise(band: Array, constant: float, weights: dict[tuple[int, int], float]) -> Array:
    _, height, width = band.shape
    wide = jnp.pad(jnp.abs(band), ((0, 0), (2, 2), (2, 2)))
    activity = sum(
        weight * wide[:, 2 + dy : 2 + dy + height, 2 + dx : 2 + dx + width]
        for (dy, dx), weight in weights.items()
    )
    return band / (constant + activity)
