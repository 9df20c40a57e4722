"""Measured in fresh processes: first calls, cost and memory against size, all cores, imports."""

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from measure import print_table, run_fresh
from photograph import SIGMA, add_noise, resized


def first_calls(clean: np.ndarray, names: list[str]) -> dict:
    """Of a method and of a gradient through it, whose memory is measured too."""
    with _saved(clean) as path:
        results = {
            name: {call: run_fresh(call, name, path, SIGMA) for call in ("first_call", "gradient")}
            for name in names
        }
    rows = []
    for name, found in results.items():
        seconds = [f"{t[call]:.2f}" for t in found.values() for call in ("first", "second")]
        rows.append([name, *seconds, f"{found['gradient']['peak_megabytes']:.0f}"])
    header = ["method", "first s", "second s", "gradient first s", "second s", "peak MB"]
    print_table("first call, compile time included", header, rows)
    return results


def cost_against_size(clean: np.ndarray, names: list[str], sides: list[int]) -> dict:
    """Seconds per megapixel, how flat they are, and peak memory."""
    results = {name: {} for name in names}
    for side in sides:
        with _saved(resized(clean, side)) as path:
            for name in names:
                results[name][side] = run_fresh("size", name, path, SIGMA)
    costs, peaks, base = [], [], []
    for name, at in results.items():
        cost = [found["seconds_per_megapixel"] for found in at.values()]
        costs.append([name, *(f"{c:.3f}" for c in cost), f"{max(cost) / min(cost):.2f}"])
        peaks.append([name, *(f"{found['peak_megabytes']:.0f}" for found in at.values())])
        base += [found["megabytes_after_import_jax"] for found in at.values()]
    header = ["method", *(f"{side}x{side}" for side in sides)]
    print_table("seconds per megapixel", [*header, "max / min"], costs)
    print_table(f"peak memory, MB ({statistics.median(base):.0f} after import jax)", header, peaks)
    return results


def all_cores(clean: np.ndarray, names: list[str], cores: list[int], rounds: int) -> dict:
    """Every method shared by all cores, and the peers on all their threads."""
    with _saved(clean) as path:
        cpus = ",".join(map(str, cores))
        found = run_fresh("cores", cpus, path, SIGMA, ",".join(names), rounds)
    peers = found["peer_seconds"]
    rows = [
        [
            name,
            f"{1000 * m['one_device_seconds']:.0f}",
            f"{1000 * m['seconds']:.0f}",
            f"{m['speedup']:.2f}",
            f"{m['largest_difference']:.0e}",
            *(f"{ratio:.2f}" for ratio in m["ratios"].values()),
        ]
        for name, m in found["methods"].items()
    ]
    blank = [""] * (2 + len(peers))
    rows += [[name, "", f"{1000 * t:.0f}", *blank] for name, t in peers.items()]
    header = ["method", "one device ms", "shared ms", "times faster", "difference"]
    title = f"all cores: {len(cores)}"
    print_table(title, [*header, *(f"/ {peer}" for peer in peers)], rows)
    return found


def import_time(rounds: int) -> dict:
    """Seconds to import JAX without and with the library, in fresh processes that take turns."""
    modules = "jax", "jax,jaxdenoise"
    seconds = {m: [] for m in modules}
    for _ in range(rounds + 1):
        for m in modules:
            seconds[m].append(run_fresh("import", m)["seconds"])
    # The first round read the files from the disk.
    jax_only, both = (statistics.median(times[1:]) for times in seconds.values())
    rows = [
        ["import jax", f"{jax_only:.2f}"],
        ["import jax, jaxdenoise", f"{both:.2f}"],
        ["difference", f"{both - jax_only:.2f}"],
    ]
    print_table("import time", ["", "s"], rows)
    return {"jax": jax_only, "jax, jaxdenoise": both, "difference": both - jax_only}


@contextmanager
def _saved(clean: np.ndarray) -> Iterator[Path]:
    """The noisy image in a file, for as long as processes need it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "noisy.npy"
        np.save(path, add_noise(clean))
        yield path
