"""Searches: one run for each choice of settings, and what the choice does."""

import csv
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from jaxdenoise._core.checks import check_count
from jaxdenoise.files.pictures import atomic_path
from jaxdenoise.learn.callbacks import Callback, best_row
from jaxdenoise.learn.recipes import Recipe
from jaxdenoise.learn.runs import train_run

Setting = dict[str, Any]
# Up to so many values have a place each in the picture.
_FEW = 6
# For every combination that is wanted, to find one that is new.
_TRIES = 100


def grid(choices: Mapping[str, Sequence[Any]]) -> list[Setting]:
    """Every combination of the values of every setting."""
    return [
        dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())
    ]


@dataclass(frozen=True)
class Range:
    """What is between two ends: uniform in its logarithm, or as it is if one is 0.

    Whole numbers, each as probable as the others, if both ends are.

    **Raises:** `ValueError` unless 0 <= low < high.
    """

    low: float | int
    high: float | int

    def __post_init__(self):
        if not 0 <= self.low < self.high < np.inf:
            raise ValueError(f"low must be below high, from 0, got {self.low} and {self.high}")

    def draw(self, rng: np.random.Generator) -> float | int:
        if isinstance(self.low, int) and isinstance(self.high, int):
            return int(rng.integers(self.low, self.high, endpoint=True))
        if self.low == 0:
            return float(rng.uniform(0, self.high))
        return float(np.exp(rng.uniform(np.log(self.low), np.log(self.high))))


def draws(
    choices: Mapping[str, Sequence[Any] | Range], count: int, *, seed: int = 0
) -> list[Setting]:
    """So many different random combinations, or all that there are.

    **Arguments:**

    - `choices`: the values of a setting, each as probable as the others, or a `Range`.

    **References:** Bergstra & Bengio, "Random search for hyper-parameter optimization", JMLR 2012.
    """
    check_count(count, name="count")
    rng = np.random.default_rng(seed)

    def drawn(values: Sequence[Any] | Range) -> Any:
        if isinstance(values, Range):
            return values.draw(rng)
        return values[int(rng.integers(len(values)))]

    found: list[Setting] = []
    for _ in range(_TRIES * count):
        setting = {name: drawn(values) for name, values in choices.items()}
        if setting not in found:
            found.append(setting)
        if len(found) == count:
            break
    return found


def sweep(
    folder: str | Path,
    split: str | Path,
    recipe: Recipe,
    settings: Sequence[Setting],
    *,
    callbacks: Callable[[int, Setting], Sequence[Callback]] = lambda number, setting: (),
) -> list[dict[str, Any]]:
    """Train a run for each of some changes of a recipe, and draw what they do.

    The folder gets the runs `000`, `001` and so on, the table `sweep.csv` and the picture
    `sweep.png`, both after every run: the epochs before it stopped and the best value of what it
    monitors, against each setting. A sweep that was killed goes on when called again.

    **Arguments:**

    - `folder`, `split`, `recipe`: as for `train_run`.
    - `settings`: changes of the recipe, such as `grid` and `draws` make, all of the same names.
    - `callbacks`: of a run, by its number and its settings.

    **Returns:** the rows of the table: `run`, the settings, `epochs`, `best_epoch`, and the best
    value under the name of the monitor; `None` for these three where the loss was not finite.

    **Raises:** as `train_run`; `ValueError` for changes that the recipe does not allow, or of what
    runs are compared by, before any run.
    """
    folder = Path(folder)
    if not settings or {"task", "monitor", "mode"} & set(settings[0]):
        raise ValueError("settings must be some, and none of task, monitor and mode")
    recipes = [replace(recipe, **setting) for setting in settings]
    monitor, mode = recipe.filled().monitored
    rows: list[dict[str, Any]] = []
    for number, (changed, setting) in enumerate(zip(recipes, settings, strict=True)):
        name = f"{number:03d}"
        row: dict[str, Any] = {"run": name, **setting}
        row |= dict.fromkeys(("epochs", "best_epoch", monitor))
        with suppress(FloatingPointError):
            run = train_run(folder / name, split, changed, callbacks=callbacks(number, setting))
            best = best_row(run.history, monitor, mode)
            row |= {"epochs": len(run.history), "best_epoch": best["epoch"]}
            row[monitor] = best[monitor]
        rows.append(row)
        _write_table(folder / "sweep.csv", rows)
        _draw(folder / "sweep.png", rows, list(setting), monitor, mode)
    return rows


def _write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with atomic_path(path, overwrite=True) as temporary, open(temporary, "w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(
            {k: json.dumps(v) if isinstance(v, float | bool) else v for k, v in row.items()}
            for row in rows
        )


def _draw(
    path: Path, rows: Sequence[dict[str, Any]], names: Sequence[str], monitor: str, mode: str
) -> None:
    """A column for each setting: many numbers along an axis, others at places of their own."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    rows = [row for row in rows if row[monitor] is not None]
    if not rows:
        return

    figure = Figure(figsize=(4 * len(names), 6), layout="constrained")
    panels = figure.subplots(2, len(names), squeeze=False, sharey="row")
    best = best_row(rows, monitor, mode)
    for column, name in enumerate(names):
        values = [row[name] for row in rows]
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
        known = sorted(set(values)) if numbers else sorted(set(map(str, values)))
        along = numbers and len(known) > _FEW
        for axes, measured in zip(panels[:, column], ("epochs", monitor), strict=True):
            for row, value in zip(rows, values, strict=True):
                x = value if along else known.index(value if numbers else str(value))
                marked = {"color": "C1", "marker": "*", "markersize": 13} if row is best else {}
                axes.plot(x, row[measured], **{"color": "C0", "marker": "o", **marked})
            if not along:
                axes.set_xticks(range(len(known)), [f"{v:g}" if numbers else v for v in known])
                axes.margins(x=0.3)
            elif min(values) > 0 and max(values) > 10 * min(values):
                axes.set_xscale("log")
                axes.xaxis.set_minor_formatter(NullFormatter())
            axes.grid(alpha=0.3)
        panels[1, column].set_xlabel(name.replace("_", " "))
    panels[0, 0].set(
        ylabel="epochs before it stopped", ylim=(0, 1.1 * max(row["epochs"] for row in rows))
    )
    panels[0, 0].yaxis.get_major_locator().set_params(integer=True)
    panels[1, 0].set_ylabel(f"best {monitor.replace('_', ' ')}")
    figure.suptitle(f"best: run {best['run']}, {monitor.replace('_', ' ')} {best[monitor]:.4g}")
    with atomic_path(path, overwrite=True) as temporary:
        figure.savefig(temporary, dpi=100, format="png")
