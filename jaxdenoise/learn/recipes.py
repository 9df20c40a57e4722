"""All that a run is told, as one value that can be written down."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import ceil
from pathlib import Path
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxdenoise._core.checks import check_choice, check_count
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
from jaxdenoise.learn.through import Learnable, Through
from jaxdenoise.learn.unsupervised import AtUnitNoise, Probe, sure_loss
from jaxdenoise.metrics import mse

TASKS: dict[str, dict[str, Any]] = {
    "segment": {
        "model": "unet",
        "targets": "masks",
        "loss": "dice+cross_entropy",
        "monitor": "val_dice",
        "mode": "max",
        "batch_size": 4,
        "crop": 256,
    },
    "denoise": {
        "model": "dncnn",
        "loss": "mse",
        "monitor": "val_loss",
        "mode": "min",
        "batch_size": 16,
        "crop": 64,
    },
}
# Width and depth that two cores train in minutes.
MODELS: dict[str, dict[str, int]] = {
    "unet": {"width": 16, "depth": 4},
    "fcn32s": {"width": 16, "depth": 5},
    "dncnn": {"width": 32, "depth": 10},
}
LOSSES: dict[str, dict[str, Loss]] = {
    "segment": {
        "dice+cross_entropy": lambda x, t: dice_loss(x, t) + cross_entropy(x, t),
        "dice": dice_loss,
        "cross_entropy": cross_entropy,
        "focal": focal,
    },
    "denoise": {"mse": mse, "charbonnier": charbonnier, "sure": sure_loss},
}
# Of the side of a crop: what is read for it, that a rotation finds its corners.
_MARGIN = 1.5


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What to learn, from what, by which network and how. `None` is filled in by the rule given.

    **The task:**

    - `task`: `"segment"`, from images to masks, or `"denoise"`, to images.
    - `inputs`, `targets`: folders of the split; `targets` are `"masks"` to segment. To denoise they
        are clean images of the noisy inputs, `None` where noise is added or the loss is `"sure"`.
    - `classes`: of masks, see `FolderPairs`.
    - `colour`: three channels, or one.
    - `add_noise`: standard deviation of Gaussian noise that is added to inputs, drawn anew every
        time, uniform between two numbers; images are from 0 to 1.
    - `sigma`: of the noise that inputs have; `None` to estimate it from each.

    **The network:**

    - `model`: `"unet"`, `"fcn32s"` (to segment) or `"dncnn"` (to denoise); by default `"unet"` to
        segment, `"dncnn"` to denoise.
    - `width`, `depth`: of the network; by default 16 and 4 (`unet`), 16 (`fcn32s`), 32 and 10
        (`dncnn`), which two cores train in minutes.
    - `weights`: a file for `load_vgg16`, for `fcn32s`.
    - `through`: a method of `jd.methods()` in front of a segmenter, see `Through`; it begins with
        the noise of `add_noise` or `sigma`, and is trained too unless it is `frozen`.

    **Training:**

    - `loss`: `"dice+cross_entropy"` (the default), `"dice"`, `"cross_entropy"` or `"focal"`; to
        denoise `"mse"` (the default), `"charbonnier"`, or `"sure"`, which needs no clean images.
        Losses of images are in units of the noise's standard deviation.
    - `epochs`, `steps`: at most, and of an epoch, by default as many as show every pixel once.
    - `batch_size`, `crop`: 4 squares of 256 x 256 to segment, 16 of 64 x 64 to denoise, or what
        the first image has.
    - `flips`, `rotation`, `shear`, `shift`, `zoom`, `brightness`: see `Augment`; `flips` are both.
    - `learning_rate`: of Adam to begin with; it falls to 0 by a cosine over all epochs.
    - `average`, `clip`, `half_precision`: see `fit`.
    - `seed`: of everything random.

    **Stopping:**

    - `monitor`, `mode`, `patience`, `min_delta`: see `EarlyStopping`; by default the most
        `"val_dice"` to segment, the least `"val_loss"` to denoise. The best epoch is kept by the
        same monitor. Metrics are `accuracy` and `dice`, and to denoise `gain`, the decibels of
        PSNR above the noisy image, unless the loss is `"sure"`.

    **Raises:** `ValueError`, which names the setting, for what does not fit together.
    """

    task: Literal["segment", "denoise"] = "segment"
    inputs: str = "frames"
    targets: str | None = None
    classes: int = 2
    colour: bool = False
    add_noise: tuple[float, float] | None = None
    sigma: float | None = None
    model: str | None = None
    width: int | None = None
    depth: int | None = None
    weights: str | None = None
    through: str | None = None
    frozen: bool = False
    loss: str | None = None
    epochs: int = 100
    steps: int | None = None
    batch_size: int | None = None
    crop: int | None = None
    flips: bool = True
    rotation: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0
    brightness: float = 0.0
    learning_rate: float = 2e-3
    average: float = 0.98
    clip: float = 1.0
    half_precision: bool = False
    seed: int = 0
    monitor: str | None = None
    mode: Literal["min", "max"] | None = None
    patience: int = 3
    min_delta: float = 0.001

    def __post_init__(self):
        check_choice(self.task, tuple(TASKS), name="task")
        self._fill(TASKS[self.task])
        check_choice(self.model, tuple(MODELS), name="model")
        self._fill(MODELS[str(self.model)])
        check_choice(self.loss, tuple(LOSSES[self.task]), name="loss")
        check_choice(self.mode, ("min", "max"), name="mode")
        for name in ("classes", "width", "depth", "epochs", "batch_size", "crop"):
            check_count(getattr(self, name), name=name)
        if self.model == ("dncnn" if self.task == "segment" else "fcn32s"):
            raise ValueError(f"model must be one that can {self.task}, got {self.model!r}")
        if self.weights is not None and self.model != "fcn32s":
            raise ValueError(f"weights are for the model fcn32s, not {self.model}")
        if self.through is not None and self.task != "segment":
            raise ValueError("through is for the task segment")
        if self.through is not None and self.noise is None:
            raise ValueError("through needs the noise that it begins with: add_noise or sigma")
        if self.add_noise is not None:
            AddNoise(*self.add_noise)
            object.__setattr__(self, "add_noise", tuple(self.add_noise))
        if self.task == "denoise":
            alone = self.add_noise is not None or self.loss == "sure"
            if not alone and self.targets is None:
                raise ValueError("targets must be given to denoise without add_noise or loss sure")

    def _fill(self, rules: Mapping[str, Any]) -> None:
        for name, value in rules.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

    @property
    def noise(self) -> float | None:
        """The standard deviation of inputs, as far as it is known; the middle of a range."""
        return self.sigma if self.add_noise is None else sum(self.add_noise) / 2

    @property
    def monitored(self) -> tuple[str, Literal["min", "max"]]:
        return str(self.monitor), "min" if self.mode == "min" else "max"

    def as_json(self) -> dict[str, Any]:
        settings = asdict(self)
        noise = settings["add_noise"]
        return settings | {"add_noise": noise if noise is None else list(noise)}

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> "Recipe":
        unknown = set(settings) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(f"there is no setting {', '.join(sorted(unknown))}")
        noise = settings.get("add_noise")
        return cls(**{**settings, "add_noise": noise if noise is None else tuple(noise)})

    def pairs(self, split: str | Path, part: str) -> FolderPairs:
        alone = self.task == "denoise" and (self.add_noise is not None or self.loss == "sure")
        return FolderPairs(
            split,
            part,
            inputs=self.inputs,
            targets=None if alone else self.targets,
            classes=self.classes if self.task == "segment" else None,
            colour=self.colour,
        )

    def batches(self, split: str | Path) -> tuple[Batches, Batches, int]:
        """Of training, random parts; of validation, whole images; and the steps of an epoch."""
        train, val = self.pairs(split, "train"), self.pairs(split, "val")
        height, width = train[0][0].shape[-2:]
        size = (min(int(self.crop or 0), height), min(int(self.crop or 0), width))
        warped = self.rotation or self.shear or self.shift or self.zoom
        margin = _MARGIN if warped else 1.0
        read = (min(ceil(margin * size[0]), height), min(ceil(margin * size[1]), width))
        count = min(int(self.batch_size or 1), len(train))
        augment = Augment(
            horizontal_flip=self.flips,
            vertical_flip=self.flips,
            rotation=self.rotation,
            shear=self.shear,
            shift=self.shift,
            zoom=self.zoom,
            brightness=self.brightness,
            crop=size,
        )
        noisy = self._noise_transforms()
        shown = Batches(train, count, crop=read, transform=chained(augment, *noisy), seed=self.seed)
        checked = Batches(
            val,
            1,
            transform=chained(*noisy) if noisy else None,
            epochs=1,
            shuffle=False,
            seed=self.seed,
        )
        pixels = len(train) * height * width
        return shown, checked, self.steps or ceil(pixels / (count * size[0] * size[1]))

    def _noise_transforms(self) -> list[Any]:
        unit = self.task == "denoise"
        transforms: list[Any] = []
        if self.add_noise is not None:
            transforms.append(AddNoise(*self.add_noise, unit=unit))
        elif unit:
            transforms.append(ToUnitNoise(self.sigma))
        return [*transforms, Probe()] if self.loss == "sure" else transforms

    def build(self) -> eqx.Module:
        """The network before training, in single precision, and what stands around it."""
        network, channels = self._network(), 3 if self.colour else 1
        network = jax.tree.map(
            lambda x: x.astype(jnp.float32) if eqx.is_inexact_array(x) else x, network
        )
        if self.task == "denoise":
            return AtUnitNoise(Denoiser(network, channels))
        if self.through is None:
            return network
        first = Learnable.initialise(
            self.through, sigma=self.noise or 0.0, channels=channels, frozen=self.frozen
        )
        return Through(first, network)

    def _network(self) -> eqx.Module:
        key, channels = jax.random.key(self.seed), 3 if self.colour else 1
        width, depth = int(self.width or 0), int(self.depth or 0)
        if self.model == "dncnn":
            return DnCNN.initialise(key, channels=channels, width=width, depth=depth)
        # Of two classes one number tells both.
        classes = 1 if self.classes == 2 else self.classes
        outputs = {"segment": classes, "denoise": channels}[self.task]
        given = {"in_channels": channels, "out_channels": outputs, "width": width}
        if self.model == "unet":
            return UNet.initialise(key, **given, depth=depth)
        network = FCN32s.initialise(key, **given)
        return network if self.weights is None else load_vgg16(network, self.weights)

    def scores(self) -> tuple[Loss, dict[str, Loss]]:
        """The loss and the metrics."""
        loss = LOSSES[self.task][str(self.loss)]
        if self.task == "segment":
            return loss, {"accuracy": accuracy, "dice": mean_dice}
        return loss, {} if self.loss == "sure" else {"gain": gain}

    def optimizer(self, steps: int) -> optax.GradientTransformation:
        """For so many steps of an epoch."""
        return optax.adam(optax.cosine_decay_schedule(self.learning_rate, self.epochs * steps))


def mean_dice(logits: Array, labels: Array) -> Array:
    """The mean of `dice_per_class`."""
    return jnp.mean(dice_per_class(logits, labels))


def gain(output: Array, target: Array) -> Array:
    """Decibels of PSNR above noise of standard deviation 1."""
    return -10 * jnp.log10(mse(output, target))
