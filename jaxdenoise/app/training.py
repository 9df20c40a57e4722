"""What the commands of learning do once their options are read."""

import inspect
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import typer

from jaxdenoise.app import commands, options, pipes
from jaxdenoise.app.arrays import Settings
from jaxdenoise.app.inputs import check_target, check_writable, expand_inputs, output_folder, plan
from jaxdenoise.app.messages import complain, tell
from jaxdenoise.app.progress import progress_bars
from jaxdenoise.app.recipe import parse_choices
from jaxdenoise.app.report import print_table
from jaxdenoise.app.tuning import write_found
from jaxdenoise.files.errors import InputError
from jaxdenoise.files.pages import Page, Picture, full_scale
from jaxdenoise.files.pictures import JPEG, check_holds, read_picture, write_picture


def train(split: Path, out: Path, recipe: Any) -> None:
    from jaxdenoise import learn

    whole = recipe.filled()
    tell(f"{split}: {whole.task}, {whole.model} of width {whole.width} -> {out}")
    with learn.ProgressBar(tell) as bar:
        run = learn.train_run(out, split, recipe, callbacks=[bar])
    monitor, _ = run.recipe.monitored
    if len(run.history) < whole.epochs:
        tell(f"stopped: no {monitor} better by {whole.min_delta} in {whole.patience} epochs")
    tell(
        f"{out}: {len(run.history)} epochs, the best is {run.best['epoch']}, {monitor} "
        f"{run.best[monitor]:.4f}; curves: {out / 'curves.png'}"
    )
    _tell_strengths(run)


def _tell_strengths(run: Any) -> None:
    """Of the denoiser in front of a segmenter."""
    if run.recipe.through is not None:
        values = run.model.denoiser.parameters().items()
        named = ", ".join(f"{name} {float(value):.4g}" for name, value in values)
        tell(f"{run.recipe.through}: {named}, for images from 0 to 1")


def evaluate(
    folder: Path,
    split: Path,
    part: str,
    path: Path | None,
    *,
    targets: str | None,
    force: bool,
) -> None:
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
            targets=targets,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    print_table((part, "mean"), [(name, _shown(value)) for name, value in found.items()])
    _tell_strengths(run)
    if path is not None:
        write_found(path, found, overwrite=force)
        tell(f"figures: {path}")


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    if value is None:
        return "not finite"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def predict(folder: Path, inputs: Sequence[str], out: str, *, force: bool, debug: bool) -> int:
    """Every file, whatever becomes of the others; the number of those that failed."""
    from jaxdenoise import learn

    run = learn.load_run(folder)
    if run.recipe.task == "denoise":
        settings = Settings(str(folder), _noise(run.recipe.sigma, inputs), force=force)
        return commands.denoise_files(inputs, out, settings, debug=debug)
    sources, problems = expand_inputs(inputs)
    for problem in problems:
        complain(problem)
    failures = len(problems)
    if not sources:
        return failures
    several = len(sources) > 1 or len(inputs) > 1
    planned = plan(sources, out, several=several, bit_depth=None)
    with output_folder(planned.folder), progress_bars() as progress:
        for job in progress.track(planned.jobs, description="masks"):
            try:
                check_target(job.source, job.target, force=force)
                masks = _masks(run, job.source, job.target)
                write_picture(job.target, masks, overwrite=force)
            except Exception as error:  # one bad file must not take the others with it
                if debug:
                    traceback.print_exc()
                complain(commands.with_name(job, error))
                failures += 1
            else:
                if planned.to_stdout:
                    pipes.send(job.target)
                tell(f"{job.source} -> {job.target}", err=planned.to_stdout)
    return failures


def _noise(sigma: float | None, inputs: Sequence[str]) -> options.Noise:
    """What the run was told of the noise, in units of the first file; else to be estimated."""
    sources, _ = expand_inputs(inputs)
    if sigma is None or not sources:
        return options.Noise()
    return options.Noise(sigma=sigma * full_scale(read_picture(sources[0]).pages[0].dtype))


def _masks(run: Any, source: Path, target: Path) -> Picture:
    """Of every page: of two classes black and white, of more their numbers."""
    from jaxdenoise import learn
    from jaxdenoise.learn.pairs import planes_of

    picture, classes = read_picture(source), run.recipe.classes
    dtype = np.dtype(np.uint8 if classes <= 256 else np.uint16)
    if target.suffix.lower() in JPEG:
        raise InputError(f"{target}: JPEG would blur the mask; use .png or .tif")

    def mask(page: Page) -> Page:
        labels = learn.segment(run, planes_of(page, source, colour=run.recipe.colour))
        shown = np.asarray(labels) * (255 if classes == 2 else 1)
        return Page(shown.astype(dtype))

    pages = tuple(map(mask, picture.pages))
    masks = replace(picture, pages=pages, icc_profile=None, exif=None, chunks=())
    check_holds(target, masks, dtype)
    return masks


def list_settings() -> None:
    from jaxdenoise.learn import Recipe

    typer.echo(inspect.getdoc(Recipe))


def sweep(split: Path, out: Path, recipe: Any, choices: Sequence[str], random: int | None) -> None:
    from jaxdenoise import learn

    tried = parse_choices(choices, random)
    settings = learn.grid(tried) if random is None else learn.draws(tried, random, seed=recipe.seed)
    with learn.ProgressBar(tell) as bar:

        def callbacks(number: int, setting: Mapping[str, Any]) -> list[Any]:
            named = ", ".join(f"{k} {v}" for k, v in setting.items())
            tell(f"run {number + 1} of {len(settings)}: {named}")
            return [bar]

        rows = learn.sweep(out, split, recipe, settings, callbacks=callbacks)
    shown = [tuple(map(_shown, row.values())) for row in rows]
    print_table(tuple(rows[0]), shown)
    tell(f"table: {out / 'sweep.csv'}, picture: {out / 'sweep.png'}")
