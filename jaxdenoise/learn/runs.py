"""Runs: training by a recipe in a folder, from which it goes on, and what was learned."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Int

from jaxdenoise.files.errors import InputError, one_line
from jaxdenoise.files.pictures import TEMPORARY, atomic_path
from jaxdenoise.learn.building import (
    batches_of,
    model_of,
    optimizer_of,
    pairs_of,
    scores_of,
    training_pairs,
)
from jaxdenoise.learn.callbacks import Callback, EarlyStopping, History, Logs, best_row
from jaxdenoise.learn.checkpoints import ModelCheckpoint, load_model, load_state
from jaxdenoise.learn.curves import Curves
from jaxdenoise.learn.denoiser import Denoiser
from jaxdenoise.learn.fit import State, fit, initial_state
from jaxdenoise.learn.locks import locked
from jaxdenoise.learn.losses import accuracy, dice_per_class, predicted
from jaxdenoise.learn.pairs import AddNoise
from jaxdenoise.learn.recipes import Recipe
from jaxdenoise.learn.unsupervised import AtUnitNoise
from jaxdenoise.metrics import psnr, ssim
from jaxdenoise.noise import estimate_sigma

_RECIPE, _HISTORY, _CURVES = "recipe.json", "history.csv", "curves.png"


class Run(NamedTuple):
    """What was learned: a `Denoiser`, or a network that gives logits; of the best epoch."""

    recipe: Recipe
    model: Any
    history: list[Logs]

    @property
    def best(self) -> Logs:
        """The row of the history that is of the best epoch."""
        return best_row(self.history, *self.recipe.monitored)


def train_run(
    folder: str | Path,
    split: str | Path,
    recipe: Recipe,
    *,
    callbacks: Sequence[Callback] = (),
) -> Run:
    """Train by a recipe, or go on with what was begun in the folder.

    The folder gets `recipe.json`, the metrics of all epochs in `history.csv`, their `curves.png`,
    and the checkpoints `last` and `best`. A run that was killed goes on after its last whole epoch
    when called again, to the parameters of an unbroken one, or without `last` after its best epoch;
    one that has ended is only loaded.

    **Arguments:**

    - `folder`: of the run; made if it is missing.
    - `split`: of the data, as `split_folders` makes it.
    - `recipe`: what to learn, and how.
    - `callbacks`: beside those of the recipe, such as `ProgressBar`.

    **Raises:** `InputError`, which names the file, for a folder that holds something else, a run of
    another recipe or of files of other names, a run that another process trains, files of a run
    that are damaged, and what `FolderPairs` refuses; what `fit` raises.
    """
    folder, recipe = Path(folder), recipe.filled()
    told = recipe.as_json() | {"data": _data(recipe, split)}
    _check_folder(folder, told)
    with locked(folder):
        _check_folder(folder, told)
        _train(folder, split, recipe, told, callbacks)
        return load_run(folder)


def _train(
    folder: Path,
    split: str | Path,
    recipe: Recipe,
    told: dict[str, Any],
    callbacks: Sequence[Callback],
) -> None:
    train, val, steps = batches_of(recipe, split)
    model, optimizer = model_of(recipe), optimizer_of(recipe, steps)
    loss, metrics = scores_of(recipe)
    monitor, mode = recipe.monitored
    stopping = EarlyStopping(monitor, mode, recipe.patience, recipe.min_delta)
    state = _last_state(folder, initial_state(model, optimizer))
    history = History(folder / _HISTORY)
    before = [] if state is None else history.of_run(monitor, state.epoch)[: state.epoch]
    done = len(before)
    # What early stopping heard then, it hears again.
    stopped = any(stopping.heard(row, None) for row in before)
    if not stopped and done < recipe.epochs:
        checkpoint = ModelCheckpoint(folder, monitor, mode)
        kept = [_Claim(folder, told), history, Curves(folder / _CURVES, history), checkpoint]
        fit(
            model,
            train,
            val,
            loss=loss,
            metrics=metrics,
            optimizer=optimizer,
            epochs=recipe.epochs,
            steps_per_epoch=steps,
            callbacks=[*kept, stopping, *callbacks],
            clip=recipe.clip,
            average=recipe.average,
            half_precision=recipe.half_precision,
            state=state,
        )


def _last_state(folder: Path, like: State) -> State | None:
    """The epoch to resume from: the last one or, if it is gone, the best one."""
    state = load_state(folder, like)
    return load_state(folder, like, which="best") if state is None else state


class _Claim(Callback):
    """Write what the run is told, once everything is found to be right."""

    def __init__(self, folder: Path, told: dict[str, Any]):
        self.folder, self.told = folder, told

    def began(self, state: Any) -> None:
        with atomic_path(self.folder / _RECIPE, overwrite=True) as temporary:
            temporary.write_text(json.dumps(self.told, indent=1) + "\n")


def _data(recipe: Recipe, split: str | Path) -> dict[str, str]:
    """How many files, and a hash of their names, by which a run knows its data again."""
    names = {
        part: [path.name for pair in training_pairs(recipe, split, part).files for path in pair]
        for part in ("train", "val")
    }
    return {
        part: f"{len(found)} files, {sha256(chr(10).join(found).encode()).hexdigest()[:16]}"
        for part, found in names.items()
    }


def _check_folder(folder: Path, told: dict[str, Any]) -> None:
    if not folder.exists():
        return
    if not (folder / _RECIPE).exists():
        # A run that was killed as it began may have left what is temporary.
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else ["itself"]
        if not all(name.startswith(TEMPORARY) for name in names):
            raise InputError(f"{folder}: is there, and is not a run")
        return
    begun = _told(folder)
    for name, value in told.items():
        if begun.get(name) != value:
            raise InputError(
                f"{folder}: is a run with {name} {begun.get(name)}, not {value}; choose another "
                f"folder"
            )


def _told(folder: Path) -> dict[str, Any]:
    path = folder / _RECIPE
    if not path.is_file():
        raise InputError(f"{folder}: is not a run, it has no {_RECIPE}")
    try:
        return dict(json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: damaged: {one_line(error)}") from error


def load_run(folder: str | Path) -> Run:
    """What a run learned, at its best epoch.

    **Raises:** `InputError`, which names the folder, for one that is not a run.
    """
    folder = Path(folder)
    told = _told(folder)
    told.pop("data", None)
    try:
        recipe = Recipe.from_json(told)
    except (ValueError, TypeError) as error:
        raise InputError(f"{folder / _RECIPE}: {one_line(error)}") from error
    # The checkpoint has all weights.
    shapes = eqx.filter_eval_shape(lambda: model_of(replace(recipe, weights=None)))
    model = load_model(folder, shapes)
    model = model.denoiser if isinstance(model, AtUnitNoise) else model
    history = History(folder / _HISTORY).of_run(recipe.monitored[0])
    return Run(recipe, model, history)


def load_denoiser(folder: str | Path) -> Denoiser:
    """The denoiser of a run, `denoiser(image, sigma)`.

    **Raises:** `InputError`, which names the folder, for a run of another task.
    """
    run = load_run(folder)
    if run.recipe.task != "denoise":
        raise InputError(f"{folder}: learned to {run.recipe.task}, not to denoise")
    return run.model


def evaluate_run(
    run: Run,
    split: str | Path,
    part: str = "test",
    *,
    targets: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """The mean figures of whole images.

    **Arguments:**

    - `run`: of `load_run`. Noise that its recipe adds is added here too, always the same; of a
        range the middle.
    - `split`, `part`: of the data, and which part of it.
    - `targets`: the folder of these; by default that of the recipe.
    - `progress`: called as `progress(done, images)`.

    **Returns:** the number of `images`; of segmentation `accuracy`, `dice_per_class` of the most
    probable classes, and their mean `dice`; of denoising `psnr` and `ssim` of what is clipped from
    0 to 1, and those of the noisy images, `psnr_noisy` and `ssim_noisy`.

    **Raises:** `InputError`, which names the file, for what `FolderPairs` refuses; `ValueError`
    without targets for images whose noise was not added.
    """
    recipe, found = run.recipe, []
    if recipe.task == "denoise" and recipe.add_noise is not None:
        targets = None  # inputs are clean
    else:
        targets = targets or recipe.targets
        if targets is None:
            raise ValueError("targets must name the folder of clean images to compare with")
    pairs = pairs_of(recipe, split, part, targets=targets)
    score = _segmentation if recipe.task == "segment" else _restoration
    for number in range(len(pairs)):
        key = jax.random.fold_in(jax.random.key(recipe.seed), number)
        image, target = map(jnp.asarray, pairs[number])
        if recipe.add_noise is not None:
            middle = sum(recipe.add_noise) / 2
            image, target = AddNoise(middle, middle)(key, image, target)
        found.append(score(run, image, target))
        if progress is not None:
            progress(number + 1, len(pairs))
    mean = jax.tree.map(lambda *x: np.mean(np.stack(x), axis=0).tolist(), *found)
    return {"images": len(pairs), **mean}


def segment(
    run: Run, image: Float[ArrayLike, "channels height width"]
) -> Int[Array, "height width"]:
    """The most probable class of every pixel of an image from 0 to 1."""
    return predicted(_called(run.model, jnp.asarray(image)))


_called = eqx.filter_jit(lambda network, image: network(image))


def _segmentation(run: Run, image: Array, target: Array) -> dict[str, Any]:
    logits = _called(run.model, image)
    classes = dice_per_class(logits, target)
    return {
        "accuracy": accuracy(logits, target),
        "dice": jnp.mean(classes),
        "dice_per_class": classes,
    }


def _restoration(run: Run, image: Array, target: Array) -> dict[str, Any]:
    sigma = run.recipe.noise
    sigma = estimate_sigma(image, channel_axis=0) if sigma is None else sigma
    restored = run.model(image, sigma, channel_axis=0)
    found = {}
    for name, x in (("", restored), ("_noisy", image)):
        x = jnp.clip(x, 0, 1)
        found[f"psnr{name}"] = psnr(x, target, data_range=1)
        found[f"ssim{name}"] = ssim(x, target, data_range=1, channel_axis=0)
    return found
