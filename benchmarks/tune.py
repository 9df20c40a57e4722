"""Parameters tuned on the noisy image alone, against the best ones that its clean image gives.

    python benchmarks/tune.py --data DIR

DIR holds Set12, 8-bit images, divided by 255; image number i (in name order, from 0) gets the noise
`default_rng(1000 + i).normal(size=shape) * 25 / 255`. `tune` is told sigma and starts from 0.05, 1
and 5 times the default of every parameter. The oracle is the best PSNR over a grid from a
third to three times the default in steps of 10 % (of both parameters in steps of 20 %). For the
time of non-local means scikit-image's `calibrate_denoiser` runs the same grid on the same image;
compiling is in the first image's time, and apart. `bm3d` and `subspace` start from their defaults.
"""

import argparse
import itertools
import statistics
from functools import partial
from pathlib import Path

import numpy as np
from measure import machine, print_machine, print_table, timed, write_json
from quality import add_noise, load, psnr
from skimage.restoration import calibrate_denoiser, denoise_nl_means

import jaxdenoise as jd

SIGMA = 25 / 255
FAR = "nlm", "tv", "bilateral", "mean_shift", "steering"
SCALES = 0.05, 1, 5
NEAR = "bm3d", "subspace"


def oracle(method: str, clean: np.ndarray, noisy: np.ndarray) -> float:
    """The best PSNR over the grid."""
    start = jd.strengths(method, SIGMA)
    step = 1.1 if len(start) == 1 else 1.2
    count = int(np.log(9) / np.log(step)) + 2
    scales = np.geomspace(1 / 3, 3, count)
    return max(
        psnr(
            getattr(jd, method)(
                noisy, SIGMA, **{k: v * s for (k, v), s in zip(start.items(), point, strict=True)}
            ),
            clean,
        )
        for point in itertools.product(scales, repeat=len(start))
    )


def measure_far(methods: list, images: list, noisy: list) -> tuple[dict, list]:
    results, rows = {}, []
    for method in methods:
        denoiser, start = getattr(jd, method), jd.strengths(method, SIGMA)
        best = [oracle(method, x, y) for x, y in zip(images, noisy, strict=True)]
        for scale in SCALES:
            far = {name: value * scale for name, value in start.items()}
            losses, seconds = [], []
            for x, y, most in zip(images, noisy, best, strict=True):
                tuned, took = timed(lambda y=y, d=denoiser, far=far: jd.tune(d, y, SIGMA, far))
                losses.append(most - psnr(tuned.image, x))
                seconds.append(took)
            name = f"{method} from {scale:.2g} of the default"
            loss = statistics.mean(losses)
            results[name] = {"losses": losses, "seconds": seconds}
            cells = [f"{loss:.3f}", f"{max(losses):.3f}", f"{statistics.median(seconds):.1f}"]
            rows.append([name, *cells])
            print(*rows[-1], sep="  ", flush=True)
    return results, rows


def compare_times(noisy: list) -> tuple[dict, list]:
    """Interleaved, image by image: `tune` and scikit-image's grid of 25 strengths."""
    sigma_grid = {"h": 0.6 * SIGMA * np.geomspace(1 / 3, 3, 25)}
    peer = partial(denoise_nl_means, patch_size=7, patch_distance=10, fast_mode=True, sigma=SIGMA)
    ours, theirs = [], []
    for y in noisy:
        start = {"h": 0.3 * SIGMA}
        ours.append(timed(lambda y=y, start=start: jd.tune(jd.nlm, y, SIGMA, start))[1])
        theirs.append(timed(lambda y=y: calibrate_denoiser(y, peer, sigma_grid))[1])
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    rows = [[f"{statistics.median(ours):.2f}", f"{statistics.median(theirs):.2f}", f"{ratio:.2f}"]]
    return {"tune": ours, "calibrate_denoiser": theirs, "ratio": ratio}, rows


def measure_near(methods: list, names: list, images: list, noisy: list) -> tuple[dict, list]:
    results, rows = {name: {} for name in names}, []
    for name, x, y in zip(names, images, noisy, strict=True):
        cells = []
        for method in methods:
            denoiser = getattr(jd, method)
            tuned = jd.tune(denoiser, y, SIGMA, jd.strengths(method, SIGMA))
            (value,) = (float(v) for v in tuned.parameters.values())
            gain = psnr(tuned.image, x) - psnr(denoiser(y, SIGMA), x)
            results[name][method] = {"gain": gain, "value": value}
            cells += [f"{value:.3f}", f"{gain:+.3f}"]
        rows.append([name, *cells])
        print(*rows[-1], sep="  ", flush=True)
    for method in methods:
        mean = statistics.mean(results[name][method]["gain"] for name in names)
        print(f"{method}: {mean:+.3f} dB on average", flush=True)
    return results, rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds Set12")
    parser.add_argument("--methods", default=",".join((*FAR, *NEAR)))
    parser.add_argument("--limit", type=int, help="use only the first images")
    parser.add_argument("--out", type=Path, default=Path("tune.json"))
    arguments = parser.parse_args()
    chosen = arguments.methods.split(",")
    if unknown := set(chosen) - {*FAR, *NEAR}:
        parser.error(f"unknown methods {sorted(unknown)}")
    facts = machine()
    print_machine(facts)
    images = load(arguments.data / "Set12", arguments.limit)
    names = [path.stem for path in sorted((arguments.data / "Set12").glob("*.png"))][: len(images)]
    noisy = [y.astype(np.float32) for y in add_noise(images, 25)]
    results = {}
    if "nlm" in chosen:
        results["times"], rows = compare_times(noisy)
        print_table("seconds an image", ["tune", "calibrate_denoiser", "ratio"], rows)
    if far := [method for method in FAR if method in chosen]:
        results["from far"], rows = measure_far(far, images, noisy)
        header = ["method", "below the oracle, dB", "at worst", "seconds an image"]
        print_table("from far", header, rows)
    if near := [method for method in NEAR if method in chosen]:
        results["from the defaults"], rows = measure_near(near, names, images, noisy)
        header = ["image", *(title for method in near for title in (method, f"{method}, dB"))]
        print_table("gain over the defaults", header, rows)
    write_json(arguments.out, {"machine": facts, **results})


if __name__ == "__main__":
    main()
