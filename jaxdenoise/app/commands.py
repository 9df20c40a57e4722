"""What each command does once its options are understood."""

import traceback
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np

import jaxdenoise as jd
from jaxdenoise.app import options, pipes, posterior
from jaxdenoise.app.arrays import Settings
from jaxdenoise.app.comparison import add_noise, run_methods
from jaxdenoise.app.compilation import release_programs
from jaxdenoise.app.inputs import (
    Job,
    check_writable,
    expand_inputs,
    one_input,
    output_folder,
    plan,
    skipped,
)
from jaxdenoise.app.job import Outcome, denoise_file
from jaxdenoise.app.maps import map_paths
from jaxdenoise.app.masks import read_mask
from jaxdenoise.app.messages import complain, tell, warn
from jaxdenoise.app.noise import noise_of
from jaxdenoise.app.progress import progress_bars
from jaxdenoise.app.repair import finite
from jaxdenoise.app.report import (
    data_range,
    display_range,
    print_table,
    results_rows,
    tiles_of,
    write_picture_of,
)
from jaxdenoise.app.tuning import tune_array, write_curve, write_found
from jaxdenoise.files.errors import InputError, one_line
from jaxdenoise.files.pages import Page, as_float
from jaxdenoise.files.pictures import read_picture

DEMO_PICTURE = Path("demo.png")


def denoise_files(
    inputs: Sequence[str],
    out: str,
    settings: Settings,
    *,
    maps: Mapping[str, str] = MappingProxyType({}),
    debug: bool,
) -> int:
    """Every file, whatever becomes of the others; the number of those that failed.

    `maps` says where the outliers' probabilities and the standard deviations go, by their names.
    """
    sources, problems = expand_inputs(inputs)
    for line in skipped(inputs):
        tell(line, err=pipes.is_stdout(out))
    for problem in problems:
        complain(problem)
    if not sources:
        return len(problems)
    several = len(sources) > 1 or len(inputs) > 1
    settings = replace(settings, several=several)
    if pipes.is_stdout(out) and settings.quantiles:
        raise InputError("--quantiles are written beside OUT, and --out - is no file")
    named = partial(plan, sources, several=several, bit_depth=settings.bit_depth)
    planned = named(out)
    drawn = {name: named(where, option=f"--{name}-map") for name, where in maps.items()}
    paths = [
        map_paths(number, planned, drawn, settings.quantiles) for number in range(len(planned.jobs))
    ]
    mask = None if settings.mask is None else read_mask(settings.mask, settings.max_pixels)
    failures = len(problems)
    with ExitStack() as folders, progress_bars() as progress:
        for each in (planned, *drawn.values()):
            folders.enter_context(output_folder(each.folder))
        files = progress.add_task("files", total=len(planned.jobs), visible=len(planned.jobs) > 1)
        pages = progress.add_task("pages", total=None)
        for number, job in enumerate(planned.jobs):

            def advance(done: int, total: int, name: str = job.source.name) -> None:
                progress.update(pages, description=name, completed=done, total=total)

            try:
                outcome = denoise_file(job, settings, advance, maps=paths[number], mask=mask)
            except Exception as error:  # one bad file must not take the others with it
                if debug:
                    traceback.print_exc()
                complain(with_name(job, error))
                failures += 1
            else:
                if planned.to_stdout:
                    pipes.send(job.target)
                _report(job, outcome, settings, err=planned.to_stdout)
            progress.advance(files)
            release_programs()
    return failures


def tune_file(
    image: str, settings: Settings, *, steps: int, out: Path | None, curve: Path | None
) -> None:
    """Print what suits the first page, and write it as JSON and as a picture."""
    source = one_input(image)
    if curve is not None:
        _check_png(curve, force=settings.force, option="--curve")
    if out is not None:
        check_writable(out, force=settings.force)
    files = [path.resolve() for path in (source, out, curve) if path is not None]
    if len(set(files)) < len(files):
        raise InputError("IN, --out and --curve must be different files")
    page, values = _load_first_page(
        source, settings.max_pixels, settings.channel_axis, settings.fill_nonfinite
    )
    axis, method = page.channel_axis, settings.method
    sigma, estimate = noise_of(values, axis, page.dtype, settings.noise, method)
    with progress_bars() as progress:
        task = progress.add_task(source.name, total=steps)
        start, tuned = tune_array(
            values,
            sigma,
            method,
            settings.parameters,
            channel_axis=axis,
            steps=steps,
            callback=lambda step, risk: progress.update(task, completed=int(step) + 1),
        )
    found = {name: float(value) for name, value in tuned.parameters.items()}
    noise = settings.noise.describe([] if estimate is None else [estimate])
    # At the start, and at every step from the best point of the bracket.
    risk = [float(tuned.bracket.risk[0]), *map(float, tuned.risk)]
    title = f"{source.name}: {method}, {noise}"
    tell(f"{title}; estimated error {risk[0]:.4g} -> {min(risk):.4g}")
    rows = [(name, f"{start[name]:.4g}", f"{value:.4g}") for name, value in found.items()]
    print_table(("parameter", "start", "tuned"), rows)
    if out is not None:
        facts = {"method": method, "noise": noise, "start": start, "parameters": found}
        write_found(out, {**facts, "risk": risk}, overwrite=settings.force)
        tell(f"parameters: {out}")
    if curve is not None:
        write_curve(curve, title, start, tuned, overwrite=settings.force)
        tell(f"picture: {curve}")


