"""Outliers: PSNR beside what else removes impulses, F1 of their detection, the cost without any.

    python benchmarks/outliers.py --data DIR --picture outliers.png

DIR holds Set12, 8-bit images, divided by 255. Image number i (in name order, from 0) gets Gaussian
noise of 10 of 255 and, where `default_rng(2000 + i).random(shape)` is below the rate, an impulse: 0
or 1 (salt and pepper), or uniform in [0, 1] (random-valued). Nothing is clipped but results, to
[0, 1]. Ours are told sigma = 10 / 255 and estimate the rate; a peer has the strength that is best
on average over the set; if that is at an end of its scan, it says so.
"""

import argparse
import statistics
from functools import partial
from pathlib import Path

import numpy as np
from impulse_peers import SCANNED, adaptive_median_bm3d
from matplotlib.figure import Figure
from measure import interleave, machine, median_ratio, print_machine, print_table, write_json
from peers import BM3D
from quality import load, psnr

import jaxdenoise as jd

SIGMA, CLEAN_SIGMA = 10 / 255, 25 / 255
# The strengths of the package behind an adaptive median, in sigma: what that leaves differs.
CORRUPTIONS = {
    "salt and pepper 10 %": (0.1, False, (0.7, 1.0, 1.5)),
    "salt and pepper 30 %": (0.3, False, (1.0, 1.5, 2.0, 2.5)),
    "random-valued 20 %": (0.2, True, (2.0, 3.0, 4.0, 5.0)),
}
PROFILES = "fast", "best"


