"""Two photons a pixel: the most probable image, the mean of the posterior, and how sure it is.

The posterior's standard deviation, made of the counts alone, beside the true error.

Run `python examples/photon_limited.py --output photon_limited.png`.
"""

import argparse
from pathlib import Path

import jax
import numpy as np
from matplotlib.figure import Figure
from skimage.data import camera

import jaxdenoise as jd

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--output", type=Path, default=Path("photon_limited.png"))
parser.add_argument("--side", type=int, default=192, help="of the detail, in pixels")
parser.add_argument("--warmup", type=int, default=100)
parser.add_argument("--samples", type=int, default=200)
arguments = parser.parse_args()

clean = camera()[60:, 140:][: arguments.side, : arguments.side].astype(np.float32) / 255
noise = jd.Poisson(peak=2.0)  # two photons where the image is 1
counts = noise.sample(jax.random.key(0), clean)

prior = jd.default_prior(counts, noise)
most_probable = jd.map_estimate(counts, noise, prior).image
draws = jd.sample(
    jax.random.key(1),
    counts,
    noise,
    prior,
    num_warmup=arguments.warmup,
    num_samples=arguments.samples,
)
error = np.abs(draws.mean - clean)
low, high = draws.quantiles
coverage = np.mean((low <= clean) & (clean <= high))
print(f"acceptance {draws.acceptance:.2f}, {draws.divergences} divergences, ", end="")
print(f"R-hat {draws.r_hat.max():.3f}, least effective sample size {draws.ess.min():.0f}")
print(f"{100 * coverage:.1f} % of the pixels lie in their 90 % intervals")


def titled(name: str, image) -> str:
    return f"{name}: {jd.psnr(np.clip(image, 0, 1), clean, data_range=1):.2f} dB"


# Of the errors in units of the standard deviation, two in three should be below 1.
largest = 2.5 * float(draws.std.mean())
panels = {
    titled("counts", counts): (counts, 1, "gray"),
    titled("MAP", most_probable): (most_probable, 1, "gray"),
    titled("posterior mean", draws.mean): (draws.mean, 1, "gray"),
    f"standard deviation, {draws.std.mean():.3f} on average": (draws.std, largest, "magma"),
    f"true error, root mean square {np.sqrt(np.mean(error**2)):.3f}": (error, largest, "magma"),
}
figure = Figure(figsize=(20, 4.6), layout="constrained")
for axes, (title, shown) in zip(figure.subplots(1, 5), panels.items(), strict=True):
    image, white, colours = shown
    print(title)
    picture = axes.imshow(image, cmap=colours, vmin=0, vmax=white, interpolation="nearest")
    axes.set_title(title, fontsize=11)
    axes.set_axis_off()
    if colours != "gray":
        figure.colorbar(picture, ax=axes, shrink=0.85)
figure.savefig(arguments.output, dpi=100)
print(f"wrote {arguments.output}")
