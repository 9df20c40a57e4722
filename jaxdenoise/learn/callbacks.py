"""What hears of every epoch of `fit`, and may end it."""

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from jaxdenoise._core.checks import check_choice, check_nonnegative
from jaxdenoise.files.errors import InputError, one_line
from jaxdenoise.files.pictures import atomic_path

Logs = dict[str, Any]


class Callback:
    """What hears of a run; of its own, it does nothing.

    `monitor` is the name of the metric that it needs, or `None`.
    """

    monitor: str | None = None

    def began(self, state: Any) -> None:
        """Before the first step, with the state to go on from."""

    def stepped(self, epoch: int, step: int, steps: int) -> None:
        """After every step of those of an epoch."""

    def heard(self, logs: Logs, state: Any) -> bool:
        """Of an epoch: its metrics and the state at its end. Whether to stop."""
        return False


class EarlyStopping(Callback):
    """Stop where a metric has not improved for some epochs. The four words mean what Keras's do.

    **Arguments:**

    - `monitor`: the name of a metric, such as `"val_dice"`.
    - `mode`: `"max"` if more is better, or `"min"`.
    - `patience`: it stops at the end of this epoch in a row without an improvement.
    - `min_delta`: what is not more than this better than the best is no improvement.

    **Raises:** `ValueError` for an unknown mode, or numbers that are negative.
    """

    def __init__(
        self,
        monitor: str,
        mode: Literal["min", "max"],
        patience: int = 3,
        min_delta: float = 0.1,
    ):
        check_nonnegative(patience, name="patience")
        check_nonnegative(min_delta, name="min_delta")
        self.monitor, self.patience = monitor, patience
        self._best = Best(mode, min_delta)
        self._waited = 0

    def heard(self, logs: Logs, state: Any) -> bool:
        improved = self._best.improved(float(logs[str(self.monitor)]))
        self._waited = 0 if improved else self._waited + 1
        return self._waited >= max(self.patience, 1)


class Best:
    """The best value so far."""

    def __init__(self, mode: str, min_delta: float = 0.0):
        check_choice(mode, ("min", "max"), name="mode")
        self._sign = 1 if mode == "max" else -1
        self._best, self._min_delta = -math.inf, min_delta

    def improved(self, value: float) -> bool:
        """Whether it is better by more than `min_delta`; then it is the best."""
        better = self._sign * value - self._min_delta > self._best
        if better:
            self._best = self._sign * value
        return better


class History(Callback):
    """Write the metrics of all epochs after each: to a `.csv` or a `.json` file, whole or not.

    Epochs that the file has already, of a run that goes on, stay in it.

    **Raises:** `ValueError` for another extension.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if self.path.suffix not in (".csv", ".json"):
            raise ValueError(f"path must end in .csv or .json, got {path}")

    def heard(self, logs: Logs, state: Any) -> bool:
        before = [row for row in self.read() if row["epoch"] < logs["epoch"]]
        rows = [*before, logs]
        with atomic_path(self.path, overwrite=True) as temporary:
            if self.path.suffix == ".json":
                temporary.write_text(json.dumps(rows, indent=1) + "\n")
                return False
            with open(temporary, "w", newline="") as file:
                table = csv.DictWriter(file, list(logs), extrasaction="ignore")
                table.writeheader()
                table.writerows({k: json.dumps(v) for k, v in row.items()} for row in rows)
        return False

    def read(self) -> list[Logs]:
        """The rows of the file; none if there is none.

        **Raises:** `InputError`, which names the file, for one that is damaged.
        """
        if not self.path.exists():
            return []
        try:
            return self._rows()
        except (ValueError, TypeError, KeyError, csv.Error) as error:
            raise InputError(f"{self.path}: damaged: {one_line(error)}") from error

    def of_run(self, monitor: str, epochs: int = 1) -> list[Logs]:
        """The rows of a run that has a checkpoint of so many epochs, all with their metric.

        **Raises:** `InputError`, which names the file, where they are not there.
        """
        rows = self.read()
        numbered = [row["epoch"] for row in rows] == list(range(1, len(rows) + 1))
        judged = all(isinstance(row.get(monitor), int | float) for row in rows)
        if not numbered or not judged or len(rows) < epochs:
            raise InputError(f"{self.path}: damaged, it lacks epochs that the run has had")
        return rows

    def _rows(self) -> list[Logs]:
        if self.path.suffix == ".json":
            rows = json.loads(self.path.read_text())
        else:
            with open(self.path, newline="") as file:
                table = list(csv.DictReader(file))
            # A metric that was not measured in an epoch has an empty cell.
            rows = [{k: json.loads(v) for k, v in row.items() if v} for row in table]
        if not all(isinstance(row["epoch"], int) for row in rows):
            raise ValueError("epochs are no whole numbers")
        return rows


def best_row(rows: Sequence[Logs], monitor: str, mode: str) -> Logs:
    """The epoch that is best by a metric, the first of equals."""
    return (max if mode == "max" else min)(rows, key=lambda row: row[monitor])


def check_monitors(callbacks: Sequence[Callback], names: Sequence[str]) -> None:
    for callback in callbacks:
        if callback.monitor is not None and callback.monitor not in names:
            raise ValueError(f"monitor must be one of {', '.join(names)}, got {callback.monitor!r}")
