"""Quality: PSNR and SSIM of every method and of its peers, and the error of `estimate_sigma`.

    taskset -c 0 python benchmarks/quality.py --data DIR

DIR holds one folder of 8-bit images for every set, all grey or all in colour. Images are divided by
255; image number i of a set (in name order, from 0) gets the noise
`default_rng(1000 + i).normal(size=shape) * sigma / 255`, neither clipped nor rounded; results are
clipped to [0, 1] before they are measured. All methods are told sigma. Ours run at their defaults,
a peer at the scale of its parameter that is best on average over the set. Seconds are for the cores
that the process may use: `taskset -c 0` leaves it one.

`--run dncnn=RUN` measures a denoiser of `jaxdenoise learn train` beside them.
"""

import argparse
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from front import plot_front
from imageio.v3 import imread
from measure import machine, print_machine, print_table, timed, write_json
from ours import ours
from peers import BM3D, SCANNED
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from skimage.restoration import estimate_sigma as skimage_estimate_sigma

import jaxdenoise as jd


def load(folder: Path, limit: int | None) -> list[np.ndarray]:
    paths = [path for path in sorted(folder.iterdir()) if path.suffix in (".png", ".tif")]
    images = [imread(path) for path in paths[:limit]]
    if not images:
        raise SystemExit(f"no PNG or TIFF images in {folder}")
    for image in images:
        if image.dtype != np.uint8 or image.ndim != images[0].ndim:
            raise SystemExit(f"{folder} must hold 8-bit images, all grey or all in colour")
    return [image / 255 for image in images]


def channel_axis(image: np.ndarray) -> int | None:
    return -1 if image.ndim == 3 else None


def add_noise(images: list[np.ndarray], sigma: float) -> list[np.ndarray]:
    return [
        x + np.random.default_rng(1000 + i).normal(size=x.shape) * sigma / 255
        for i, x in enumerate(images)
    ]


def clipped(result: np.ndarray) -> np.ndarray:
    return np.clip(np.asarray(result, np.float64), 0, 1)


def psnr(result: np.ndarray, clean: np.ndarray) -> float:
    return peak_signal_noise_ratio(clean, clipped(result), data_range=1)


def measure(method: Callable, images: list[np.ndarray], noisy: list[np.ndarray]) -> dict:
    """Means over the images of PSNR and SSIM, median seconds per megapixel, compile time apart."""
    quality, ssim, cost, first_calls = [], [], [], {}
    for clean, y in zip(images, noisy, strict=True):
        y = y.astype(np.float32)
        if y.shape not in first_calls:
            _, first_calls[y.shape] = timed(lambda y=y: method(y))
        result, seconds = timed(lambda y=y: method(y))
        quality.append(psnr(result, clean))
        ssim.append(
            structural_similarity(
                clean,
                clipped(result),
                data_range=1,
                gaussian_weights=True,
                use_sample_covariance=False,
                channel_axis=channel_axis(clean),
            )
        )
        cost.append(1e6 * seconds / (clean.shape[0] * clean.shape[1]))
    return {
        "psnr": statistics.mean(quality),
        "ssim": statistics.mean(ssim),
        "seconds_per_megapixel": statistics.median(cost),
        "first_call_seconds": max(first_calls.values()),
    }


def compare_methods(
    images: list[np.ndarray],
    sigmas: list[float],
    chosen: set[str] | None,
    learned: dict[str, Callable],
) -> dict:
    """{method: {sigma: measurements}}."""
    results = {}
    axis = channel_axis(images[0])
    peers = {k: v for k, v in SCANNED.items() if axis is None or k in BM3D}
    if chosen is not None:
        peers = {k: v for k, v in peers.items() if k in chosen}
    for s in sigmas:
        noisy, sigma = add_noise(images, s), s / 255
        for name, denoise in (ours(chosen) | learned).items():
            found = measure(lambda y, f=denoise, s=sigma: f(y, s, channel_axis=axis), images, noisy)
            results.setdefault(name, {})[f"{s:g}"] = found
        for name, (denoise, scales) in peers.items():
            scan = [
                {"scale": k} | measure(lambda y, f=denoise, s=sigma, k=k: f(y, s, k), images, noisy)
                for k in scales
            ]
            best = max(scan, key=lambda found: found["psnr"])
            if len(scales) > 1 and best in (scan[0], scan[-1]):
                print(f"{name} at {s:g} is best at an end of its scan, {best['scale']} sigma")
            results.setdefault(name, {})[f"{s:g}"] = best
    return results


