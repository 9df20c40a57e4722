"""Runs: training by a recipe in a folder, from which it goes on, and what was learned."""

import json
from collections.abc import Callable, Sequence
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
from jaxdenoise.files.pictures import atomic_path
from jaxdenoise.learn.building import batches_of, model_of, optimizer_of, pairs_of, scores_of
from jaxdenoise.learn.callbacks import Callback, EarlyStopping, History
from jaxdenoise.learn.checkpoints import ModelCheckpoint, load_model, load_state
from jaxdenoise.learn.curves import Curves
from jaxdenoise.learn.denoiser import Denoiser
from jaxdenoise.learn.fit import fit, initial_state
from jaxdenoise.learn.losses import accuracy, dice_per_class, predicted
from jaxdenoise.learn.recipes import Recipe
from jaxdenoise.learn.unsupervised import AtUnitNoise
from jaxdenoise.metrics import psnr, ssim
from jaxdenoise.noise import estimate_sigma

_RECIPE, HISTORY, _CURVES = "recipe.json", "history.csv", "curves.png"


class Run(NamedTuple):
    """What was learned: a `Denoiser`, or a network that gives logits; of the best epoch."""

    recipe: Recipe
    model: Any
    history: list[dict[str, Any]]


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
    when called again, to the parameters of an unbroken one; one that has ended is only loaded.

    **Arguments:**

    - `folder`: of the run; made if it is missing.
    - `split`: of the data, as `split_folders` makes it.
    - `recipe`: what to learn, and how.
    - `callbacks`: beside those of the recipe, such as `ProgressBar`.

    **Raises:** `InputError`, which names the file, for a folder that holds something else or a run
    of another recipe, and what `FolderPairs` refuses; what `fit` raises.
    """
    folder = Path(folder)
    _check_folder(folder, recipe)
    train, val, steps = batches_of(recipe, split)
    model, optimizer = model_of(recipe), optimizer_of(recipe, steps)
    loss, metrics = scores_of(recipe)
    monitor, mode = recipe.monitored
    stopping = EarlyStopping(monitor, mode, recipe.patience, recipe.min_delta)
    state = load_state(folder, initial_state(model, optimizer))
    history = History(folder / HISTORY)
    done = 0 if state is None else state.epoch
    before = [row for row in history.read() if row["epoch"] <= done]
    # What early stopping heard then, it hears again.
    stopped = any(stopping.heard(row, None) for row in before)
    if not stopped and done < recipe.epochs:
        checkpoint = ModelCheckpoint(folder, monitor, mode)
        kept = [_Claim(folder, recipe), history, Curves(folder / _CURVES, history), checkpoint]
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
    return load_run(folder)


class _Claim(Callback):
    """Write the recipe once everything is found to be right."""

    def __init__(self, folder: Path, recipe: Recipe):
        self.folder, self.recipe = folder, recipe

    def began(self, state: Any) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.folder / _RECIPE, overwrite=True) as temporary:
            temporary.write_text(json.dumps(self.recipe.as_json(), indent=1) + "\n")


def _check_folder(folder: Path, recipe: Recipe) -> None:
    if not folder.exists():
        return
    if not (folder / _RECIPE).exists():
        if not folder.is_dir() or any(folder.iterdir()):
            raise InputError(f"{folder}: is there, and is not a run")
        return
    begun = read_recipe(folder).as_json()
    for name, value in recipe.as_json().items():
        if begun[name] != value:
            raise InputError(
                f"{folder}: is a run with {name} {begun[name]}, not {value}; choose another folder"
            )


def read_recipe(folder: Path) -> Recipe:
    path = folder / _RECIPE
    if not path.is_file():
        raise InputError(f"{folder}: is not a run, it has no {_RECIPE}")
    try:
        return Recipe.from_json(json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: {one_line(error)}") from error


def load_run(folder: str | Path) -> Run:
    """What a run learned, at its best epoch.

    **Raises:** `InputError`, which names the folder, for one that is not a run.
    """
    folder = Path(folder)
    recipe = read_recipe(folder)
    model = load_model(folder, model_of(recipe))
    model = model.denoiser if isinstance(model, AtUnitNoise) else model
    return Run(recipe, model, History(folder / HISTORY).read())


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
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """The mean figures of whole images.

    **Arguments:**

    - `run`: of `load_run`. Noise that its recipe adds is added here too, always the same; of a
        range the middle.
    - `split`, `part`: of the data, and which part of it.
    - `progress`: called as `progress(done, images)`.

    **Returns:** the number of `images`; of segmentation `accuracy`, `dice_per_class` of the most
    probable classes, and their mean `dice`; of denoising `psnr` and `ssim` of what is clipped from
    0 to 1, and those of the noisy images, `psnr_noisy` and `ssim_noisy`.
    """
    pairs, found = pairs_of(run.recipe, split, part), []
    score = _segmentation if run.recipe.task == "segment" else _restoration
    for number in range(len(pairs)):
        key = jax.random.fold_in(jax.random.key(run.recipe.seed), number)
        image, target = map(jnp.asarray, pairs[number])
        if run.recipe.add_noise is not None:
            noise = jax.random.normal(key, image.shape, image.dtype)
            image = image + jnp.asarray(run.recipe.noise, image.dtype) * noise
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


_called = eqx.filter_jit(lambda model, *given, **named: model(*given, **named))


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
    restored = _called(run.model, image, sigma, channel_axis=0)
    found = {}
    for name, x in (("", restored), ("_noisy", image)):
        x = jnp.clip(x, 0, 1)
        found[f"psnr{name}"] = psnr(x, target, data_range=1)
        found[f"ssim{name}"] = ssim(x, target, data_range=1, channel_axis=0)
    return found
