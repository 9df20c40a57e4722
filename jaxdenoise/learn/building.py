"""What a recipe makes: its data, its model, its loss and its optimiser."""

from math import ceil
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxdenoise.learn.augment import Augment
from jaxdenoise.learn.batches import Batches
from jaxdenoise.learn.denoiser import Denoiser
from jaxdenoise.learn.fit import Loss
from jaxdenoise.learn.losses import (
    accuracy,
    charbonnier,
    cross_entropy,
    dice_loss,
    dice_per_class,
    focal,
)
from jaxdenoise.learn.models import DnCNN, FCN32s, UNet, load_vgg16
from jaxdenoise.learn.pairs import AddNoise, FolderPairs, ToUnitNoise, chained
from jaxdenoise.learn.recipes import Recipe
from jaxdenoise.learn.through import Learnable, Through
from jaxdenoise.learn.unsupervised import AtUnitNoise, Probe, sure_loss
from jaxdenoise.metrics import mse

_LOSSES: dict[str, Loss] = {
    "dice+cross_entropy": lambda x, t: dice_loss(x, t) + cross_entropy(x, t),
    "dice": dice_loss,
    "cross_entropy": cross_entropy,
    "focal": focal,
    "mse": mse,
    "charbonnier": charbonnier,
    "sure": sure_loss,
}
# Of the side of a crop: what is read for it, that a rotation finds its corners.
_MARGIN = 1.5


def pairs_of(recipe: Recipe, split: str | Path, part: str, *, targets: str | None) -> FolderPairs:
    """With `targets` from this folder; an input is its own target where there is none."""
    return FolderPairs(
        split,
        part,
        inputs=recipe.inputs,
        targets=targets,
        classes=recipe.classes if recipe.task == "segment" else None,
        colour=recipe.colour,
    )


def training_pairs(recipe: Recipe, split: str | Path, part: str) -> FolderPairs:
    targets = recipe.targets if recipe.needs_targets else None
    return pairs_of(recipe, split, part, targets=targets)


def batches_of(recipe: Recipe, split: str | Path) -> tuple[Batches, Batches, int]:
    """Of training, random parts; of validation, whole images; and the steps of an epoch."""
    train, val = (training_pairs(recipe, split, part) for part in ("train", "val"))
    height, width = train[0][0].shape[-2:]
    size = (min(int(recipe.crop or 0), height), min(int(recipe.crop or 0), width))
    warped = recipe.rotation or recipe.shear or recipe.shift or recipe.zoom
    margin = _MARGIN if warped else 1.0
    read = (min(ceil(margin * size[0]), height), min(ceil(margin * size[1]), width))
    count = min(int(recipe.batch_size or 1), len(train))
    noisy = _noise_of(recipe)
    shown = Batches(
        train,
        count,
        crop=read,
        transform=chained(augment_of(recipe, size), *noisy),
        seed=recipe.seed,
    )
    checked = Batches(
        val,
        1,
        transform=chained(*noisy) if noisy else None,
        epochs=1,
        shuffle=False,
        seed=recipe.seed,
    )
    pixels = len(train) * height * width
    return shown, checked, recipe.steps or ceil(pixels / (count * size[0] * size[1]))


def augment_of(recipe: Recipe, crop: tuple[int, int]) -> Augment:
    return Augment(
        horizontal_flip=recipe.flips,
        vertical_flip=recipe.flips,
        rotation=recipe.rotation,
        shear=recipe.shear,
        shift=recipe.shift,
        zoom=recipe.zoom,
        brightness=recipe.brightness,
        crop=crop,
    )


def _noise_of(recipe: Recipe) -> list[Any]:
    unit = recipe.task == "denoise"
    transforms: list[Any] = []
    if recipe.add_noise is not None:
        transforms.append(AddNoise(*recipe.add_noise, unit=unit))
    elif unit:
        transforms.append(ToUnitNoise(recipe.sigma))
    return [*transforms, Probe()] if recipe.loss == "sure" else transforms


def model_of(recipe: Recipe) -> eqx.Module:
    """The network before training, in single precision, and what stands around it."""
    network, channels = eqx.filter_jit(_network_of)(recipe), 3 if recipe.colour else 1
    if recipe.weights is not None:
        network = load_vgg16(network, recipe.weights)
    if recipe.task == "denoise":
        return AtUnitNoise(Denoiser(network, channels))
    if recipe.through is None:
        return network
    first = Learnable.initialise(
        recipe.through, sigma=recipe.noise or 0.0, channels=channels, frozen=recipe.frozen
    )
    return Through(first, network)


def _network_of(recipe: Recipe) -> Any:
    """By one compiled program, in single precision."""
    network = _initial(recipe)
    return jax.tree.map(lambda x: x.astype(jnp.float32) if eqx.is_inexact_array(x) else x, network)


def _initial(recipe: Recipe) -> eqx.Module:
    key, channels = jax.random.key(recipe.seed), 3 if recipe.colour else 1
    width, depth = int(recipe.width or 0), int(recipe.depth or 0)
    if recipe.model == "dncnn":
        return DnCNN.initialise(key, channels=channels, width=width, depth=depth)
    # Of two classes one number tells both.
    classes = 1 if recipe.classes == 2 else recipe.classes
    outputs = {"segment": classes, "denoise": channels}[recipe.task]
    given = {"in_channels": channels, "out_channels": outputs, "width": width}
    if recipe.model == "unet":
        return UNet.initialise(key, **given, depth=depth)
    return FCN32s.initialise(key, **given)


def scores_of(recipe: Recipe) -> tuple[Loss, dict[str, Loss]]:
    """The loss and the metrics."""
    known: dict[str, Loss] = {"accuracy": accuracy, "dice": mean_dice, "gain": gain}
    return _LOSSES[str(recipe.loss)], {name: known[name] for name in recipe.metrics}


def optimizer_of(recipe: Recipe, steps: int) -> optax.GradientTransformation:
    """For so many steps of an epoch."""
    return optax.adam(optax.cosine_decay_schedule(recipe.learning_rate, recipe.epochs * steps))


def mean_dice(logits: Array, labels: Array) -> Array:
    """The mean of `dice_per_class`."""
    return jnp.mean(dice_per_class(logits, labels))


def gain(output: Array, target: Array) -> Array:
    """Decibels of PSNR above noise of standard deviation 1."""
    return -10 * jnp.log10(mse(output, target))
