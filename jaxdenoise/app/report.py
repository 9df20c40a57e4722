"""What the commands show: tables in the terminal, and pictures of results side by side."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from jaxdenoise.app.comparison import Result
from jaxdenoise.files.pages import full_scale
from jaxdenoise.files.pictures import atomic_path

# Layout in pixels.
_WIDEST, _NARROWEST = 640, 280
_LABEL, _GAP, _GUTTER, _MARGIN, _TITLE = 30, 6, 16, 16, 40
_ZOOM = 4
_ASPECT = 1.5  # of the whole picture, aimed at
_INK, _FAINT, _MARK = "#1a1a1a", "#666666", "#ffd400"


Row = tuple[str, ...]


@dataclass(frozen=True)
class Tile:
    """One labelled image; all tiles of a picture have the same shape."""

    label: str
    note: str
    image: np.ndarray


@dataclass(frozen=True)
class Region:
    """The part of the image that is shown enlarged."""

    row: int
    column: int
    rows: int
    columns: int


def results_rows(results: Sequence[Result]) -> list[Row]:
    """Headings, then a row for each result; scores only where a clean image gave some."""
    has_scores = any(result.psnr is not None for result in results)
    scores = ("PSNR dB", "SSIM") if has_scores else ()
    rows: list[Row] = [("method", *scores, "seconds", "compile s")]
    for result in results:
        scores = (_number(result.psnr, 2), _number(result.ssim, 3)) if has_scores else ()
        times = (_number(result.seconds, 3), _number(result.compile_seconds, 2))
        rows.append((result.name, *scores, *times))
    return rows


def print_table(headings: Row, rows: Sequence[Row], *, lines: bool = False) -> None:
    """Words to the left and numbers to the right."""
    table = Table(show_lines=lines)
    for heading, cell in zip(headings, rows[-1] if rows else headings, strict=True):
        table.add_column(heading, justify="right" if cell[:1].isdigit() else "left")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, markup=False).print(table)


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def tiles_of(
    results: Sequence[Result], clean: np.ndarray | None, low: float, high: float
) -> list[Tile]:
    """Clean first if it is known, then every result that there is, as values from 0 to 1."""
    named = [] if clean is None else [("clean", "", clean)]
    for result in results:
        if result.image is not None:
            note = "" if result.psnr is None else f"{result.psnr:.2f} dB"
            named.append((result.name, note, result.image))
    span = max(high - low, np.finfo(np.float32).tiny)
    return [Tile(label, note, np.clip((image - low) / span, 0, 1)) for label, note, image in named]


def data_range(image: np.ndarray, dtype: np.dtype) -> float:
    """The scale of the metrics: the type's for integers; for floats 1, or what they span."""
    if dtype.kind != "f" or (image.min() >= 0 and image.max() <= 1):
        return full_scale(dtype)
    return float(image.max() - image.min()) or 1.0


def display_range(image: np.ndarray, dtype: np.dtype) -> tuple[float, float]:
    """Black and white: of 8-bit files their own, else nearly the image's extremes."""
    if dtype == np.uint8:
        return 0.0, 255.0
    low, high = np.percentile(image, [0.1, 99.9])
    return float(low), float(high)


def write_picture_of(
    path: Path,
    tiles: Sequence[Tile],
    *,
    title: str,
    table: Sequence[Row] = (),
    detail: tuple[float, float] | None = None,
    overwrite: bool = False,
) -> None:
    """All tiles with an enlarged detail under each, as a PNG; the table fills a cell left empty.

    `detail` is the centre of the detail as fractions of height and width; by default it is where
    the first tile has most structure.
    """
    figure = _draw(tiles, title, table, detail)
    with atomic_path(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, dpi=100)


@dataclass(frozen=True)
class _Canvas:
    """A figure measured in pixels from the upper left corner."""

    figure: Any
    width: int
    height: int

    def text(self, x, y, words: str, **style) -> None:
        self.figure.text(x / self.width, 1 - y / self.height, words, va="center", **style)

    def show(self, x, y, width, height, image: np.ndarray):
        corner = (x / self.width, 1 - (y + height) / self.height)
        axes = self.figure.add_axes((*corner, width / self.width, height / self.height))
        axes.set_axis_off()
        axes.imshow(_rgb(image), interpolation="nearest", aspect="auto")
        return axes


def _new_canvas(width: int, height: int) -> _Canvas:
    # The figure by itself, without pyplot: no window system and no state that outlives the call.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    return _Canvas(figure, width, height)


def _draw(
    tiles: Sequence[Tile], title: str, table: Sequence[Row], detail: tuple[float, float] | None
):
    width, height = _shown_size(tiles[0].image)
    region = _region(tiles[0].image, width, height, detail)
    cell_height = _LABEL + height + _GAP + height
    columns = _columns(len(tiles), width, cell_height)
    rows = math.ceil(len(tiles) / columns)
    canvas = _new_canvas(
        columns * width + (columns - 1) * _GUTTER + 2 * _MARGIN,
        rows * cell_height + (rows - 1) * _GAP + _TITLE + _MARGIN,
    )

    def corner(number: int) -> tuple[int, int]:
        row, column = divmod(number, columns)
        return _MARGIN + column * (width + _GUTTER), _TITLE + row * (cell_height + _GAP)

    canvas.text(_MARGIN, _TITLE / 2 + 2, title, fontsize=12, color=_FAINT)
    if len(tiles) < rows * columns:
        _draw_table(canvas, corner(rows * columns - 1), width, table)
    for number, tile in enumerate(tiles):
        x, y = corner(number)
        middle = y + _LABEL / 2
        canvas.text(x, middle, tile.label, fontsize=14, weight="bold", color=_INK)
        canvas.text(x + width, middle, tile.note, fontsize=14, ha="right", color=_INK)
        y += _LABEL
        axes = canvas.show(x, y, width, height, _fit(tile.image, width, height))
        _mark(axes, region, tile.image.shape, width, height)
        canvas.show(x, y + height + _GAP, width, height, _crop(tile.image, region))
    return canvas.figure


