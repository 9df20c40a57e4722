"""The picture of quality against time."""

from pathlib import Path

from matplotlib.figure import Figure
from ours import ours

_OURS, _THEIRS = "#c0392b", "#7f8c8d"


def plot_front(path: Path, title: str, results: dict, sigma: str) -> None:
    """PSNR against seconds per megapixel, every method a point with its name.

    The line joins the methods of the library that none of them beats in both.
    """
    points = {
        name: (at[sigma]["seconds_per_megapixel"], at[sigma]["psnr"])
        for name, at in results.items()
    }
    own = [name for name in points if name in ours()]
    figure = Figure(figsize=(8, 5), dpi=110, layout="constrained")
    axes = figure.subplots()
    for names, colour, marker, label in (
        (own, _OURS, "o", "jaxdenoise"),
        ([name for name in points if name not in own], _THEIRS, "s", "peers"),
    ):
        x, y = zip(*(points[name] for name in names), strict=True) if names else ((), ())
        axes.plot(x, y, marker, color=colour, markersize=7, label=label)
    front = _front([points[name] for name in own])
    axes.plot(*zip(*front, strict=True), color=_OURS, linewidth=1, alpha=0.5, zorder=0)
    for name, point in points.items():
        # Above the line of the front, or below it.
        if name in own:
            place = {"xytext": (-5, 5), "ha": "right", "color": _OURS}
        else:
            place = {"xytext": (5, -12), "ha": "left", "color": _THEIRS}
        axes.annotate(name, point, textcoords="offset points", size=8, **place)
    axes.set_xscale("log")
    axes.margins(y=0.08)
    axes.set_xlim(right=4 * max(x for x, _ in points.values()))
    axes.set_xlabel("seconds per megapixel")
    axes.set_ylabel(f"PSNR in dB at sigma {sigma} of 255")
    axes.set_title(title)
    axes.grid(alpha=0.3, which="both", linewidth=0.5)
    axes.legend(loc="lower right")
    figure.savefig(path)
    print(f"\nwrote {path}")


def _front(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that are better than every faster one."""
    front = []
    for x, y in sorted(points):
        if not front or y > front[-1][1]:
            front.append((x, y))
    return front
