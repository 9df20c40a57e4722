"""Splitting folders: a plain loop, `map`, threads, and this package, by copies and by links.

    python benchmarks/split.py [--folder DIR]

Makes 1000 frames and 1000 masks of 512 x 512 pixels, 8 bit, not compressed, in a temporary folder
of DIR, whose file system is measured. Contenders take turns, each into an empty folder; the loop,
map and threads only copy, without the checks that pairs are whole and files appear whole.
"""

import argparse
import shutil
import statistics
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
from measure import machine, print_machine, print_table, write_json
from PIL import Image

from jaxdenoise.learn import split_folders
from jaxdenoise.learn.folders import PARTS, folder_of


def make(root: Path, number: int) -> None:
    rng = np.random.default_rng(0)
    for kind in ("frame", "mask"):
        (root / f"{kind}s").mkdir()
        for k in range(number):
            image = Image.fromarray(rng.integers(0, 256, (512, 512), np.uint8))
            image.save(root / f"{kind}s" / f"{kind}_{k:04d}.png", compress_level=0)


def plain(root: Path, out: Path, copy_all) -> None:
    """The same parts, in the order of names."""
    copies = []
    for kind in ("frames", "masks"):
        files = sorted((root / kind).iterdir())
        ends = np.round(np.cumsum([0.7, 0.2]) * len(files)).astype(int)
        for part, chosen in zip(PARTS, np.split(np.asarray(files), ends), strict=True):
            folder = folder_of(out, part, kind)
            folder.mkdir(parents=True)
            copies += [(path, folder / path.name) for path in chosen]
    copy_all(copies)


def by_loop(copies) -> None:
    for source, target in copies:
        shutil.copy2(source, target)


def by_map(copies) -> None:
    list(map(shutil.copy2, *zip(*copies, strict=True)))


def by_threads(copies) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(shutil.copy2, *zip(*copies, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, help="where to make and split the files")
    parser.add_argument("--number", type=int, default=1000, help="of frames")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("split.json"))
    arguments = parser.parse_args()
    facts = machine()
    print_machine(facts)
    contenders = {
        "loop": partial(plain, copy_all=by_loop),
        "map": partial(plain, copy_all=by_map),
        "8 threads": partial(plain, copy_all=by_threads),
    }
    for link in ("copy", "hardlink", "symlink"):
        contenders[f"split_folders, {link}"] = partial(split_folders, link=link)
    seconds = {name: [] for name in contenders}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        root = Path(folder)
        make(root, arguments.number)
        for _ in range(arguments.rounds):
            for name, split in contenders.items():
                start = perf_counter()
                split(root, root / "out")
                seconds[name].append(perf_counter() - start)
                shutil.rmtree(root / "out")
    rows = [
        [name, f"{statistics.median(times):.2f}", f"{max(times):.2f}"]
        for name, times in seconds.items()
    ]
    title = f"{arguments.number} + {arguments.number} files, {arguments.rounds} rounds"
    print_table(title, ["", "median s", "worst s"], rows)
    write_json(arguments.output, {"machine": facts, "seconds": seconds})


if __name__ == "__main__":
    main()
