"""The options that say what to learn, as one recipe."""

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from jaxdenoise.app import options
from jaxdenoise.app.arguments import file_name, one_line_errors
from jaxdenoise.files.errors import InputError
from jaxdenoise.files.pages import full_scale
from jaxdenoise.files.pictures import read_picture

# The settings of `jaxdenoise.learn.Recipe` that have no option of their own.
PARAMETERS = (
    *("classes", "colour", "width", "depth", "weights", "frozen", "loss", "steps", "batch_size"),
    *("crop", "flips", "rotation", "shear", "shift", "zoom", "brightness", "learning_rate"),
    *("average", "clip", "half_precision"),
)


SplitArgument = Annotated[
    Path,
    typer.Argument(metavar="SPLIT", parser=file_name, help="The folder that split filled."),
]
TaskOption = Annotated[str, typer.Option(help="segment | denoise")]
ModelOption = Annotated[
    str | None,
    typer.Option(
        help="unet | fcn32s | dncnn; by default unet, to denoise dncnn.", show_default=False
    ),
]
InputsOption = Annotated[str, typer.Option(help="The folder of inputs.")]
TargetsOption = Annotated[
    str | None,
    typer.Option(
        help="The folder of targets; by default masks, to denoise none.", show_default=False
    ),
]
AddNoiseOption = Annotated[
    str | None,
    typer.Option(
        metavar="S|LOW,HIGH",
        help="Add Gaussian noise of this standard deviation, in the units of the files, to "
        "inputs; of one between two.",
        show_default=False,
    ),
]
SigmaOption = Annotated[
    str, typer.Option(help="Of the noise that inputs have, in the units of the files, or auto.")
]
ThroughOption = Annotated[
    str | None,
    typer.Option(
        metavar="METHOD",
        help="Put a denoiser in front of the segmenter, and train it too.",
        show_default=False,
    ),
]
MonitorOption = Annotated[
    str | None,
    typer.Option(
        help="By what epochs are judged: val_loss, val_dice (the default), val_accuracy; to "
        "denoise val_loss (the default), val_gain.",
        show_default=False,
    ),
]
ModeOption = Annotated[
    str | None, typer.Option(help="min | max: what is better.", show_default=False)
]
PatienceOption = Annotated[
    int, typer.Option(min=0, help="Epochs in a row without improvement before it stops.")
]
MinDeltaOption = Annotated[
    float, typer.Option(min=0, help="What is not more than this is no improvement.")
]
EpochsOption = Annotated[
    int, typer.Option(min=1, help="At most; they cannot be changed once a run is begun.")
]
SeedOption = Annotated[int, typer.Option(min=0, help="Of everything random.")]
ParamOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="A setting of those below; repeat it for more."),
]


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
    data: SplitArgument,
    *,
    task: TaskOption = "segment",
    model: ModelOption = None,
    inputs: InputsOption = "frames",
    targets: TargetsOption = None,
    add_noise: AddNoiseOption = None,
    sigma: SigmaOption = "auto",
    through: ThroughOption = None,
    monitor: MonitorOption = None,
    mode: ModeOption = None,
    patience: PatienceOption = 3,
    min_delta: MinDeltaOption = 0.001,
    epochs: EpochsOption = 100,
    seed: SeedOption = 0,
    param: ParamOption = None,
) -> Any:
    from jaxdenoise.learn import Recipe

    scale = _full_scale(data, inputs)
    given = options.split_assignments(param or [], PARAMETERS, "a recipe")
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
        **{name: _parse_setting(name, text) for name, text in given.items()},
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


def parse_choices(texts: Sequence[str], random: int | None) -> dict[str, Any]:
    """`NAME=A,B` as a list of values, `NAME=LOW:HIGH` as a range."""
    from jaxdenoise.learn import Range

    # Of other settings, runs would not be of the same data, or not compared by the same metric.
    known = (*PARAMETERS, "model", "through", "patience", "min_delta", "epochs", "seed")

    def parsed(name: str, text: str) -> Any:
        is_range = ":" in text
        found = [
            _parse_setting(name, part, "--try") for part in text.split(":" if is_range else ",")
        ]
        if not is_range:
            return found
        if random is None:
            raise InputError(f"--try {name}={text}: a range needs --random")
        if len(found) != 2 or not all(isinstance(end, int | float) for end in found):
            raise InputError(f"--try {name} must be a range of numbers, LOW:HIGH, got {text!r}")
        return Range(*found)

    given = options.split_assignments(texts, known, "a recipe", option="--try")
    return {name: parsed(name, text) for name, text in given.items()}


def _parse_setting(name: str, text: str, option: str = "--param") -> Any:
    from jaxdenoise.learn import Recipe

    default = inspect.signature(Recipe).parameters[name].default
    return options.parse_value(
        name, text.strip(), default, get_type_hints(Recipe)[name], option=option
    )
