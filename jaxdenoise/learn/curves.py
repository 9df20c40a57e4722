"""The metrics of runs as curves over their epochs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxdenoise.files.pictures import atomic_path
from jaxdenoise.learn.callbacks import Callback, History, Logs

# Of a run that is not a metric.
_OTHERS = "epoch", "seconds", "waiting"


class Curves(Callback):
    """Draw the metrics of all epochs after each: loss and metrics, in training and validation.

    **Arguments:**

    - `path`: of the picture, a PNG, whole or not there.
    - `history`: `History`, which stands before this one among the callbacks.
    """

    def __init__(self, path: str | Path, history: History):
        self.path, self.history = Path(path), history

    def heard(self, logs: Logs, state: Any) -> bool:
        draw_curves(self.path, {"": self.history.read()})
        return False


def draw_curves(
    path: str | Path,
    histories: Mapping[str, Sequence[Logs]],
    *,
    metrics: Sequence[str] | None = None,
    title: str = "",
) -> None:
    """One picture of one or several runs: a panel for each metric, a colour for each run.

    Validation is a solid line, training a thin one.

    **Arguments:**

    - `path`: of the picture, a PNG.
    - `histories`: of runs by their names, as `fit` returns them and `History` reads them.
    - `metrics`: by their names in training, such as `"loss"`; by default all that are numbers.
    - `title`: above it.
    """
    from matplotlib.figure import Figure

    rows = [row for history in histories.values() for row in history]
    if metrics is None:
        numbers = dict.fromkeys(k for row in rows for k, v in row.items() if isinstance(v, float))
        metrics = [k for k in numbers if k not in _OTHERS and not k.startswith("val_")]
    figure = Figure(figsize=(5.2 * len(metrics), 4), layout="constrained")
    figure.suptitle(title)
    panels = figure.subplots(1, len(metrics), squeeze=False)[0]
    for axes, metric in zip(panels, metrics, strict=True):
        for number, (name, history) in enumerate(histories.items()):
            colour = f"C{number}"
            for key, kind, style in (
                (f"val_{metric}", "validation", {"marker": ".", "linewidth": 1.8}),
                (metric, "training", {"linewidth": 0.9, "alpha": 0.6}),
            ):
                known = [row for row in history if key in row]
                if known:
                    label = f"{name}, {kind}" if name else kind
                    x, y = ([row[k] for row in known] for k in ("epoch", key))
                    axes.plot(x, y, color=colour, label=label, **style)
        axes.set(xlabel="epoch", ylabel=metric.replace("_", " "))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    with atomic_path(Path(path), overwrite=True) as temporary:
        figure.savefig(temporary, dpi=100, format="png")
