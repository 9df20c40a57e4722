"""All that a run is told, as one value that can be written down."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from jaxdenoise._core.checks import (
    check_choice,
    check_count,
    check_nonnegative,
    check_positive,
    check_share,
)
from jaxdenoise.learn.pairs import AddNoise
from jaxdenoise.registry import methods

# What is taken if nothing is said.
TASKS: dict[str, dict[str, Any]] = {
    "segment": {
        "model": "unet",
        "targets": "masks",
        "loss": "dice+cross_entropy",
        "monitor": "val_dice",
        "batch_size": 4,
        "crop": 256,
    },
    "denoise": {
        "model": "dncnn",
        "loss": "mse",
        "monitor": "val_loss",
        "batch_size": 16,
        "crop": 64,
    },
}
# Width and depth that two cores train in minutes.
MODELS: dict[str, dict[str, int]] = {
    "unet": {"width": 16, "depth": 4},
    "fcn32s": {"width": 16},
    "dncnn": {"width": 32, "depth": 10},
}
LOSSES = {
    "segment": ("dice+cross_entropy", "dice", "cross_entropy", "focal"),
    "denoise": ("mse", "charbonnier", "sure"),
}
METRICS = {"segment": ("accuracy", "dice"), "denoise": ("gain",)}
_WARPS = "rotation", "shear", "shift", "zoom"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What to learn, from what, by which network and how. `None` is what the rule says.

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
        Noise that inputs have would be smoothed by the four in the middle, so not where that is
        learned.
    - `learning_rate`: of Adam to begin with; it falls to 0 by a cosine over all epochs.
    - `average`, `clip`, `half_precision`: see `fit`.
    - `seed`: of everything random.

    **Stopping:**

    - `monitor`, `mode`, `patience`, `min_delta`: see `EarlyStopping`; by default `"val_dice"` to
        segment, `"val_loss"` to denoise; `"min"` for losses, else `"max"`. The best epoch is kept
        by the same monitor. Metrics beside `loss` are `accuracy` and `dice`, the mean over the
        classes of whole images; to denoise `gain`, the decibels of PSNR above the noisy image,
        unless the loss is `"sure"`. With `val_` before it, it is of the validation images.

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
        if self.model is not None:
            check_choice(self.model, tuple(MODELS), name="model")
        # What is filled in is checked as it is made.
        if self.filled() is self:
            self._check()

    def filled(self) -> "Recipe":
        """With what the rules say in the place of `None`."""
        usual = TASKS[self.task]
        is_loss = str(self.monitor or usual["monitor"]).endswith("loss")
        rules = usual | MODELS[self.model or usual["model"]] | {"mode": "min" if is_loss else "max"}
        missing = {k: v for k, v in rules.items() if getattr(self, k) is None}
        return replace(self, **missing) if missing else self

    def _check(self) -> None:
        check_choice(self.loss, LOSSES[self.task], name="loss")
        check_choice(self.mode, ("min", "max"), name="mode")
        logged = "loss", *self.metrics
        monitors = *(f"val_{name}" for name in logged), *logged
        check_choice(self.monitor, monitors, name="monitor")
        given = [name for name in ("depth", "steps") if getattr(self, name) is not None]
        for name in ("width", "epochs", "batch_size", "crop", *given):
            check_count(getattr(self, name), name=name)
        for name in ("learning_rate", "clip"):
            check_positive(getattr(self, name), name=name)
        for name in ("patience", "min_delta", "brightness", *_WARPS):
            check_nonnegative(getattr(self, name), name=name)
        check_share(self.average, name="average")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must be from 0 to 2^32 - 1, got {self.seed}")
        if self.classes < 2:
            raise ValueError(f"classes must be at least 2, got {self.classes}")
        if self.sigma is not None:
            check_positive(self.sigma, name="sigma")
        if self.add_noise is not None:
            AddNoise(*self.add_noise)
        self._check_together()

    def _check_together(self) -> None:
        if self.model == ("dncnn" if self.task == "segment" else "fcn32s"):
            raise ValueError(f"model must be one that can {self.task}, got {self.model!r}")
        if self.model == "fcn32s" and self.depth is not None:
            raise ValueError("depth is not for the model fcn32s")
        if self.weights is not None and self.model != "fcn32s":
            raise ValueError(f"weights are for the model fcn32s, not {self.model}")
        if self.through is not None:
            check_choice(self.through, methods(), name="through")
            if self.task != "segment":
                raise ValueError("through is for the task segment")
            if self.noise is None:
                raise ValueError("through needs the noise that it begins with: add_noise or sigma")
        if self.needs_targets and self.targets is None:
            raise ValueError("targets must be given to denoise without add_noise or loss sure")
        if self.half_precision and self.loss == "sure":
            raise ValueError("half_precision is too coarse for the loss sure")
        if self.task == "denoise" and self.add_noise is None:
            for name in _WARPS:
                if getattr(self, name):
                    raise ValueError(f"{name} would smooth the noise that inputs have; leave it 0")

    @property
    def metrics(self) -> tuple[str, ...]:
        """Beside the loss. To compare with, SURE has no clean images."""
        return () if self.loss == "sure" else METRICS[self.task]

    @property
    def needs_targets(self) -> bool:
        """Not where inputs are clean images that get noise, or noisy ones are enough."""
        return self.task == "segment" or (self.add_noise is None and self.loss != "sure")

    @property
    def noise(self) -> float | None:
        """The standard deviation of inputs, as far as it is known; the middle of a range."""
        return self.sigma if self.add_noise is None else sum(self.add_noise) / 2

    @property
    def monitored(self) -> tuple[str, Literal["min", "max"]]:
        """The metric, and what is better, of a recipe that is filled."""
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
