"""The commands. They parse options, call the library and report; nothing else."""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

try:
    import typer
except ModuleNotFoundError as missing:
    raise SystemExit("jaxdenoise: the command line needs: pip install 'jaxdenoise[cli]'") from (
        missing
    )

from jaxdenoise.app import commands, compilation, learn, options
from jaxdenoise.app.arguments import (
    BROKEN_PIPE,
    FAILED,
    USAGE,
    BitDepth,
    ChannelAxis,
    CurvePicture,
    Debug,
    DemoPicture,
    Fill,
    Force,
    FoundJson,
    Gain,
    Inputs,
    MaskFile,
    MaxMegapixels,
    Method,
    NoData,
    NoiseKind,
    Out,
    OutliersMap,
    Param,
    Peak,
    Picture,
    Quantiles,
    Sigma,
    StdMap,
    Tune,
    Volume,
    White,
    one_line_errors,
)
from jaxdenoise.app.arrays import Settings
from jaxdenoise.app.cores import use_every_core
from jaxdenoise.app.messages import complain
from jaxdenoise.app.pipes import spooled_pipes
from jaxdenoise.files.errors import one_line
from jaxdenoise.files.pages import DEPTHS

app = typer.Typer(
    name="jaxdenoise",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Denoise photographs, stacks and volumes.",
    epilog="Try first: [bold]jaxdenoise demo[/bold]",
)


app.add_typer(learn.app, name="learn")


def main() -> None:
    """The command line: every error is one line on stderr."""
    use_every_core()
    try:
        with spooled_pipes():
            status = app(standalone_mode=False)
    except BrokenPipeError:
        sys.exit(BROKEN_PIPE)
    except OSError as error:  # of stdout; files are dealt with where they are used
        complain(one_line(error))
        sys.exit(FAILED)
    except Exception as error:
        # Errors of the parser know their text and exit status; anything else is a defect.
        if not hasattr(error, "format_message"):
            raise
        message = error.format_message()  # pyright: ignore[reportAttributeAccessIssue]
        if message:
            complain(one_line(Exception(message)))
        sys.exit(getattr(error, "exit_code", USAGE))
    sys.exit(status if isinstance(status, int) else 0)


def _print_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"jaxdenoise {version('jaxdenoise')}")
        raise typer.Exit
    return wanted


@app.callback()
def _main(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version."
        ),
    ] = False,
    no_cache: Annotated[
        bool,
        typer.Option(
            "--no-cache",
            help="Compile anew, and keep nothing for the next time; JAXDENOISE_CACHE=0 is the "
            "same.",
        ),
    ] = False,
) -> None:
    if not no_cache:
        compilation.keep_compiled()