def print_methods(title: str, results: dict, sigmas: list[float]) -> None:
    header = ["method"]
    for s in sigmas:
        header += [f"PSNR {s:g}", f"SSIM {s:g}"]
    rows = []
    for name, at in results.items():
        row = [name]
        for found in at.values():
            row += [f"{found['psnr']:.2f}", f"{found['ssim']:.4f}"]
        cost = statistics.median(found["seconds_per_megapixel"] for found in at.values())
        scales = {found["scale"]: None for found in at.values() if "scale" in found}
        rows.append([*row, f"{cost:.3f}", " ".join(f"{k:g}" for k in scales)])
    print_table(title, [*header, "s/Mpx", "best scale"], rows)


def compare_estimates(images: list[np.ndarray], sigmas: list[float]) -> dict:
    """{estimator: {sigma: mean and worst absolute relative error}}."""
    axis = channel_axis(images[0])
    estimators = {
        "jd.estimate_sigma": partial(jd.estimate_sigma, channel_axis=axis),
        "scikit-image": partial(skimage_estimate_sigma, channel_axis=axis, average_sigmas=True),
    }
    results = {name: {} for name in estimators}
    for s in sigmas:
        noisy = add_noise(images, s)
        for name, estimate in estimators.items():
            errors = [abs(float(estimate(y)) / (s / 255) - 1) for y in noisy]
            results[name][f"{s:g}"] = {"mean": statistics.mean(errors), "worst": max(errors)}
    return results


def print_estimates(title: str, results: dict, sigmas: list[float]) -> None:
    header = ["estimator"]
    for s in sigmas:
        header += [f"mean {s:g}", f"worst {s:g}"]
    rows = [
        [name, *(f"{100 * error:.1f} %" for found in at.values() for error in found.values())]
        for name, at in results.items()
    ]
    print_table(title, header, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--sets", default="Set12,BSD68")
    parser.add_argument("--sigmas", default="15,25,50", help="of 255")
    parser.add_argument("--methods", help="only these of the tables' names, ours and peers")
    parser.add_argument("--run", action="append", default=[], help="NAME=FOLDER of a learned one")
    parser.add_argument("--limit", type=int, help="only so many images of a set")
    parser.add_argument("--estimate", action="store_true", help="only the estimates of sigma")
    parser.add_argument("--picture", type=Path, help="plot PSNR at 25 against time as a PNG")
    parser.add_argument("--output", type=Path, default=Path("quality.json"))
    arguments = parser.parse_args()
    sigmas = [float(s) for s in arguments.sigmas.split(",")]
    if arguments.picture and (25 not in sigmas or "," in arguments.sets):
        parser.error("--picture shows one set, at 25")
    chosen = set(arguments.methods.split(",")) if arguments.methods else None
    if chosen and (unknown := chosen - set(ours()) - set(SCANNED)):
        parser.error(f"unknown methods {sorted(unknown)}")
    learned = {}
    for name, _, folder in (text.partition("=") for text in arguments.run):
        from jaxdenoise.learn import load_denoiser

        learned[name] = load_denoiser(folder)
    results = {"machine": machine(), "sets": {}}
    print_machine(results["machine"])
    for name in arguments.sets.split(","):
        images = load(arguments.data / name, arguments.limit)
        levels = [5.0, 15.0, 25.0, 50.0]
        estimates = compare_estimates(images, levels)
        results["sets"][name] = {"images": len(images), "estimates": estimates}
        title = f"{name}, {len(images)} images"
        print_estimates(f"{title}: relative error of the estimated sigma", estimates, levels)
        if not arguments.estimate:
            methods = compare_methods(images, sigmas, chosen, learned)
            results["sets"][name]["methods"] = methods
            print_methods(f"{title}: dB and SSIM at sigma of 255", methods, sigmas)
            if arguments.picture:
                cores = f"cores: {results['machine']['cores_used']}"
                plot_front(arguments.picture, f"{title}, Gaussian noise, {cores}", methods, "25")
    write_json(arguments.output, results)


if __name__ == "__main__":
    main()
