"""`jaxdenoise learn`: the commands of the learning pipeline."""

from pathlib import Path
from typing import Annotated

import typer

from jaxdenoise.app import options
from jaxdenoise.app.arguments import Debug, one_line_errors
from jaxdenoise.app.progress import progress_bars

app = typer.Typer(no_args_is_help=True, help="Train denoisers and segmenters on folders of images.")
LINKS = "copy", "hardlink", "symlink"


@app.command(epilog="Example:\n\njaxdenoise learn split membrane/ split/ --link hardlink")
def split(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="The folder of both folders.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to fill.")],
    inputs: Annotated[str, typer.Option(help="The folder of inputs in DATA.")] = "frames",
    targets: Annotated[str, typer.Option(help="The folder of targets in DATA.")] = "masks",
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
            targets=targets,
            ratios=options.parse_ratios(ratios),
            seed=seed,
            link=link,  # pyright: ignore[reportArgumentType]
            progress=lambda done, total: progress.update(files, completed=done, total=total),
        )
    named = ", ".join(f"{part} {count}" for part, count in counts.items())
    typer.echo(f"{data}: {sum(counts.values())} pairs -> {out}: {named}")