@app.command(
    epilog="Examples:\n\n"
    "jaxdenoise denoise noisy.png -o clean.png\n\n"
    "jaxdenoise denoise photos/ 'scans/*.tif' -o clean/ --sigma 12 --method tv\n\n"
    "jaxdenoise denoise cells.tif -o cells_clean.tif --volume --noise poisson --peak 200\n\n"
    "jaxdenoise denoise sky.tif -o clean.tif --method robust_subspace --outliers-map rays.tif\n\n"
    "jaxdenoise denoise counts.npy -o mean.npy --method hmc --noise poisson --gain 1 "
    "--std-map std.npy\n\n"
    "jaxdenoise denoise raw.npy -o raw_clean.npy --method tv --param iterations=100"
)
def denoise(
    inputs: Inputs,
    out: Out,
    method: Method = None,
    sigma: Sigma = "auto",
    noise: NoiseKind = "gaussian",
    peak: Peak = None,
    gain: Gain = None,
    param: Param = None,
    tune: Tune = False,
    outliers_map: OutliersMap = None,
    std_map: StdMap = None,
    quantiles: Quantiles = None,
    volume: Volume = False,
    bit_depth: BitDepth = None,
    white: White = None,
    fill_nonfinite: Fill = None,
    nodata: NoData = None,
    mask: MaskFile = None,
    channel_axis: ChannelAxis = None,
    max_megapixels: MaxMegapixels = None,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Denoise images; bit depth, alpha and pages stay as they were."""
    if method is None:
        method = "nlm" if volume else "subspace"
    with one_line_errors(debug):
        settings = Settings(
            method,
            options.parse_noise(noise, sigma, peak, gain, options.parse_white(white)),
            options.parse_parameters(method, param or []),
            volume,
            options.parse_choice(bit_depth, "--bit-depth", tuple(DEPTHS)),
            options.parse_fill(fill_nonfinite),
            options.parse_channel_axis(channel_axis),
            options.pixels(max_megapixels),
            force,
            tune,
            options.parse_quantiles(quantiles),
            white,
            nodata,
            mask,
        )
        options.check_posterior(method, tune=tune, volume=volume)
        maps = options.parse_maps(method, settings.quantiles, outliers=outliers_map, std=std_map)
        failures = commands.denoise_files(inputs, out, settings, maps=maps, debug=debug)
    if failures:
        raise typer.Exit(FAILED)


@app.command(
    "tune",
    epilog="Examples:\n\n"
    "jaxdenoise tune noisy.png --method nlm -o nlm.json --curve risk.png\n\n"
    "jaxdenoise tune cells.tif --method tv --noise poisson --peak 200",
)
def tune_method(
    image: Annotated[str, typer.Argument(metavar="IN", help="One image; its first page.")],
    method: Annotated[str, typer.Option(help="See [bold]jaxdenoise methods[/bold].")] = "nlm",
    sigma: Sigma = "auto",
    noise: NoiseKind = "gaussian",
    peak: Peak = None,
    gain: Gain = None,
    param: Param = None,
    steps: Annotated[int, typer.Option(min=1, help="Of the descent.")] = 15,
    out: FoundJson = None,
    curve: CurvePicture = None,
    fill_nonfinite: Fill = None,
    channel_axis: ChannelAxis = None,
    max_megapixels: MaxMegapixels = None,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Find the strength that suits a noisy image, or the middle megapixel of a larger one."""
    with one_line_errors(debug):
        settings = Settings(
            method,
            options.parse_noise(noise, sigma, peak, gain),
            options.parse_parameters(method, param or []),
            fill_nonfinite=options.parse_fill(fill_nonfinite),
            channel_axis=options.parse_channel_axis(channel_axis),
            max_pixels=options.pixels(max_megapixels),
            force=force,
        )
        commands.tune_file(image, settings, steps=steps, out=out, curve=curve)


@app.command()
def methods() -> None:
    """List the methods and their parameters."""
    with one_line_errors(debug=False):
        commands.list_methods()


@app.command(
    epilog="Examples:\n\n"
    "jaxdenoise compare noisy.png --methods nlm,tv -o compare.png\n\n"
    "jaxdenoise compare clean.png --add-noise 25"
)
def compare(
    image: Annotated[str, typer.Argument(metavar="IN", help="One image.")],
    clean: Annotated[
        str | None,
        typer.Option(metavar="REF", help="The image without noise, for PSNR and SSIM."),
    ] = None,
    added: Annotated[
        str | None,
        typer.Option(
            "--add-noise",
            metavar="S",
            help="Take IN as clean and add Gaussian noise of this standard deviation.",
        ),
    ] = None,
    names: Annotated[
        str | None,
        typer.Option("--methods", metavar="A,B", help="By default all of them."),
    ] = None,
    sigma: Annotated[
        str | None,
        typer.Option(
            metavar="auto|NUMBER",
            help="Noise standard deviation in the units of the file. By default what --add-noise "
            "adds, else it is estimated.",
        ),
    ] = None,
    out: Picture = Path("compare.png"),
    seed: Annotated[int, typer.Option(min=0, help="Of the added noise.")] = 0,
    fill_nonfinite: Fill = None,
    channel_axis: ChannelAxis = None,
    max_megapixels: MaxMegapixels = None,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Run methods on one image: a table, and a picture of the results side by side."""
    with one_line_errors(debug):
        commands.compare_methods(
            image,
            clean,
            added=added if added is None else options.parse_level(added, "--add-noise"),
            names=options.parse_methods(names),
            sigma=sigma if sigma is None else options.parse_sigma(sigma),
            sigma_is_given=sigma is not None,
            out=out,
            seed=seed,
            fill=options.parse_fill(fill_nonfinite),
            channel_axis=options.parse_channel_axis(channel_axis),
            max_pixels=options.pixels(max_megapixels),
            force=force,
        )


@app.command()
def demo(
    out: DemoPicture = commands.DEMO_PICTURE,
    sigma: Annotated[str, typer.Option(help="Standard deviation of the noise, on 8 bits.")] = "25",
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Add noise to a photograph, denoise it with every method, and show the results."""
    with one_line_errors(debug):
        commands.run_demo(out, options.parse_level(sigma, "--sigma"), force=force)
