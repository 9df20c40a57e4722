"""Options that several commands have, and what becomes of their errors."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from jaxdenoise.app import options
from jaxdenoise.app.messages import complain
from jaxdenoise.app.pipes import STANDARD
from jaxdenoise.files.errors import InputError, one_line
from jaxdenoise.files.pages import DEPTHS

# The last is what shells report of a program that a closed pipe ended.
FAILED, USAGE, BROKEN_PIPE = 1, 2, 141


def file_name(text: str | Path) -> Path:
    """For options that take no pipe, and for which nothing would be the working directory."""
    if str(text) in ("", STANDARD):
        raise typer.BadParameter(f"{str(text)!r} is no name of a file or a folder")
    return Path(text)


Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="IN",
        help="Images, folders of images, quoted globs such as 'a/*.png', or [bold]-[/bold] for "
        "standard input.",
    ),
]
Out = Annotated[
    str,
    typer.Option(
        "--out",
        "-o",
        metavar="OUT",
        help="A file for one input, a folder for several (made if missing; JPEG becomes PNG "
        "there), or [bold]-[/bold] for standard output in the format of the input.",
    ),
]
Method = Annotated[
    str | None,
    typer.Option(
        help="See [bold]jaxdenoise methods[/bold]; by default subspace, for --volume nlm.",
        show_default=False,
    ),
]
Tune = Annotated[
    bool,
    typer.Option(
        "--tune", help="First tune the method's strength to each page; see jaxdenoise tune."
    ),
]
OutliersMap = Annotated[
    str | None,
    typer.Option(
        metavar="OUT",
        help="For robust_subspace: also write the probability that a pixel is an outlier, to a "
        "file or a folder as with --out.",
        show_default=False,
    ),
]
StdMap = Annotated[
    str | None,
    typer.Option(
        metavar="OUT",
        help="For hmc and svgd: also write the posterior's standard deviation, as floats in the "
        "units of the file, to a .tif or .npy or a folder.",
        show_default=False,
    ),
]
Quantiles = Annotated[
    str | None,
    typer.Option(
        metavar="5,95",
        help="For hmc and svgd: also write these percentiles of the posterior, beside OUT as "
        "OUT_q5, OUT_q95.",
        show_default=False,
    ),
]
Volume = Annotated[
    bool, typer.Option("--volume", help="Take the pages of a file as one 3-D image.")
]
BitDepth = Annotated[
    str | None,
    typer.Option(
        metavar=" | ".join(DEPTHS),
        help="Of the outputs, full scale to full scale; by default that of the input.",
        show_default=False,
    ),
]
Sigma = Annotated[
    str,
    typer.Option(
        help="Noise standard deviation in the units of the file (25 for an 8-bit image with "
        "strong noise, 6425 for the same in 16 bits, 0.1 in 0..1), or [bold]auto[/bold] to "
        "estimate it."
    ),
]
White = Annotated[
    float | None,
    typer.Option(
        help="Full scale of integer files whose bits are not all used: 4095 for 12 bits in 16. "
        "--bit-depth and --peak refer to it.",
        show_default=False,
    ),
]
NoData = Annotated[
    float | None,
    typer.Option(
        "--nodata",
        metavar="NUMBER|nan",
        help="Pixels of this value have no data: they do not touch others and stay as they are. "
        "By default what a GeoTIFF says.",
        show_default=False,
    ),
]
MaskFile = Annotated[
    Path | None,
    typer.Option(
        "--mask",
        metavar="FILE",
        help="An image whose pixels other than 0 are missing; they are filled.",
        show_default=False,
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")]
MaxMegapixels = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="Refuse files that claim more pixels than this; by default what the free memory "
        "holds.",
        show_default=False,
    ),
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
FoundJson = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="JSON",
        parser=file_name,
        help="What was found.",
        show_default=False,
    ),
]
CurvePicture = Annotated[
    Path | None,
    typer.Option(
        metavar="PNG", parser=file_name, help="A picture of the descent.", show_default=False
    ),
]
Picture = Annotated[
    Path, typer.Option("--out", "-o", metavar="PNG", parser=file_name, help="The picture.")
]
DemoPicture = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        metavar="PNG",
        parser=file_name,
        help="The picture. demo.png is replaced; others only with --force.",
    ),
]


@contextmanager
def one_line_errors(debug: bool) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        if debug:
            traceback.print_exc()
        complain(str(error))
        raise typer.Exit(USAGE) from None
    except BrokenPipeError:  # of stdout: whoever read it has had enough
        raise typer.Exit(BROKEN_PIPE) from None
    except (
        *(OSError, ValueError, TypeError, RuntimeError),
        *(MemoryError, ImportError, FloatingPointError),
    ) as error:
        if debug:
            traceback.print_exc()
        complain(one_line(error))
        raise typer.Exit(FAILED) from None