def list_methods() -> None:
    rows = []
    for name in (*jd.methods(), *posterior.METHODS):
        method = options.find_method(name)
        about = (method.__doc__ or "").strip().partition("\n")[0]
        parameters = options.method_parameters(method).items()
        rows.append((name, about, "\n".join(f"{key}={p.default}" for key, p in parameters)))
    print_table(("method", "what it does", "--param NAME=default"), rows, lines=True)


def compare_methods(
    image: str,
    clean: str | None,
    *,
    added: float | None,
    names: Sequence[str],
    sigma: float | None,
    sigma_is_given: bool,
    out: Path,
    seed: int,
    fill: bool,
    channel_axis: int | str | None,
    max_pixels: float | None,
    force: bool,
) -> None:
    """`sigma=None` is estimated if it was asked for, else it is what was added."""
    if clean is not None and added is not None:
        raise InputError("--clean and --add-noise exclude each other")
    _check_png(out, force=force)
    source = one_input(image)
    page, noisy = _load_first_page(source, max_pixels, channel_axis, fill)
    reference = None
    if clean is not None:
        other, reference = _load_first_page(one_input(clean), max_pixels, channel_axis, fill)
        if (other.pixels.shape, other.dtype) != (page.pixels.shape, page.dtype):
            raise InputError(
                f"--clean {clean}: is {other.dtype} of shape {other.pixels.shape}, but {source} "
                f"is {page.dtype} of shape {page.pixels.shape}"
            )
    if added is not None:
        reference, noisy = noisy, add_noise(noisy, added, seed)
        sigma = sigma if sigma_is_given else added
    if sigma is None:
        sigma = float(jd.estimate_sigma(noisy, channel_axis=page.channel_axis))
    title = f"{source.name}, sigma {sigma:.4g}"
    _compare(names, noisy, reference, sigma, page, title, out, overwrite=force)


def run_demo(out: Path, sigma: float, *, force: bool) -> None:
    from jaxdenoise.app.demo import DETAIL, load_photograph

    overwrite = force or out == DEMO_PICTURE
    _check_png(out, force=overwrite)
    page = load_photograph()
    clean = as_float(page.pixels)
    noisy = add_noise(clean, sigma, seed=0)
    title = f"A photograph with Gaussian noise of standard deviation {sigma:.4g} (white is 255)"
    _compare(
        jd.methods(), noisy, clean, sigma, page, title, out, overwrite=overwrite, detail=DETAIL
    )


def _compare(
    names: Sequence[str],
    noisy: np.ndarray,
    clean: np.ndarray | None,
    sigma: float,
    page: Page,
    title: str,
    out: Path,
    *,
    overwrite: bool,
    detail: tuple[float, float] | None = None,
) -> None:
    shown = noisy if clean is None else clean
    with progress_bars() as progress:
        task = progress.add_task("", total=len(names))
        results = run_methods(
            names,
            noisy,
            sigma,
            clean=clean,
            data_range=data_range(shown, page.dtype),
            channel_axis=page.channel_axis,
            advance=lambda name, done: progress.update(task, description=name, completed=done),
        )
    tell(title)
    table = results_rows(results)
    print_table(table[0], table[1:])
    failed = [result for result in results if result.problem is not None]
    for result in failed:
        complain(f"{result.name}: {result.problem}")
    low, high = display_range(shown, page.dtype)
    tiles = tiles_of(results, clean, low, high)
    write_picture_of(out, tiles, title=title, table=table, detail=detail, overwrite=overwrite)
    tell(f"picture: {out}")
    if failed:
        raise InputError(f"{len(failed)} of {len(names)} methods failed")


def _load_first_page(
    path: Path, max_pixels: float | None, channel_axis: int | str | None, fill: bool
) -> tuple[Page, np.ndarray]:
    pages = read_picture(path, max_pixels=max_pixels, channel_axis=channel_axis).pages
    page, others = pages[0], len(pages) - 1
    if others:
        warn(f"{path}: has {others + 1} pages; the first is taken")
    try:
        return page, finite(as_float(page.pixels), page.channel_axis, fill=fill)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _check_png(out: Path, *, force: bool, option: str = "--out") -> None:
    if out.suffix.lower() != ".png":
        raise InputError(f"{option} {out}: the picture is a PNG, so its name must end in .png")
    check_writable(out, force=force)


def _report(job: Job, outcome: Outcome, settings: Settings, *, err: bool) -> None:
    pages = f", {outcome.pages} pages" if outcome.pages > 1 else ""
    tell(
        f"{job.source}: {settings.method}, {outcome.noise}{pages}, {outcome.seconds:.2f} s "
        f"-> {job.target}",
        err=err,
    )
    for warning in outcome.warnings:
        warn(f"{job.source}: {warning}")
    if outcome.clipped > 1e-3:
        warn(
            f"{job.target}: {100 * outcome.clipped:.3g} % of the samples lay outside 0..1, the "
            f"full scale of floats, and were clipped"
        )


def with_name(job: Job, error: Exception) -> str:
    """Errors that know a file name it; others get the input's name."""
    if isinstance(error, InputError):
        return str(error)
    message = one_line(error)
    if isinstance(error, OSError) and error.filename:
        return message
    knows = str(job.source) in message or str(job.target) in message
    return message if knows else f"{job.source}: {message}"
