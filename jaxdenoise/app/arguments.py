"""Options that several commands have, and what becomes of their errors."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from jaxdenoise.app import commands, options
from jaxdenoise.app.errors import AppError, one_line

FAILED, USAGE = 1, 2

Sigma = Annotated[
    str,
    typer.Option(
        help="Noise standard deviation in the units of the file (25 for an 8-bit image with "
        "strong noise, 6425 for the same in 16 bits, 0.1 in 0..1), or [bold]auto[/bold] to "
        "estimate it."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")]
MaxMegapixels = Annotated[
    float, typer.Option(min=0, help="Refuse files that claim more pixels than this.")
]
ChannelAxis = Annotated[
    str | None,
    typer.Option(
        help="For NPY: the axis of the channels, or [bold]none[/bold]. PNG, JPEG and TIFF say "
        "themselves.",
        show_default=False,
    ),
]
NoiseKind = Annotated[str, typer.Option("--noise", help=" | ".join(options.NOISES))]
Peak = Annotated[
    float | None,
    typer.Option(
        help="Poisson noise: photons at full scale (255, 65535, or 1.0 for floats).",
        show_default=False,
    ),
]
Gain = Annotated[
    float | None,
    typer.Option(help="Poisson noise: image units per photon.", show_default=False),
]
Param = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="A parameter of the method; repeat it for more."),
]
Fill = Annotated[
    str | None,
    typer.Option(
        metavar="median",
        help="Replace NaN and infinite pixels by the median of the finite ones around them.",
        show_default=False,
    ),
]


@contextmanager
def one_line_errors(debug: bool) -> Iterator[None]:
    try:
        yield
    except AppError as error:
        if debug:
            traceback.print_exc()
        commands.complain(str(error))
        raise typer.Exit(USAGE) from None
    except (OSError, ValueError, TypeError, RuntimeError, MemoryError) as error:
        if debug:
            traceback.print_exc()
        commands.complain(one_line(error))
        raise typer.Exit(FAILED) from None
