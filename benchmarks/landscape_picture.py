"""The picture of the landscape: phase transitions of the methods, and groups by their start."""

from pathlib import Path

import numpy as np
from landscape_groups import SAME
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_STARTS = {"spectral": "#c0392b", "random": "#2980b9", "PCA": "#7f8c8d"}


def plot_landscape(
    path: Path, phases: dict, groups: dict, ratios: list[float], fractions: list[float]
) -> None:
    """Above a heat map for every noise and method, below the shares of groups for every image."""
    figure = Figure(figsize=(16, 10.5), dpi=100, layout="constrained")
    above, below = figure.subfigures(2, height_ratios=[2, 1])
    methods = next(iter(phases.values()))
    axes = above.subplots(len(phases), len(methods), sharex=True, sharey=True, squeeze=False)
    for row, (noise, shares) in zip(axes, phases.items(), strict=True):
        for ax, share in zip(row, shares.values(), strict=True):
            heat = _heat_map(ax, share, ratios, fractions)
        row[0].set_ylabel(f"{noise}\nrank / d", size=11)
    for ax, method in zip(axes[0], methods, strict=True):
        ax.set_title(method.replace(", ", ",\n").replace("_", "-"), size=11)
    for ax in axes[-1]:
        ax.set_xlabel("fraction of outliers")
    above.colorbar(heat, ax=axes, label="% of seeds recovered", pad=0.01)
    above.suptitle(
        "Seeds recovered; on the red line the inliers are a share rank / d of all points", size=12
    )
    panels = below.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    for ax, (image, found) in zip(panels, groups.items(), strict=True):
        _bars(ax, found)
        ax.set_title(f"Groups of {image}", size=11)
    panels[0].set_ylabel(f"% of groups within {100 * SAME:g} %\nof the least objective")
    panels[0].legend(loc="upper left", ncols=len(_STARTS))
    figure.savefig(path)
    print(f"\nwrote {path}")


def _heat_map(ax: Axes, share: np.ndarray, ratios: list[float], fractions: list[float]):
    heat = ax.imshow(100 * share, vmin=0, vmax=100, cmap="viridis", aspect="auto", origin="lower")
    for (i, j), value in np.ndenumerate(share):
        colour = "black" if value > 0.6 else "white"
        ax.text(j, i, f"{100 * value:.0f}", ha="center", va="center", size=8, color=colour)
    ax.set_xticks(range(len(fractions)), [f"{f:g}" for f in fractions], size=8)
    ax.set_yticks(range(len(ratios)), [f"{r:g}" for r in ratios])
    line = np.interp([1 - ratio for ratio in ratios], fractions, range(len(fractions)))
    ax.plot(line, range(len(ratios)), color="#e74c3c", linewidth=1.5, alpha=0.6)
    return heat


def _bars(ax: Axes, found: dict) -> None:
    places = np.arange(len(found))
    for i, (start, colour) in enumerate(_STARTS.items()):
        shares = [100 * np.mean(excess[start] < SAME) for excess in found.values()]
        ax.bar(places + 0.27 * (i - 1), shares, 0.25, color=colour, label=start)
    labels = [f"{loss}\nrank {rank}".replace("_", "\n") for loss, rank in found]
    ax.set_xticks(places, labels, size=8)
    ax.set_ylim(0, 125)
    ax.set_yticks(range(0, 101, 20))
    ax.grid(axis="y", alpha=0.3)
