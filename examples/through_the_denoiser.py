"""Deblur with a denoiser as the prior, and learn the schedule by gradients through the denoiser.

Plug-and-play deblurring alternates two steps. A proximal step explains the blurred image y,

    z = argmin |k * z - y|^2 / (2 sigma^2) + |z - x|^2 / (2 gamma_t^2),

and a denoiser of strength s_t makes an image of z: x = subspace(z, s_t). By hand one takes a
geometric series for s_t, and gamma_t in proportion to it, in eight steps or more. But the whole
chain is differentiable: unroll only three steps, and descend along the gradient of the error after
the last one, on a small crop of one photograph. What was learned is tried on another photograph.

Run `python examples/through_the_denoiser.py --output through_the_denoiser.png`; takes a minute.
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from matplotlib.figure import Figure
from skimage.data import camera, coins

import jaxdenoise as jd

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--output", type=Path, default=Path("through_the_denoiser.png"))
parser.add_argument("--side", type=int, default=192, help="of the photograph it is tried on")
parser.add_argument("--steps", type=int, default=40, help="of the descent")
arguments = parser.parse_args()

sigma = 2 / 255
train = jnp.asarray(coins()[20:84, 210:274], jnp.float32) / 255
test = camera()[60:, 150:][: arguments.side, : arguments.side].astype(np.float32) / 255


def blur_response(shape):
    """The Fourier transform of a box of 9 x 9 pixels around the origin, of a periodic image."""
    box = np.zeros(shape)
    box[:9, :9] = 1 / 81
    return jnp.fft.fft2(np.roll(box, (-4, -4), axis=(0, 1)))


def blur(key, clean):
    blurred = jnp.fft.ifft2(blur_response(clean.shape) * jnp.fft.fft2(clean)).real
    return blurred + sigma * jax.random.normal(key, clean.shape)


def deblur(schedule, blurred):
    """Unrolled half-quadratic splitting; the schedule holds the logarithms of gamma and s."""
    response = blur_response(blurred.shape)
    explained = jnp.conj(response) * jnp.fft.fft2(blurred) / sigma**2
    power = jnp.square(jnp.abs(response)) / sigma**2

    def iterate(x, step):
        gamma, s = jnp.exp(step["gamma"]), jnp.exp(step["s"])
        z = jnp.fft.ifft2((explained + jnp.fft.fft2(x) / gamma**2) / (power + 1 / gamma**2)).real
        return jd.subspace(z, s), None

    return lax.scan(iterate, blurred, schedule)[0]


# By hand: from 49/255 down to sigma, and lambda = 0.23 (Zhang et al., "Plug-and-play image
# restoration with deep denoiser prior", TPAMI 2021).
s = np.geomspace(49 / 255, sigma, 3).astype(np.float32)
by_hand = {"gamma": jnp.log(s / np.sqrt(0.23, dtype=s.dtype)), "s": jnp.log(s)}

train_blurred = blur(jax.random.key(0), train)
optimiser = optax.adam(0.2)


def loss(schedule):
    return jd.mse(deblur(schedule, train_blurred), train)


@jax.jit
def descend(schedule, state):
    error, gradient = jax.value_and_grad(loss)(schedule)
    updates, state = optimiser.update(gradient, state)
    return optax.apply_updates(schedule, updates), state, error


schedule, state, errors = by_hand, optimiser.init(by_hand), []
for _ in range(arguments.steps):
    schedule, state, error = descend(schedule, state)
    errors.append(float(error))
print(f"error of the crop: {errors[0]:.2e}, learned {errors[-1]:.2e}")

test_blurred = blur(jax.random.key(1), test)
apply = jax.jit(deblur)
panels = {
    "blurred": test_blurred,
    "schedule by hand": apply(by_hand, test_blurred),
    "learned schedule": apply(schedule, test_blurred),
    "clean": test,
}

figure = Figure(figsize=(17, 4.2), layout="constrained")
curves, *axes = figure.subplots(1, 5)
curves.set_title("the schedule")
numbers = range(1, len(s) + 1)
for name, found, style in (("by hand", by_hand, "o--"), ("learned", schedule, "o-")):
    curves.semilogy(numbers, 255 * np.exp(found["s"]), f"C3{style}", label=f"s {name}")
    curves.semilogy(numbers, 255 * np.exp(found["gamma"]), f"C0{style}", label=f"gamma {name}")
curves.set_xlabel("step")
curves.set_xticks(numbers)
curves.set_ylabel("in units of 1/255")
curves.grid(alpha=0.3)
curves.legend()
for panel, (name, image) in zip(axes, panels.items(), strict=True):
    shown = np.clip(image, 0, 1)
    title = name
    if name != "clean":
        title = f"{name}: {jd.psnr(shown, test, data_range=1):.2f} dB"
        print(title)
    panel.set_title(title)
    panel.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    panel.set_axis_off()
figure.savefig(arguments.output, dpi=120)
print(f"wrote {arguments.output}")
