"""What the options of the command line mean: sigma, noise models and parameters of methods."""

import inspect
import math
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

import jaxdenoise as jd
from jaxdenoise.app import posterior
from jaxdenoise.files.errors import InputError
from jaxdenoise.files.pages import full_scale

NOISES = ("gaussian", "poisson", "poisson-gaussian")
# The method for outliers and missing pixels.
ROBUST = "robust_subspace"
# Keywords of methods that have options of their own, or take an array.
_NOT_PARAMETERS = ("channel_axis", "mask", "quantiles", "callback")


@dataclass(frozen=True)
class Noise:
    """The noise of the files, `sigma=None` where it is to be estimated from each page.

    `white` is the full scale that `peak` refers to, if it is not that of the dtype.
    """

    kind: str = "gaussian"
    sigma: float | None = None
    peak: float | None = None
    gain: float | None = None
    white: float | None = None

    def model(self, dtype: np.dtype) -> Any:
        """What `denoise` takes as `sigma` for a file of this dtype; `None` to estimate it."""
        if self.kind == "gaussian":
            return self.sigma
        white = self.white or full_scale(dtype)
        gain = self.gain if self.peak is None else white / self.peak
        if gain is None:
            raise InputError(f"--noise {self.kind} needs --peak or --gain")
        if self.kind == "poisson":
            return jd.Poisson(peak=1 / gain)
        return jd.PoissonGaussian(gain=gain, sigma=self.sigma or 0.0)

    def describe(self, estimates: Sequence[float]) -> str:
        if self.kind == "gaussian" and self.sigma is not None:
            return f"sigma {self.sigma:.4g} (given)"
        if self.kind == "gaussian":
            low, high = f"{min(estimates):.4g}", f"{max(estimates):.4g}"
            return f"sigma {low if low == high else f'{low} to {high}'} (estimated)"
        source = f"gain {self.gain:.4g}" if self.peak is None else f"peak {self.peak:.4g}"
        read_out = "" if self.sigma is None else f", sigma {self.sigma:.4g}"
        return f"{self.kind} noise, {source}{read_out}"


def parse_noise(
    kind: str, sigma: str, peak: float | None, gain: float | None, white: float | None = None
) -> Noise:
    """Check that the options about noise agree with each other."""
    number = parse_sigma(sigma)
    if kind == "impulse":
        raise InputError(
            f"--noise impulse: no transform makes impulses Gaussian; --method {ROBUST} removes "
            f"them, whatever the other noise is: {', '.join(NOISES)}"
        )
    if kind not in NOISES:
        raise InputError(f"--noise must be one of {', '.join(NOISES)}, got {kind!r}")
    for name, value in (("--peak", peak), ("--gain", gain)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} must be finite and positive, got {value}")
    if kind == "gaussian":
        if peak is not None or gain is not None:
            raise InputError("--peak and --gain are for --noise poisson and poisson-gaussian")
        return Noise(kind, number)
    if (peak is None) == (gain is None):
        raise InputError(f"--noise {kind} needs either --peak or --gain")
    if kind == "poisson" and number is not None:
        raise InputError("--noise poisson has no --sigma; choose --noise poisson-gaussian")
    if kind == "poisson-gaussian" and number is None:
        raise InputError("--noise poisson-gaussian needs --sigma NUMBER, the read-out noise")
    return Noise(kind, number, peak, gain, white)


def parse_sigma(text: str) -> float | None:
    """A number, or `None` for "auto"."""
    return None if text.strip().lower() == "auto" else parse_level(text, "--sigma", "auto or ")


def parse_level(text: str, name: str, otherwise: str = "") -> float:
    """The standard deviation that the option called `name` gives."""
    try:
        sigma = float(text)
    except ValueError:
        sigma = math.nan
    if not (math.isfinite(sigma) and sigma >= 0):
        raise InputError(f"{name} must be {otherwise}a finite number, 0 or more, got {text!r}")
    return sigma


def parse_white(white: float | None) -> float | None:
    if white is not None and not (math.isfinite(white) and white > 0):
        raise InputError(f"--white must be finite and positive, got {white}")
    return white


def pixels(megapixels: float | None) -> float | None:
    return None if megapixels is None else 1e6 * megapixels


def parse_channel_axis(text: str | None) -> int | str | None:
    if text is None or text.lower() == "none":
        return None if text is None else "none"
    try:
        return int(text)
    except ValueError:
        raise InputError(f"--channel-axis must be an integer or none, got {text!r}") from None


def parse_choice(text: str | None, name: str, choices: Sequence[str]) -> str | None:
    if text is not None and text not in choices:
        raise InputError(f"{name} must be one of {', '.join(choices)}, got {text!r}")
    return text


def parse_fill(text: str | None) -> bool:
    return parse_choice(text, "--fill-nonfinite", ("median",)) is not None


def parse_quantiles(text: str | None) -> tuple[float, ...]:
    """Percentages with commas between them, as shares."""
    if text is None:
        return ()
    try:
        percents = [float(part) for part in text.split(",")]
    except ValueError:
        percents = []
    if not percents or not all(0 < p < 100 for p in percents) or max(percents) < 1:
        raise InputError(f"--quantiles must be percentages, such as 5,95, got {text!r}")
    return tuple(percent / 100 for percent in dict.fromkeys(percents))


