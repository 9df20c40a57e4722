"""Folders of inputs and targets: paired by number, and split into three parts."""

import errno
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from jaxdenoise._core.checks import check_choice
from jaxdenoise.files.errors import InputError
from jaxdenoise.files.pictures import READABLE, TEMPORARY, atomic_path

PARTS = "train", "val", "test"


class Pair(NamedTuple):
    """Two files of one number."""

    input: Path
    target: Path


def split_folders(
    root: str | Path,
    out: str | Path,
    *,
    inputs: str = "frames",
    targets: str | None = "masks",
    ratios: tuple[float | int, ...] = (70, 20, 10),
    seed: int = 230,
    link: Literal["copy", "hardlink", "symlink"] = "copy",
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """Split pairs of files into train, val and test.

    `root/frames/frame_001.png` and `root/masks/mask_001.png` are a pair, as the last number in
    their names is the same. Pairs are sorted by it, shuffled by the seed, cut where the ratios say,
    and laid out as

        out/train_frames/train/frame_001.png    out/train_masks/train/mask_001.png
        out/val_frames/val/...                  out/val_masks/val/...
        out/test_frames/test/...                out/test_masks/test/...

    Nothing is written before all pairs are known. A file appears whole, under its name, or not at
    all: what was interrupted goes on when called again, and files that are there are not touched.

    **Arguments:**

    - `root`, `out`: the folder that holds those of inputs and targets, and the one to fill.
    - `inputs`, `targets`: the names of the two folders; images other than PNG, TIFF, JPEG and NPY,
        and what begins with a dot, are passed over. Without `targets`, `None`, inputs are alone.
    - `ratios`: of train, val and test; only their ratios count. One of 0 leaves its part empty.
    - `seed`: of the order. Pairs of the same numbers are split in the same way, whatever the names.
    - `link`: how files get there. Links cost no space; hard ones need one file system.
    - `progress`: called as `progress(done, files)`.

    **Returns:** the number of pairs, or of inputs, in each part.

    **Raises:** `InputError`, which names the file, for folders that are missing or empty, files
    without a number, with the number of another, or without a partner; for too few pairs for the
    ratios; and where `out` holds other files than those of this split. `ValueError` for ratios
    that are negative or of no training pair.
    """
    check_choice(link, tuple(_PLACE), name="link")
    if len(ratios) != 3 or not all(np.isfinite(r) and r >= 0 for r in ratios) or not ratios[0]:
        raise ValueError(f"ratios must be three, not negative, the first positive, got {ratios}")
    kinds = [kind for kind in (inputs, targets) if kind is not None]
    parts = _cut(paired(Path(root) / kinds[0], Path(root) / kinds[-1]), ratios, seed)
    plan = {}
    for part, pairs in parts.items():
        for at, kind in enumerate(kinds):
            folder = folder_of(out, part, kind)
            plan |= {folder / pair[at].name: pair[at] for pair in pairs}
    missing = _checked(plan, {folder_of(out, part, k) for part in PARTS for k in kinds})
    for folder in {path.parent for path in missing}:
        folder.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(missing):
        if progress is not None:
            progress(len(plan) - len(missing) + number, len(plan))
        with atomic_path(path, overwrite=True) as temporary:
            _place(plan[path], temporary, link)
    if progress is not None:
        progress(len(plan), len(plan))
    return {part: len(pairs) for part, pairs in parts.items()}


def folder_of(split: str | Path, part: str, kind: str) -> Path:
    """Where the files of a part are: `train_frames/train`."""
    return Path(split) / f"{part}_{kind}" / part


def paired(inputs: Path, targets: Path) -> list[Pair]:
    """The pairs of two folders, by their numbers."""
    first, second = numbered(inputs), numbered(targets)
    for files, others, folder in ((first, second, targets), (second, first, inputs)):
        for number in sorted(files.keys() - others.keys()):
            raise InputError(f"{files[number]}: {folder} has no file of the number {number}")
    return [Pair(first[number], second[number]) for number in sorted(first)]


def numbered(folder: Path) -> dict[int, Path]:
    """The images of a folder by the last number in their names."""
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder")
    found: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in READABLE or path.name.startswith("."):
            continue
        digits = re.findall(r"\d+", path.stem)
        if not digits:
            raise InputError(f"{path}: its name has no number to pair it by")
        number = int(digits[-1])
        if number in found:
            raise InputError(f"{path}: has the number of {found[number].name}, {number}")
        found[number] = path
    if not found:
        raise InputError(f"{folder}: holds no images ({', '.join(READABLE)})")
    return found


def _cut(pairs: list[Pair], ratios: tuple[float | int, ...], seed: int) -> dict[str, list[Pair]]:
    order = np.random.default_rng(seed).permutation(len(pairs))
    ends = np.round(np.cumsum(ratios) / sum(ratios) * len(pairs)).astype(int)
    parts = dict(zip(PARTS, np.split(order, ends[:-1]), strict=True))
    for (part, chosen), ratio in zip(parts.items(), ratios, strict=True):
        if ratio and not len(chosen):
            raise InputError(
                f"{len(pairs)} pairs are too few: ratios {ratios} leave none to {part}"
            )
    return {part: [pairs[k] for k in sorted(chosen)] for part, chosen in parts.items()}


def _checked(plan: dict[Path, Path], folders: set[Path]) -> list[Path]:
    """The files of a plan that are not there yet; refuse folders that hold others."""
    there = set()
    for folder in filter(Path.is_dir, folders):
        for path in folder.iterdir():
            if path.name.startswith(TEMPORARY):  # of a run that was killed
                path.unlink()
            elif path not in plan:
                raise InputError(f"{path}: is not of this split; choose an empty folder")
            elif not _is_copy(path, plan[path]):
                raise InputError(f"{path}: is there, and is not {plan[path]}")
            else:
                there.add(path)
    return [path for path in plan if path not in there]


def _is_copy(path: Path, source: Path) -> bool:
    if not path.exists():  # a link to what is gone
        return False
    here, there = path.stat(), source.stat()
    return (here.st_size, here.st_mtime_ns) == (there.st_size, there.st_mtime_ns)


def _place(source: Path, path: Path, link: str) -> None:
    try:
        _PLACE[link](source, path)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        raise InputError(f"{source}: a hard link cannot leave its file system; use copy") from error


_PLACE = {
    "copy": shutil.copy2,
    "hardlink": os.link,
    "symlink": lambda source, path: os.symlink(source.resolve(), path),
}
