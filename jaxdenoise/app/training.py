"""What the commands of learning do once their options are read."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import numpy as np
import typer

from jaxdenoise.app import commands, options
from jaxdenoise.app.arguments import one_line_errors
from jaxdenoise.app.inputs import check_target, check_writable, expand_inputs, output_folder, plan
from jaxdenoise.app.job import Settings
from jaxdenoise.app.progress import progress_bars
from jaxdenoise.app.report import print_table
from jaxdenoise.app.tuning import write_found
from jaxdenoise.files.errors import InputError, one_line
from jaxdenoise.files.pages import Page, Picture, full_scale
from jaxdenoise.files.pictures import read_picture, write_picture

# The settings of `jaxdenoise.learn.Recipe` that have no option of their own.
PARAMETERS = (
    *("classes", "colour", "width", "depth", "weights", "frozen", "loss", "steps", "batch_size"),
    *("crop", "flips", "rotation", "shear", "shift", "zoom", "brightness", "learning_rate"),
    *("average", "clip", "half_precision"),
)


def with_recipe(command: Callable[..., None]) -> Callable[..., None]:
    """A command that gets its SPLIT and, of many options, one recipe."""
    own = inspect.signature(command, eval_str=True).parameters
    shared = inspect.signature(_recipe, eval_str=True).parameters
    parameters = {**own, **shared}
    del parameters["recipe"]

    @wraps(command)
    def run(*, debug: bool, **given: Any) -> None:
        with one_line_errors(debug):
            told = {name: given.pop(name) for name in shared if name != "data"}
            recipe = _recipe(given["data"], **told)
            command(recipe=recipe, debug=debug, **given)

    # What typer reads.
    keyword = inspect.Parameter.KEYWORD_ONLY
    run.__signature__ = inspect.Signature(  # pyright: ignore[reportAttributeAccessIssue]
        [parameter.replace(kind=keyword) for parameter in parameters.values()]
    )
    run.__annotations__ = {name: p.annotation for name, p in parameters.items()}
    return run


def _recipe(
    data: Annotated[Path, typer.Argument(metavar="SPLIT", help="The folder that split filled.")],
    *,
    task: Annotated[str, typer.Option(help="segment | denoise")] = "segment",
    model: Annotated[
        str | None,
        typer.Option(
            help="unet | fcn32s | dncnn; by default unet, to denoise dncnn.", show_default=False
        ),
    ] = None,
    inputs: Annotated[str, typer.Option(help="The folder of inputs.")] = "frames",
    targets: Annotated[
        str | None,
        typer.Option(
            help="The folder of targets; by default masks, to denoise none.", show_default=False
        ),
    ] = None,
    add_noise: Annotated[
        str | None,
        typer.Option(
            metavar="S|LOW,HIGH",
            help="Add Gaussian noise of this standard deviation, in the units of the files, to "
            "inputs; of one between two.",
            show_default=False,
        ),
    ] = None,
    sigma: Annotated[
        str, typer.Option(help="Of the noise that inputs have, in the units of the files, or auto.")
    ] = "auto",
    through: Annotated[
        str | None,
        typer.Option(
            metavar="METHOD",
            help="Put a denoiser in front of the segmenter, and train it too.",
            show_default=False,
        ),
    ] = None,
    monitor: Annotated[
        str | None,
        typer.Option(
            help="By what epochs are judged: val_loss, val_dice (the default), val_accuracy; to "
            "denoise val_loss (the default), val_gain.",
            show_default=False,
        ),
    ] = None,
    mode: Annotated[
        str | None, typer.Option(help="min | max: what is better.", show_default=False)
    ] = None,
    patience: Annotated[
        int, typer.Option(min=0, help="Epochs in a row without improvement before it stops.")
    ] = 3,
    min_delta: Annotated[
        float, typer.Option(min=0, help="What is not more than this is no improvement.")
    ] = 0.001,
    epochs: Annotated[int, typer.Option(min=1, help="At most.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    param: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A setting of those below; repeat it for more."),
    ] = None,
) -> Any:
    from jaxdenoise.learn import Recipe

    scale = _full_scale(data, inputs)
    given = dict(options.split_assignments(param or [], PARAMETERS, "a recipe"))
    hints = get_type_hints(Recipe)
    defaults = {name: p.default for name, p in inspect.signature(Recipe).parameters.items()}
    number = options.parse_sigma(sigma)
    return Recipe(
        task=task,  # pyright: ignore[reportArgumentType]
        model=model,
        inputs=inputs,
        targets=targets,
        add_noise=None if add_noise is None else _parse_added(add_noise, scale),
        sigma=None if number is None else number / scale,
        through=through,
        monitor=monitor,
        mode=mode,  # pyright: ignore[reportArgumentType]
        patience=patience,
        min_delta=min_delta,
        epochs=epochs,
        seed=seed,
        **{k: options.parse_value(k, v, defaults[k], hints[k]) for k, v in given.items()},
    )


def _full_scale(split: Path, inputs: str) -> float:
    """Of the first input's type: what noise in units of the files is divided by."""
    from jaxdenoise.learn.folders import folder_of, numbered

    first = next(iter(numbered(folder_of(split, "train", inputs)).values()))
    return full_scale(read_picture(first).pages[0].dtype)