def _draw_table(canvas: _Canvas, corner: tuple[int, int], width: int, table: Sequence[Row]) -> None:
    x, y = corner
    size = min(12, width / 42)
    for number, row in enumerate(table):
        line = y + _LABEL + (number + 1) * 1.1 * _LABEL
        weight = "normal" if number else "bold"
        canvas.text(x, line, row[0], fontsize=size, weight=weight, color=_INK)
        for column, cell in enumerate(row[1:], start=1):
            right = x + width * (column + 1) / len(row)
            canvas.text(right, line, cell, ha="right", fontsize=size, weight=weight, color=_INK)


def _mark(axes, region: Region, shape: tuple[int, ...], width: int, height: int) -> None:
    from matplotlib.patches import Rectangle

    scale = _scale(shape[1])
    corner = (region.column * scale - 0.5, region.row * scale - 0.5)
    size = (region.columns * scale, region.rows * scale)
    axes.add_patch(Rectangle(corner, *size, fill=False, linewidth=1.5, edgecolor=_MARK))
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)


def _scale(columns: int) -> float:
    """Screen pixels per image pixel: a whole number or one over a whole number."""
    if columns > _WIDEST:
        return 1 / math.ceil(columns / _WIDEST)
    return float(math.ceil(_NARROWEST / columns)) if columns < _NARROWEST else 1.0


def _shown_size(image: np.ndarray) -> tuple[int, int]:
    """Width and height on screen, multiples of the zoom so that enlarged pixels are square."""
    scale = _scale(image.shape[1])
    width, height = int(image.shape[1] * scale), int(image.shape[0] * scale)
    return max(width - width % _ZOOM, _ZOOM), max(height - height % _ZOOM, _ZOOM)


def _fit(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Enlarged by repetition, or reduced by means over blocks, and cut to size."""
    scale = _scale(image.shape[1])
    if scale > 1:
        image = image.repeat(int(scale), axis=0).repeat(int(scale), axis=1)
    if scale < 1:
        block = round(1 / scale)
        flat = min(block, image.shape[0])
        rows, columns = image.shape[0] // flat, image.shape[1] // block
        image = image[: rows * flat, : columns * block]
        image = image.reshape(rows, flat, columns, block, *image.shape[2:]).mean(axis=(1, 3))
    return image[:height, :width]


def _region(
    image: np.ndarray, width: int, height: int, detail: tuple[float, float] | None
) -> Region:
    zoom = _ZOOM * max(_scale(image.shape[1]), 1)
    rows = min(max(round(height / zoom), 1), image.shape[0])
    columns = min(max(round(width / zoom), 1), image.shape[1])
    if detail is None:
        return _busiest(image, rows, columns)
    row = round(detail[0] * image.shape[0] - rows / 2)
    column = round(detail[1] * image.shape[1] - columns / 2)
    return Region(
        min(max(row, 0), image.shape[0] - rows),
        min(max(column, 0), image.shape[1] - columns),
        rows,
        columns,
    )


def _busiest(image: np.ndarray, rows: int, columns: int) -> Region:
    """Where the gradients are largest, by sums over windows from a table of running sums."""
    grey = image.mean(axis=-1) if image.ndim == 3 else image
    energy = np.zeros(grey.shape)
    energy[:-1] += np.abs(np.diff(grey, axis=0))
    energy[:, :-1] += np.abs(np.diff(grey, axis=1))
    sums = np.pad(energy.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    windows = (sums[rows:, columns:] - sums[:-rows, columns:] - sums[rows:, :-columns]) + sums[
        :-rows, :-columns
    ]
    row, column = np.unravel_index(windows.argmax(), windows.shape)
    return Region(int(row), int(column), rows, columns)


def _crop(image: np.ndarray, region: Region) -> np.ndarray:
    return image[
        region.row : region.row + region.rows, region.column : region.column + region.columns
    ]


def _columns(count: int, width: int, height: int) -> int:
    """As many columns as make the picture neither tall nor flat and leave few cells empty."""

    def badness(columns: int) -> float:
        rows = math.ceil(count / columns)
        shape = columns * width / (rows * height)
        return abs(math.log(shape / _ASPECT)) + (rows * columns - count) / count

    return min(range(1, count + 1), key=badness)


def _rgb(image: np.ndarray) -> np.ndarray:
    if image.ndim == 2:
        return np.repeat(image[..., None], 3, axis=-1)
    if image.shape[-1] == 3:
        return image
    return np.repeat(image.mean(axis=-1, keepdims=True), 3, axis=-1)
