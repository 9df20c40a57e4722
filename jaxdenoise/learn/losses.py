"""Losses and metrics of what a network makes of one image, from its logits.

Of segmentation: `logits` are (classes, height, width), or (1, height, width) for two classes, whose
one number is the log-odds of the second; `labels` are integers, (height, width), from 0. Of images:
both are of the same shape; `jd.mse` is one too. All are means over pixels; over a batch they are
the mean of `jax.vmap`. They raise `ValueError` for shapes that do not fit.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from jaxdenoise._core.checks import check_same_shape
from jaxdenoise._core.planes import as_float
from jaxdenoise.metrics import dice, iou

# Of focal loss, as in the paper.
_FOCUS = 2.0


def dice_coefficient(logits: ArrayLike, labels: ArrayLike) -> Float[Array, ""]:
    """The soft Dice coefficient of the classes' probabilities, the mean over all classes."""
    return jnp.mean(jax.vmap(dice)(*_shares(logits, labels)))


def dice_loss(logits: ArrayLike, labels: ArrayLike) -> Float[Array, ""]:
    """1 - `dice_coefficient`: it does not mind that one class is rare.

    **References:** Milletari, Navab & Ahmadi, "V-Net: fully convolutional neural networks for
    volumetric medical image segmentation", 3DV 2016.
    """
    return 1 - dice_coefficient(logits, labels)


def soft_iou(logits: ArrayLike, labels: ArrayLike) -> Float[Array, ""]:
    """Intersection over union of the classes' probabilities, the mean over all classes."""
    return jnp.mean(jax.vmap(iou)(*_shares(logits, labels)))


def cross_entropy(logits: ArrayLike, labels: ArrayLike) -> Float[Array, ""]:
    """-log p of the true class: binary from one logit, categorical from several."""
    return jnp.mean(-_log_probability(logits, labels))


def focal(logits: ArrayLike, labels: ArrayLike, *, gamma: float = _FOCUS) -> Float[Array, ""]:
    r"""$-(1 - p)^\gamma \log p$ of the true class: what is clear already counts for little.

    **References:** Lin, Goyal, Girshick, He & Dollar, "Focal loss for dense object detection", ICCV
    2017, equation 4.
    """
    log_p = _log_probability(logits, labels)
    return jnp.mean(-jnp.power(-jnp.expm1(log_p), gamma) * log_p)


def accuracy(logits: ArrayLike, labels: ArrayLike) -> Float[Array, ""]:
    """The share of the pixels whose most probable class is the true one. No gradient."""
    logits, labels = _checked(logits, labels)
    return jnp.mean((predicted(logits) == labels).astype(logits.dtype))


def dice_per_class(logits: ArrayLike, labels: ArrayLike) -> Float[Array, " classes"]:
    """The Dice coefficients of the most probable classes with the true ones. No gradient."""
    logits, labels = _checked(logits, labels)
    classes = max(len(logits), 2)
    found, true = (_one_hot(x, classes, logits.dtype) for x in (predicted(logits), labels))
    return jax.vmap(dice)(found, true)


def charbonnier(output: ArrayLike, target: ArrayLike, *, epsilon: float = 1e-3) -> Float[Array, ""]:
    r"""The mean of $\sqrt{(f - x)^2 + \epsilon^2}$: absolute errors, smooth at 0.

    **References:** Charbonnier, Blanc-Feraud, Aubert & Barlaud, "Two deterministic half-quadratic
    regularization algorithms for computed imaging", ICIP 1994.
    """
    check_same_shape(output, target, ("output", "target"))
    difference = as_float(output) - as_float(target)
    return jnp.mean(jnp.sqrt(jnp.square(difference) + epsilon**2))


def predicted(logits: ArrayLike) -> Int[Array, "height width"]:
    """The most probable class of every pixel."""
    x = as_float(logits)
    if len(x) == 1:
        return (x[0] > 0).astype(jnp.int32)
    return jnp.argmax(x, axis=0).astype(jnp.int32)


def _checked(logits: ArrayLike, labels: ArrayLike) -> tuple[Array, Array]:
    shape, expected = jnp.shape(logits), jnp.shape(labels)
    if len(shape) != 3 or shape[1:] != expected:
        raise ValueError(
            f"logits must have classes and then the shape of labels, got {shape} for {expected}"
        )
    return as_float(logits), jnp.asarray(labels).astype(jnp.int32)


def _shares(logits: ArrayLike, labels: ArrayLike) -> tuple[Array, Array]:
    """Of every class: the probabilities of pixels, and which pixels are of it."""
    logits, labels = _checked(logits, labels)
    if len(logits) == 1:
        p = jax.nn.sigmoid(logits)
        p = jnp.concatenate([1 - p, p])
    else:
        p = jax.nn.softmax(logits, axis=0)
    return p, _one_hot(labels, len(p), p.dtype)


def _one_hot(labels: Array, classes: int, dtype: jnp.dtype) -> Array:
    return (labels[None] == jnp.arange(classes, dtype=labels.dtype)[:, None, None]).astype(dtype)


def _log_probability(logits: ArrayLike, labels: ArrayLike) -> Array:
    """Of the true class."""
    logits, labels = _checked(logits, labels)
    if len(logits) == 1:
        sign = jnp.where(labels == 1, 1, -1).astype(logits.dtype)
        return jax.nn.log_sigmoid(sign * logits[0])
    log_p = jax.nn.log_softmax(logits, axis=0)
    return jnp.sum(_one_hot(labels, len(logits), logits.dtype) * log_p, axis=0)
