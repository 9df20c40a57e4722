"""Choose the parameters of non-local means by gradient descent instead of a grid.

The defaults assume white noise. Interpolation, as in a camera or after registration, leaves noise
whose neighbours are correlated, and no default fits that. But where a clean and a noisy crop are at
hand, the filter is differentiable: follow the gradient of the error with respect to sigma and h,
and use what comes out beyond the crop.

Run `python examples/tune_nlm.py --output tune_nlm.png`.
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.scipy.signal import convolve
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from skimage.data import cell

import jaxdenoise as jd

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--output", type=Path, default=Path("tune_nlm.png"))
parser.add_argument("--steps", type=int, default=120, help="of the descent")
arguments = parser.parse_args()

clean = jnp.asarray(cell(), jnp.float32) / 255
white = jax.random.normal(jax.random.key(0), clean.shape)
# Interpolation by a small kernel; its squares sum to 1, which keeps the standard deviation.
kernel = jnp.outer(jnp.array([1, 2, 1]), jnp.array([1, 2, 1])) / 6
noisy = clean + 25 / 255 * convolve(white, kernel, mode="same")

crop = np.s_[300:428, 300:428]
sigma = jnp.std(noisy[crop] - clean[crop])
# Descend in the logarithms: both stay positive, and a step is a percentage.
start = {"sigma": jnp.log(sigma), "h": jnp.log(0.9 * sigma)}  # 0.9 sigma: the default of jd.nlm


def denoise(parameters, image):
    return jd.nlm(image, jnp.exp(parameters["sigma"]), h=jnp.exp(parameters["h"]))


def loss(parameters):
    return jd.mse(denoise(parameters, noisy[crop]), clean[crop])


optimiser = optax.adam(0.05)


@jax.jit
def step(parameters, state):
    error, gradient = jax.value_and_grad(loss)(parameters)
    updates, state = optimiser.update(gradient, state)
    return optax.apply_updates(parameters, updates), state, error


parameters, state, errors = start, optimiser.init(start), []
for _ in range(arguments.steps):
    parameters, state, error = step(parameters, state)
    errors.append(float(error))

for name, found in {"start": start, "tuned": parameters}.items():
    s, h = (255 * jnp.exp(found[key]) for key in ("sigma", "h"))
    print(f"{name}: sigma {s:.1f}/255, h {h:.1f}/255, mse of the crop {loss(found):.2e}")

figure = Figure(figsize=(16, 4.3), layout="constrained")
curve, *panels = figure.subplots(1, 4)
curve.set_title("error of the framed crop")
curve.plot(errors)
curve.set_ylim(bottom=0)
curve.set_xlabel("step")
curve.set_ylabel("mean squared error")
curve.grid(alpha=0.3)
results = {
    "noisy": noisy,
    "default": jd.nlm(noisy, sigma),
    "tuned": denoise(parameters, noisy),
}
# Four times the crop, to see that nothing was fitted to the crop alone.
view = np.s_[250:506, 290:546]
for panel, (name, image) in zip(panels, results.items(), strict=True):
    shown = np.clip(image[view], 0, 1)
    title = f"{name}: {jd.psnr(shown, clean[view], data_range=1):.2f} dB"
    print(title)
    panel.set_title(title)
    panel.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    panel.set_axis_off()
corner = crop[1].start - view[1].start, crop[0].start - view[0].start
panels[0].add_patch(Rectangle(corner, 128, 128, fill=False, color="white", linewidth=2))
figure.savefig(arguments.output, dpi=120)
print(f"wrote {arguments.output}")
