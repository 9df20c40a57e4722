"""What an error looks like depends on where it is: the same energy, seen and unseen.

PSNR counts the energy of an error and nothing else. The eye does not: it answers to ratios of light
(Weber), to some frequencies more than to others (contrast sensitivity), and hardly to a weak
pattern beside a strong one (masking). Left and middle, errors of equal energy, plain to see and
hidden, with what each metric says of them. Right, a denoiser tuned for the mean squared error and
the same one tuned for MS-SSIM.

Run `python examples/how_we_see.py --output how_we_see.png`.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from skimage.data import camera

import jaxdenoise as jd

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--output", type=Path, default=Path("how_we_see.png"))
output = parser.parse_args().output

clean = camera()[60:316, 120:376].astype(np.float32) / 255
white = np.random.default_rng(0).normal(size=clean.shape).astype(np.float32)
# The root of the mean square of every error.
ENERGY = 8 / 255


def spoil(image: np.ndarray, error: np.ndarray) -> np.ndarray:
    """With as much of the error as gives it the energy after values are clipped to [0, 1]."""
    amount = 1.0
    for _ in range(20):
        spoiled = np.clip(image + amount * error, 0, 1)
        amount *= ENERGY / np.sqrt(np.mean(np.square(spoiled - image)))
    return spoiled


# A file holds about the 2.2th root of the light: a transform that makes what the eye is equally
# sensitive to equally large, as Anscombe's makes the noise of photons.
def light_of(values: np.ndarray) -> np.ndarray:
    return values**2.2


def spoil_light(error: np.ndarray) -> np.ndarray:
    return spoil(light_of(clean), error) ** (1 / 2.2)


def wave(period: float) -> np.ndarray:
    return np.tile(np.sin(2 * np.pi * np.arange(clean.shape[1]) / period), (len(clean), 1))


# How much goes on around a pixel.
activity = np.asarray(jd.bilateral(np.abs(clean - jd.tv(clean, 0.2)), 1.0, sigma_spatial=2.0))
busy = activity > np.quantile(activity, 0.6)

panels = {
    "Weber: noise of equal energy in all light": spoil_light(white),
    "Weber: photon noise, more where there is light": spoil_light(np.sqrt(light_of(clean)) * white),
    "contrast sensitivity: 8 pixels a period": spoil(clean, wave(8)),
    "contrast sensitivity: 128 pixels a period": spoil(clean, wave(128)),
    "masking: noise where it is smooth": spoil(clean, white * ~busy),
    "masking: noise where it is busy": spoil(clean, white * busy),
}


def psnr(image: np.ndarray) -> str:
    return f"PSNR {jd.psnr(image, clean, data_range=1):.1f}"


def psnr_of_light(image: np.ndarray) -> str:
    light = (light_of(np.clip(values, 0, 1)) for values in (image, clean))
    return f"PSNR of the light {jd.psnr(*light, data_range=1):.1f}"


def verdict(image: np.ndarray, energy: Callable[[np.ndarray], str] = psnr) -> str:
    perceived = (
        f"{name} {metric(image, clean, data_range=1):.3f}"
        for name, metric in {"SSIM": jd.ssim, "MS-SSIM": jd.ms_ssim, "NLPD": jd.nlpd}.items()
    )
    return "   ".join([energy(image), *perceived])


verdicts = {
    name: verdict(image, psnr_of_light if name.startswith("Weber") else psnr)
    for name, image in panels.items()
}

sigma = 25 / 255
noisy = clean + sigma * white
tune = partial(jd.tune, jd.nlm, noisy, sigma, jd.strengths("nlm", sigma))
results = {"noise of 25 of 255": noisy}
for name, objective in {
    "the mean squared error": lambda x: -jd.mse(x, clean),
    "MS-SSIM": lambda x: jd.ms_ssim(x, clean, data_range=1),
}.items():
    tuned = tune(objective=objective)
    h = 255 * tuned.parameters["h"]
    results[f"nlm tuned for {name}: h = {h:.1f} of 255"] = np.asarray(tuned.image)
verdicts |= {name: verdict(image) for name, image in results.items()}

figure = Figure(figsize=(15, 16.2), layout="constrained")
grid = figure.subplots(3, 3)
shown = zip([*grid[:, :2].flat, *grid[:, 2]], (panels | results).items(), strict=True)
for axes, (name, image) in shown:
    print(f"{name}: {verdicts[name]}")
    values = np.clip(image, 0, 1)
    axes.imshow(values, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(f"{name}\n{verdicts[name]}", fontsize=10)
    axes.set_axis_off()
figure.savefig(output, dpi=90)
print(f"wrote {output}")
