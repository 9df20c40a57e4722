"""Train a small DnCNN in a minute, once with clean images and once without any.

Five photographs get new noise for every batch. One network descends its mean squared error, which
takes the clean photographs; the other Stein's unbiased estimate of it, which takes the noisy ones
alone. Both then denoise a sixth photograph, like every other denoiser: `denoiser(image, sigma)`.

Run `python examples/train_denoiser.py --output train_denoiser.png`.
"""

import argparse
from pathlib import Path

import jax
import numpy as np
import optax
from matplotlib.figure import Figure
from skimage import data
from skimage.color import rgb2gray

import jaxdenoise as jd
from jaxdenoise import learn

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--output", type=Path, default=Path("train_denoiser.png"))
parser.add_argument("--epochs", type=int, default=7)
parser.add_argument("--steps", type=int, default=50, help="of an epoch")
arguments = parser.parse_args()
# `fit` shares a batch among devices, and the cores of a processor are one unless it is said.
jax.config.update("jax_num_cpu_devices", 2)

SIGMA = 25 / 255
photographs = [
    rgb2gray(data.astronaut()),
    rgb2gray(data.chelsea()),
    rgb2gray(data.coffee()),
    data.coins() / 255,
    data.moon() / 255,
]
pairs = [(x[None].astype(np.float32),) * 2 for x in photographs]
noise = learn.AddNoise(SIGMA, SIGMA, unit=True)
turn = learn.Augment(horizontal_flip=True, vertical_flip=True)


def trained(name, loss, *last):
    """What a network learns from batches of random parts, noisy anew every time."""
    batches = learn.Batches(
        pairs * 4, 16, crop=(48, 48), transform=learn.chained(turn, noise, *last)
    )
    network = learn.DnCNN.initialise(jax.random.key(0), width=32, depth=6)
    rate = optax.cosine_decay_schedule(3e-3, arguments.epochs * arguments.steps)
    with learn.ProgressBar(lambda line: print(f"{name}, {line}")) as bar:
        return learn.fit(
            learn.AtUnitNoise(learn.Denoiser(network)),
            batches,
            loss=loss,
            optimizer=optax.adam(rate),
            epochs=arguments.epochs,
            steps_per_epoch=arguments.steps,
            callbacks=[bar],
        )


supervised = trained("clean images", jd.mse)
alone = trained("noisy images alone", learn.sure_loss, learn.Probe())

clean = data.camera()[64:320, 100:356].astype(np.float32) / 255
noisy = np.asarray(jd.Gaussian(SIGMA).sample(jax.random.key(7), clean))
results = {
    "noisy": noisy,
    "nlm": jd.nlm(noisy, SIGMA),
    "DnCNN, clean images": supervised.model.denoiser(noisy, SIGMA),
    "DnCNN, noisy images alone": alone.model.denoiser(noisy, SIGMA),
}

figure = Figure(figsize=(15, 6.2), layout="constrained")
grid = figure.add_gridspec(2, 5, width_ratios=[1, 1, 1, 1, 1.15])
detail = np.s_[38:118, 100:180]
for column, (name, image) in enumerate(results.items()):
    psnr = jd.psnr(np.clip(image, 0, 1), clean, data_range=1)
    print(f"{name}: {psnr:.2f} dB")
    for row, part in enumerate((np.s_[:, :], detail)):
        axes = figure.add_subplot(grid[row, column])
        axes.imshow(image[part], cmap="gray", vmin=0, vmax=1)
        axes.set_axis_off()
        axes.set_title(f"{name}\n{psnr:.2f} dB" if row == 0 else "", fontsize=11)
axes = figure.add_subplot(grid[:, 4])
for name, fitted in {"mean squared error": supervised, "SURE, from noisy images": alone}.items():
    axes.plot(
        [row["epoch"] for row in fitted.history],
        [row["loss"] for row in fitted.history],
        marker="o",
        label=name,
    )
axes.set(xlabel="epoch", ylabel="loss, in units of the noise's variance", yscale="log")
axes.legend()
axes.grid(alpha=0.3)
figure.savefig(arguments.output, dpi=90)
print(f"wrote {arguments.output}")