def _parse_added(text: str, scale: float) -> tuple[float, float]:
    levels = [options.parse_level(part, "--add-noise") / scale for part in text.split(",")]
    if len(levels) > 2 or not 0 < levels[0] <= levels[-1]:
        raise InputError(f"--add-noise must be a positive number, or two that rise, got {text!r}")
    return levels[0], levels[-1]


def train(split: Path, out: Path, recipe: Any) -> None:
    from jaxdenoise import learn

    typer.echo(f"{split}: {recipe.task}, {recipe.model} of width {recipe.width} -> {out}")
    with learn.ProgressBar(typer.echo) as bar:
        run = learn.train_run(out, split, recipe, callbacks=[bar])
    _tell_best(out, run)


def _tell_best(out: Path, run: Any) -> None:
    monitor, mode = run.recipe.monitored
    best = (max if mode == "max" else min)(run.history, key=lambda row: row[monitor])
    typer.echo(
        f"{out}: {len(run.history)} epochs, the best is {best['epoch']}, {monitor} "
        f"{best[monitor]:.4f}; curves: {out / 'curves.png'}"
    )


def evaluate(folder: Path, split: Path, part: str, path: Path | None, *, force: bool) -> None:
    from jaxdenoise import learn

    if path is not None:
        check_writable(path, force=force)
    run = learn.load_run(folder)
    with progress_bars() as progress:
        task = progress.add_task(part, total=None)
        found = learn.evaluate_run(
            run,
            split,
            part,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    print_table((part, "mean"), [(name, _shown(value)) for name, value in found.items()])
    if path is not None:
        write_found(path, found, overwrite=force)
        typer.echo(f"figures: {path}")


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def predict(folder: Path, inputs: Sequence[str], out: str, *, force: bool, debug: bool) -> int:
    """Every file, whatever becomes of the others; the number of those that failed."""
    from jaxdenoise import learn

    run = learn.load_run(folder)
    if run.recipe.task == "denoise":
        settings = Settings(str(folder), force=force)
        return commands.denoise_files(inputs, out, settings, debug=debug)
    sources, problems = expand_inputs(inputs)
    for problem in problems:
        commands.complain(problem)
    failures = len(problems)
    if not sources:
        return failures
    several = len(sources) > 1 or len(inputs) > 1
    planned = plan(sources, out, several=several, bit_depth=None)
    with output_folder(planned.folder), progress_bars() as progress:
        for job in progress.track(planned.jobs, description="masks"):
            try:
                check_target(job.source, job.target, force=force)
                mask = _mask(run, job.source)
                write_picture(job.target, Picture((Page(mask),)), overwrite=force)
            except (InputError, OSError, ValueError, RuntimeError, MemoryError) as error:
                commands.complain(one_line(error))
                failures += 1
            else:
                typer.echo(f"{job.source} -> {job.target}")
    return failures


def _mask(run: Any, source: Path) -> np.ndarray:
    """Of two classes black and white, of more their numbers."""
    from jaxdenoise import learn
    from jaxdenoise.learn.pairs import read_image

    labels = np.asarray(learn.segment(run, read_image(source, colour=run.recipe.colour)))
    if run.recipe.classes == 2:
        return np.where(labels, 255, 0).astype(np.uint8)
    return labels.astype(np.uint8 if run.recipe.classes <= 256 else np.uint16)


def sweep(split: Path, out: Path, recipe: Any, choices: Sequence[str], random: int | None) -> None:
    from jaxdenoise import learn

    parsed = _parse_choices(choices, random)
    settings = learn.grid(parsed) if random is None else learn.draws(parsed, random)
    with learn.ProgressBar(typer.echo) as bar:

        def callbacks(number: int, setting: Mapping[str, Any]) -> list[Any]:
            named = ", ".join(f"{k} {v}" for k, v in setting.items())
            typer.echo(f"run {number + 1} of {len(settings)}: {named}")
            return [bar]

        rows = learn.sweep(out, split, recipe, settings, callbacks=callbacks)
    shown = [tuple(_shown(value) for value in row.values()) for row in rows]
    print_table(tuple(rows[0]), shown)
    typer.echo(f"table: {out / 'sweep.csv'}, picture: {out / 'sweep.png'}")


def _parse_choices(texts: Sequence[str], random: int | None) -> dict[str, Any]:
    """`NAME=A,B` as a list of values, `NAME=LOW:HIGH` as the two ends of a range."""
    from jaxdenoise.learn import Recipe

    hints = get_type_hints(Recipe)
    defaults = {name: p.default for name, p in inspect.signature(Recipe).parameters.items()}
    known = [name for name in defaults if name not in ("task", "add_noise", "sigma")]

    def parsed(name: str, text: str) -> Any:
        if ":" not in text:
            parts = text.split(",")
            return [
                options.parse_value(name, p.strip(), defaults[name], hints[name]) for p in parts
            ]
        if random is None:
            raise InputError(f"--try {name}={text}: a range needs --random")
        ends = tuple(options.parse_level(end, f"--try {name}") for end in text.split(":"))
        if len(ends) != 2 or not ends[0] < ends[1]:
            raise InputError(f"--try {name}: a range is LOW:HIGH, got {text!r}")
        return ends

    given = options.split_assignments(texts, known, "a recipe", option="--try")
    return {name: parsed(name, text) for name, text in given.items()}
