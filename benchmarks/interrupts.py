"""Signals at random moments: how commands end, and what they leave behind.

    python benchmarks/interrupts.py --count 200
    python benchmarks/interrupts.py --count 50 --signal SIGTERM
    python benchmarks/interrupts.py --count 30 --command train

A batch compiles a program for every image, so that a signal finds it in XLA most of the time. One
signal of four comes at a moment after the start of the process, the others after that of the batch.
Right is an end within two seconds, with the status of the signal and one line, or by the signal
itself while Python imports, and nothing that is half-written, temporary or empty.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

PATIENCE = 2.0
# The code of the script `jaxdenoise`.
PROGRAM = "from jaxdenoise_command import main; main()"
WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated"}
# The methods of the batches in turn: long compilations, and many short ones with writes between.
METHODS = "subspace", "tv"
TRAIN = (
    *("--task", "denoise", "--add-noise", "20", "--epochs", "1000", "--patience", "1000"),
    *("--param", "width=4", "--param", "depth=2", "--param", "crop=16", "--param", "steps=2"),
    *("--param", "batch_size=2"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--signal", choices=list(WORDS), default="SIGINT")
    parser.add_argument("--command", choices=["denoise", "train"], default="denoise")
    parser.add_argument("--longest", type=float, default=5.0, help="seconds before a signal")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    # A shell has its background jobs ignore SIGINT, which children would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    moments = np.random.default_rng(given.seed).uniform(0, given.longest, given.count)
    ends, seconds = Counter(), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_images(folder)
        run(folder, *("learn", "split", ".", "split", "--inputs", "images", "--targets", "none"))
        for number, moment in enumerate(moments):
            command = ["denoise", "images", "-o", "out", "--method", METHODS[number % 2]]
            if given.command == "train":
                command = ["learn", "train", "split", "-o", "out", "--inputs", "images", *TRAIN]
            end, took = interrupted(folder, command, given.signal, moment, batch=number % 4 > 0)
            ends[end] += 1
            seconds.append(took)
            print(f"{number:4d}  at {moment:.2f} s, {took:.2f} s later: {end}", flush=True)
            shutil.rmtree(folder / "out", ignore_errors=True)
    print(f"{given.count} {given.signal} into {given.command}, slowest end {max(seconds):.2f} s")
    for end, count in ends.most_common():
        print(f"{count:5d}  {end}")


def draw_images(folder: Path) -> None:
    """Write images of different sizes, so that each needs its own compilation."""
    (folder / "images").mkdir()
    for k in range(60):
        pixels = np.random.default_rng(k).integers(0, 256, (48 + k, 64), np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{k:02d}.png")


def started(folder: Path, *arguments: str) -> subprocess.Popen:
    temporary = folder / "temporary"
    temporary.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=folder,
        env=os.environ | {"JAXDENOISE_CACHE": "0", "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(folder: Path, *arguments: str) -> None:
    process = started(folder, *arguments)
    _, errors = process.communicate()
    if process.returncode:
        raise SystemExit(errors)


def interrupted(
    folder: Path, command: list[str], name: str, moment: float, *, batch: bool
) -> tuple[str, float]:
    """How the command ended, and the seconds that it took from the signal on."""
    process = started(folder, *command)
    while batch and not (folder / "out").exists() and process.poll() is None:
        time.sleep(0.01)
    time.sleep(moment)
    sent = time.perf_counter()
    process.send_signal(getattr(signal, name))
    try:
        _, errors = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return "LOST", 60.0
    took = time.perf_counter() - sent
    end = how(process.returncode, errors, name)
    problems = left_behind(folder) + (["LATE"] if took > PATIENCE else [])
    return ", ".join([end, *problems]), took


def how(status: int, errors: str, name: str) -> str:
    number = getattr(signal, name)
    if status == 128 + number and errors == f"jaxdenoise: error: {WORDS[name]}\n":
        return f"status {status}, one line"
    if status == -number and not errors:
        return "by the signal itself, silent"
    if "KeyboardInterrupt" in errors and "jaxdenoise/" not in errors:
        return "a traceback of Python's own start, before the program"
    kind = "traceback" if "Traceback" in errors else repr(errors[-200:])
    return f"WRONG: status {status}, {kind}"


def left_behind(folder: Path) -> list[str]:
    """Files that are not whole or temporary, and empty folders."""
    out, problems = folder / "out", []
    for path in (folder / "temporary").iterdir():
        problems.append(f"LEFT {path.name}")
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if out.is_dir() and not any(out.iterdir()):
        problems.append("EMPTY FOLDER")
    # Orbax writes to folders of its own, and a lock is no file to be read.
    hidden = [path for path in out.glob(".jaxdenoise-*") if path.name != ".jaxdenoise-lock"]
    problems += [f"LEFT {path.name}" for path in hidden]
    for path in out.glob("*.png"):
        try:
            with Image.open(path) as image:
                image.load()
        except OSError:
            problems.append(f"HALF {path.name}")
    return problems


if __name__ == "__main__":
    main()
