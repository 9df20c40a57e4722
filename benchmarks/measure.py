"""What every benchmark needs: pinning, timing, the machine's name, tables.

Nothing heavy is imported at the top, so that a benchmark can pin itself before JAX and OpenCV
start their threads.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import Any

# These settings of a recipe make a training run of seconds, which shows that a benchmark works.
QUICK = {"width": 2, "depth": 1, "crop": 16, "batch_size": 2, "steps": 2}


def pin(cores: Iterable[int]) -> None:
    """Keep this process, its threads and its children on some cores. Call it before importing JAX.

    The thread pools of BLAS and OpenMP take their size from the environment.
    """
    cores = set(cores)
    os.sched_setaffinity(0, cores)
    for pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[pool] = str(len(cores))


def usable_cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """The result of a call, and the seconds until it was really there."""
    import jax

    start = perf_counter()
    result = jax.block_until_ready(call())
    return result, perf_counter() - start


def interleave(
    contenders: dict[str, Callable[[], Any]], rounds: int
) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Results, and seconds in every round, of contenders that take turns.

    Whatever slows the machine down for a while then slows all of them down. The first call of
    each, which compiles, is not timed.
    """
    results = {name: timed(call)[0] for name, call in contenders.items()}
    seconds = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            seconds[name].append(timed(call)[1])
    return results, seconds


def median_ratio(seconds: Sequence[float], of: Sequence[float]) -> float:
    """The median over the rounds of one contender's time over another's in the same round."""
    return statistics.median(a / b for a, b in zip(seconds, of, strict=True))


def run_fresh(*arguments: object) -> dict[str, Any]:
    """What `fresh.py` prints when it runs as a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("fresh.py")), *map(str, arguments)]
    # A first call answered from JAX's persistent cache would not be one.
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    return json.loads(done.stdout)


def machine() -> dict[str, Any]:
    """Where and with what a measurement was made."""
    packages = ("jax", "jaxlib", "numpy", "opencv-python-headless", "scikit-image", "bm3d")
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "cores_used": len(usable_cores()),
        "python": platform.python_version(),
        **{package: _version(package) for package in packages},
        "commit": _commit(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def print_machine(facts: dict[str, Any]) -> None:
    print(
        f"{facts['cpu']}, {facts['cores_used']} of {facts['cores']} cores, "
        f"Python {facts['python']}, jax {facts['jax']}, commit {facts['commit']}"
    )


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """The first column is a name, the others are numbers already formatted."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    print(f"\n{title}\n")
    for number, (name, *rest) in enumerate(cells):
        numbers = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        print("  ".join([name.ljust(widths[0]), *numbers]).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
    sys.stdout.flush()


def write_json(path: Path, results: dict[str, Any]) -> None:
    path.write_text(json.dumps(results, indent=2) + "\n")
    print(f"\nwrote {path}")