def parse_ratios(text: str) -> tuple[float, ...]:
    """Three numbers with commas between them."""
    try:
        ratios = tuple(float(part) for part in text.split(","))
    except ValueError:
        ratios = ()
    if len(ratios) != 3 or not all(math.isfinite(r) and r >= 0 for r in ratios) or not ratios[0]:
        raise InputError(f"--ratios must be three numbers, such as 70,20,10, got {text!r}")
    return ratios


def check_posterior(method: str, *, tune: bool, volume: bool) -> None:
    """Refuse what only the other methods can do."""
    if method in posterior.METHODS:
        for name, wanted in (("--tune", tune), ("--volume", volume)):
            if wanted:
                raise InputError(f"{name} is not for --method {method}")


def parse_maps(method: str, quantiles: Sequence[float], **maps: str | None) -> dict[str, str]:
    """Which maps beside the image are wanted, of those that the method has."""
    wanted = {name: where for name, where in maps.items() if where is not None}
    if "outliers" in wanted and method != ROBUST:
        raise InputError(f"--outliers-map needs --method {ROBUST}, not {method}")
    asked = "--std-map" if "std" in wanted else "--quantiles" if quantiles else None
    if asked and method not in posterior.SAMPLERS:
        raise InputError(f"{asked} needs --method {' or '.join(posterior.SAMPLERS)}, not {method}")
    return wanted


def parse_methods(text: str | None) -> list[str]:
    """Names with commas between them, each once; all methods if nothing is said."""
    names = list(jd.methods()) if text is None else [name.strip() for name in text.split(",")]
    for name in names:
        find_method(name, "--methods")
    return list(dict.fromkeys(names))


def find_method(name: str, option: str = "--method") -> Callable[..., Any]:
    """One of the library's, the folder of one that was learned, or a posterior's as `--method`."""
    others = posterior.METHODS if option == "--method" else {}
    if name in others:
        return others[name]
    if name in jd.methods():
        return getattr(jd, name)
    if Path(name).is_dir():
        return learned_denoiser(Path(name))
    known = ", ".join((*jd.methods(), *others))
    raise InputError(f"{option} must be one of {known} or the folder of a run, got {name!r}")


def denoise_on_every_device(name: str) -> Callable[..., Any]:
    """`jd.denoise`; not shared for a network, which has no tiles and would run on each device."""
    return jd.shard(jd.denoise) if name in jd.methods() else jd.denoise


def learned_denoiser(folder: Path) -> Callable[..., Any]:
    """Of a run of `jaxdenoise learn train`; read again only if it has changed."""
    folder = folder.resolve()
    changed = (folder / "best").stat().st_mtime_ns if (folder / "best").exists() else 0
    return _read_denoiser(folder, changed)


@cache
def _read_denoiser(folder: Path, changed: int) -> Callable[..., Any]:
    from jaxdenoise.learn import load_denoiser

    return load_denoiser(folder)


def method_parameters(method: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """What a method takes besides the image, its noise and its channel axis."""
    return {
        name: parameter
        for name, parameter in inspect.signature(method).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and name not in _NOT_PARAMETERS
    }


def parse_parameters(name: str, texts: Sequence[str]) -> dict[str, Any]:
    """`NAME=VALUE` texts as keyword arguments of the method called `name`."""
    method = find_method(name)
    known = {key: parameter.default for key, parameter in method_parameters(method).items()}
    hints = get_type_hints(method)
    return {
        key: parse_value(key, value, known[key], hints.get(key, Any))
        for key, value in split_assignments(texts, known, name).items()
    }


def split_assignments(
    texts: Sequence[str],
    known: Sequence[str] | Mapping[str, Any],
    owner: str,
    *,
    option: str = "--param",
) -> dict[str, str]:
    """`NAME=VALUE` texts by their names, each of which is known and is given once."""
    values: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals:
            raise InputError(f"{option} must be NAME=VALUE, got {text!r}")
        if key not in known:
            listed = ", ".join(known) or "none"
            raise InputError(f"{option} {key}: {owner} has no such parameter; it has {listed}")
        if key in values:
            raise InputError(f"{option} {key} is given twice")
        values[key] = value.strip()
    return values


def parse_value(key: str, text: str, default: Any, hint: Any, *, option: str = "--param") -> Any:
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    choices = [c for kind in kinds if get_origin(kind) is Literal for c in get_args(kind)]
    if choices:
        by_text = {str(choice): choice for choice in choices}
        if text not in by_text:
            raise InputError(f"{option} {key} must be one of {', '.join(by_text)}, got {text!r}")
        return by_text[text]
    if text.lower() == "none" and (default is None or types.NoneType in kinds):
        return None
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise InputError(f"{option} {key} must be true or false, got {text!r}")
        return text.lower() == "true"
    if isinstance(default, str) or str in kinds:
        return text
    whole = int in kinds and float not in kinds and not isinstance(default, float)
    if "," in text and any(get_origin(kind) is tuple for kind in kinds):
        return tuple(_parse_number(f"{option} {key}", each, whole) for each in text.split(","))
    return _parse_number(f"{option} {key}", text, whole)


def _parse_number(name: str, text: str, whole: bool) -> int | float:
    try:
        number = int(text) if whole else float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        expected = "a whole number" if whole else "a finite number"
        raise InputError(f"{name} must be {expected}, got {text!r}")
    return number
