"""Are error bars what they say? Nominal against true coverage of the posterior's intervals.

An interval of nominal 90 % should hold the true value of nine pixels in ten, whatever the noise is;
and pixels of a large standard deviation should be far off more often than others.

Run `python examples/how_sure.py --output how_sure.png`.
"""

import argparse
from pathlib import Path

import jax
import numpy as np
from matplotlib.figure import Figure
from skimage.data import camera

import jaxdenoise as jd

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--output", type=Path, default=Path("how_sure.png"))
parser.add_argument("--side", type=int, default=192, help="of the detail, in pixels")
parser.add_argument("--warmup", type=int, default=100)
parser.add_argument("--samples", type=int, default=200)
arguments = parser.parse_args()

clean = camera()[60:, 140:][: arguments.side, : arguments.side].astype(np.float32) / 255
NOISES = {"Gaussian 25 of 255": jd.Gaussian(25 / 255), "4 photons": jd.Poisson(4.0)}
NOMINAL = np.array([0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95])
# Both ends of every central interval.
ENDS = tuple(float(q) for q in np.concatenate([0.5 - NOMINAL / 2, 0.5 + NOMINAL / 2]))

figure = Figure(figsize=(12, 5.4), layout="constrained")
coverage_axes, error_axes = figure.subplots(1, 2)
for number, (name, noise) in enumerate(NOISES.items()):
    noisy = noise.sample(jax.random.key(number), clean)
    prior = jd.default_prior(noisy, noise)
    draws = jd.sample(
        jax.random.key(1),
        noisy,
        noise,
        prior,
        num_warmup=arguments.warmup,
        num_samples=arguments.samples,
        quantiles=ENDS,
    )
    low, high = draws.quantiles[: len(NOMINAL)], draws.quantiles[len(NOMINAL) :]
    held = np.mean((low <= clean[None]) & (clean[None] <= high), axis=(1, 2))
    print(f"{name}: R-hat {draws.r_hat.max():.3f}, 90 % intervals hold {100 * held[-2]:.1f} %")
    coverage_axes.plot(NOMINAL, held, "o-", label=f"{name}: {100 * held[-2]:.1f} % at 90 %")
    # Pixels in ten groups by their standard deviation.
    order = np.argsort(np.asarray(draws.std), axis=None)
    tenths = np.array_split(order, 10)
    error = np.asarray(draws.mean - clean).ravel()
    expected = [np.sqrt(np.mean(np.asarray(draws.std).ravel()[t] ** 2)) for t in tenths]
    true = [np.sqrt(np.mean(error[t] ** 2)) for t in tenths]
    error_axes.loglog(expected, true, "o-", label=name)

coverage_axes.plot([0, 1], [0, 1], color="grey", linestyle="--", label="as they say")
coverage_axes.set(xlabel="nominal coverage", ylabel="share of the pixels in the interval")
error_axes.axline((0.02, 0.02), (0.1, 0.1), color="grey", linestyle="--", label="as they say")
error_axes.set(xlabel="posterior standard deviation", ylabel="root mean square error")
error_axes.set_title("pixels in ten groups by their standard deviation")
coverage_axes.set_title("intervals")
for axes in (coverage_axes, error_axes):
    axes.legend()
    axes.grid(alpha=0.3)
figure.savefig(arguments.output, dpi=100)
print(f"wrote {arguments.output}")
