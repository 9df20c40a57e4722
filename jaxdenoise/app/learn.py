"""`jaxdenoise learn`: the commands of the learning pipeline."""

from pathlib import Path
from typing import Annotated, Any

import typer

from jaxdenoise.app import options, training
from jaxdenoise.app.arguments import FAILED, Debug, Force, Inputs, Out, file_name, one_line_errors
from jaxdenoise.app.messages import tell
from jaxdenoise.app.progress import progress_bars
from jaxdenoise.app.recipe import PARAMETERS, with_recipe

app = typer.Typer(no_args_is_help=True, help="Train denoisers and segmenters on folders of images.")
LINKS = "copy", "hardlink", "symlink"

RunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", parser=file_name, help="The folder that train filled.")
]
SETTINGS = (
    "Settings for --param and --try, see [bold]jaxdenoise learn settings[/bold]: "
    + ", ".join(PARAMETERS)
)


@app.command(
    epilog="Examples:\n\njaxdenoise learn split membrane/ split/ --link hardlink\n\n"
    "jaxdenoise learn split photos/ split/ --inputs clean --targets none"
)
def split(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", parser=file_name, help="The folder of both folders.")
    ],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", parser=file_name, help="The folder to fill.")
    ],
    inputs: Annotated[str, typer.Option(help="The folder of inputs in DATA.")] = "frames",
    targets: Annotated[
        str, typer.Option(help="The folder of targets in DATA; none for inputs alone.")
    ] = "masks",
    ratios: Annotated[
        str, typer.Option(metavar="A,B,C", help="Of train, val and test.")
    ] = "70,20,10",
    seed: Annotated[int, typer.Option(min=0, help="Of the order.")] = 230,
    link: Annotated[str, typer.Option(help=" | ".join(LINKS))] = "copy",
    debug: Debug = False,
) -> None:
    """Pair inputs and targets by their numbers, and split them into train, val and test."""
    with one_line_errors(debug), progress_bars() as progress:
        from jaxdenoise.learn import split_folders

        files = progress.add_task("files", total=None)
        options.parse_choice(link, "--link", LINKS)
        counts = split_folders(
            data,
            out,
            inputs=inputs,
            targets=None if targets == "none" else targets,
            ratios=options.parse_ratios(ratios),
            seed=seed,
            link=link,  # pyright: ignore[reportArgumentType]
            progress=lambda done, total: progress.update(files, completed=done, total=total),
        )
    named = ", ".join(f"{part} {count}" for part, count in counts.items())
    kind = "images" if targets == "none" else "pairs"
    tell(f"{data}: {sum(counts.values())} {kind} -> {out}: {named}")


@app.command(
    epilog="Examples:\n\n"
    "jaxdenoise learn train split/ --out run/\n\n"
    "jaxdenoise learn train split/ --add-noise 50 --through nlm --out run/\n\n"
    "jaxdenoise learn train split/ --task denoise --inputs clean --add-noise 5,50 --out run/\n\n"
    + SETTINGS
)
@with_recipe
def train(
    data: Path,
    recipe: Any,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="RUN", parser=file_name, help="Begun or gone on with."),
    ],
    debug: Debug = False,
) -> None:
    """Train a network; a run that was interrupted goes on when called again."""
    training.train(data, out, recipe)


@app.command()
def settings() -> None:
    """What a run can be told, and what it does by default."""
    with one_line_errors(debug=False):
        training.list_settings()


@app.command(epilog="Example:\n\njaxdenoise learn evaluate run/ --data split/ --json figures.json")
def evaluate(
    run: RunFolder,
    data: Annotated[
        Path, typer.Option(metavar="SPLIT", parser=file_name, help="The folder that split filled.")
    ],
    part: Annotated[str, typer.Option(help="train | val | test")] = "test",
    targets: Annotated[
        str | None,
        typer.Option(
            help="The folder of targets, if it is not that of the run.", show_default=False
        ),
    ] = None,
    json: Annotated[
        Path | None,
        typer.Option(
            "--json",
            metavar="FILE",
            parser=file_name,
            help="Write the figures.",
            show_default=False,
        ),
    ] = None,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """How good a run is on the test images of a split."""
    with one_line_errors(debug):
        training.evaluate(run, data, part, json, targets=targets, force=force)


@app.command(
    epilog="Examples:\n\njaxdenoise learn predict run/ new/ -o masks/\n\n"
    "jaxdenoise denoise noisy.png -o clean.png --method run/   (the same for a denoiser, with "
    "all options of denoise)"
)
def predict(
    run: RunFolder,
    inputs: Inputs,
    out: Out,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Segment images into masks, or denoise them, by what a run learned."""
    with one_line_errors(debug):
        failures = training.predict(run, inputs, out, force=force, debug=debug)
    if failures:
        raise typer.Exit(FAILED)


@app.command(
    epilog="Examples:\n\n"
    "jaxdenoise learn sweep split/ --out sweep/ --try width=8,16 --try learning_rate=1e-3,3e-3\n\n"
    "jaxdenoise learn sweep split/ --out sweep/ --random 10 --try learning_rate=1e-4:1e-2\n\n"
    + SETTINGS
)
@with_recipe
def sweep(
    data: Path,
    recipe: Any,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="OUT", parser=file_name, help="Of all the runs.")
    ],
    choices: Annotated[
        list[str],
        typer.Option(
            "--try",
            metavar="NAME=A,B|LOW:HIGH",
            help="A setting and its values or, with --random, its range; repeat it.",
        ),
    ],
    random: Annotated[
        int | None,
        typer.Option(
            min=1, help="So many random choices; by default the whole grid.", show_default=False
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Train with many settings: a table, and a picture of what each setting does."""
    training.sweep(data, out, recipe, choices, random)