def gaussian(clean: np.ndarray, number: int, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(1000 + number).normal(size=clean.shape)
    return clean + sigma * noise


def corrupt(
    clean: np.ndarray, number: int, rate: float, uniform: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The image with noise and impulses, and where those are."""
    rng = np.random.default_rng(2000 + number)
    bad = rng.random(clean.shape) < rate
    value = rng.random(clean.shape)
    impulses = value if uniform else np.round(value)
    return np.where(bad, impulses, gaussian(clean, number, SIGMA)), bad


def f1(probability: np.ndarray, bad: np.ndarray) -> float:
    found = np.asarray(probability) > 0.5
    return 2 * np.sum(found & bad) / (np.sum(found) + np.sum(bad))


def measure_peers(images: list[np.ndarray], noisy: list[np.ndarray], scales: tuple) -> dict:
    contenders = dict(SCANNED)
    if BM3D:
        told = tuple(round(scale * SIGMA, 5) for scale in scales)
        contenders["adaptive median, bm3d package"] = adaptive_median_bm3d, told
    results = {}
    for name, (remove, strengths) in contenders.items():
        means = [
            statistics.mean(psnr(remove(y, s), x) for x, y in zip(images, noisy, strict=True))
            for s in strengths
        ]
        best = int(np.argmax(means))
        if len(means) > 1 and best in (0, len(means) - 1):
            print(f"{name} is best at an end of its scan, {strengths[best]}: {np.round(means, 2)}")
        results[name] = {"psnr": means[best], "strength": strengths[best]}
    return results


def measure_ours(images: list, noisy: list, bads: list) -> dict:
    results = {}
    for profile in PROFILES:
        found = [
            (
                psnr(jd.robust_subspace(y, SIGMA, profile=profile), x),
                f1(jd.detect_outliers(y, SIGMA, profile=profile), bad),
            )
            for x, y, bad in zip(images, noisy, bads, strict=True)
        ]
        quality, detection = (statistics.mean(column) for column in zip(*found, strict=True))
        each = [round(value, 2) for value, _ in found]
        results[f"robust_subspace, {profile}"] = {
            "psnr": quality,
            "f1": detection,
            "each": each,
        }
    return results


def compare_without_outliers(images: list[np.ndarray], rounds: int) -> dict:
    """At Gaussian 25: PSNR of both methods, and the ratio of their times."""
    results = {}
    for profile in PROFILES:
        plain, robust, ratios = [], [], []
        for number, clean in enumerate(images):
            y = gaussian(clean, number, CLEAN_SIGMA).astype(np.float32)
            contenders = {
                name: partial(getattr(jd, name), y, CLEAN_SIGMA, profile=profile)
                for name in ("subspace", "robust_subspace")
            }
            found, seconds = interleave(contenders, rounds)
            plain.append(psnr(found["subspace"], clean))
            robust.append(psnr(found["robust_subspace"], clean))
            ratios.append(median_ratio(seconds["robust_subspace"], seconds["subspace"]))
        results[profile] = {
            "subspace": statistics.mean(plain),
            "robust_subspace": statistics.mean(robust),
            "time_ratio": statistics.median(ratios),
        }
    return results


def draw(path: Path, clean: np.ndarray, number: int, results: dict) -> None:
    """A detail: what came in, the best peer, ours, and what was detected."""
    figure = Figure(figsize=(13, 3.4 * len(CORRUPTIONS)), layout="constrained")
    rows = figure.subplots(len(CORRUPTIONS), 4)
    detail = np.s_[40:200, 40:200]
    for (name, (rate, uniform, _)), row in zip(CORRUPTIONS.items(), rows, strict=True):
        y, _ = corrupt(clean, number, rate, uniform)
        y = y.astype(np.float32)
        peers = {k: v for k, v in results[name].items() if "f1" not in v}
        best = max(peers, key=lambda peer: peers[peer]["psnr"])
        remove = SCANNED[best][0] if best in SCANNED else adaptive_median_bm3d
        shown = {
            name: y,
            best: remove(y, peers[best]["strength"]),
            "robust_subspace": jd.robust_subspace(y, SIGMA),
            "probability of an outlier": jd.detect_outliers(y, SIGMA),
        }
        for axis, (title, picture) in zip(row, shown.items(), strict=True):
            measured = "" if title.startswith("prob") else f"\n{psnr(picture, clean):.2f} dB"
            axis.set_title(title + measured)
            axis.imshow(np.asarray(picture)[detail], cmap="gray", vmin=0, vmax=1)
            axis.set_axis_off()
    figure.savefig(path, dpi=100)
    print(f"wrote {path}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--limit", type=int, help="only so many images")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--skip-peers", action="store_true")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--output", type=Path, default=Path("outliers.json"))
    arguments = parser.parse_args()
    print_machine(found := machine())
    images = load(arguments.data / "Set12", arguments.limit)
    results = {"machine": found, "images": len(images), "corruptions": {}}
    for name, (rate, uniform, scales) in CORRUPTIONS.items():
        pairs = [corrupt(x, i, rate, uniform) for i, x in enumerate(images)]
        noisy = [y.astype(np.float32) for y, _ in pairs]
        peers = {} if arguments.skip_peers else measure_peers(images, noisy, scales)
        measured = peers | measure_ours(images, noisy, [bad for _, bad in pairs])
        results["corruptions"][name] = measured
        rows = [
            [method, f"{m['psnr']:.2f}", f"{m['f1']:.3f}" if "f1" in m else "", m.get("strength")]
            for method, m in measured.items()
        ]
        print_table(
            f"{name}, Gaussian 10 of 255, {len(images)} images",
            ["method", "PSNR", "F1", "strength"],
            rows,
        )
    results["without"] = compare_without_outliers(images, arguments.rounds)
    print_table(
        "no outliers, Gaussian 25 of 255",
        ["profile", "subspace", "robust_subspace", "time ratio"],
        [
            [p, f"{m['subspace']:.3f}", f"{m['robust_subspace']:.3f}", f"{m['time_ratio']:.2f}"]
            for p, m in results["without"].items()
        ],
    )
    write_json(arguments.output, results)
    if arguments.picture and not arguments.skip_peers:
        number = min(1, len(images) - 1)
        draw(arguments.picture, images[number], number, results["corruptions"])


if __name__ == "__main__":
    main()
