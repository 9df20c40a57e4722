"""Segment noisy cells: a U-Net alone, behind a denoiser, and behind one that the Dice loss trains.

Non-local means in front of the network is one more layer, whose sigma and h are parameters: the
gradient of the segmentation's loss reaches them through the network. What they become is what the
network can use best, not what is least noisy: training gives back what the frozen one smooths away.

Run `python examples/segment_through_denoiser.py --output segment_through_denoiser.png`.
"""

import argparse
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import optax
from matplotlib.figure import Figure

from jaxdenoise import learn

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--output", type=Path, default=Path("segment_through_denoiser.png"))
parser.add_argument("--side", type=int, default=96, help="of an image, in pixels")
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--steps", type=int, default=15, help="of an epoch")
arguments = parser.parse_args()
# `fit` shares a batch among devices, and the cores of a processor are one unless it is said.
jax.config.update("jax_num_cpu_devices", 2)

SIDE, SIGMA = arguments.side, 0.4


def cells(number):
    """An image of cells, a little brighter than what is between, and the mask of them."""
    rng = np.random.default_rng(number)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    mask = np.zeros((SIDE, SIDE), bool)
    for _ in range(9):
        y, x, turn = rng.uniform(0, SIDE), rng.uniform(0, SIDE), rng.uniform(0, np.pi)
        long, short = rng.uniform(9, 16), rng.uniform(6, 11)
        across = (rows - y) * np.cos(turn) + (columns - x) * np.sin(turn)
        along = (columns - x) * np.cos(turn) - (rows - y) * np.sin(turn)
        mask |= (along / long) ** 2 + (across / short) ** 2 < 1
    shade = 0.1 * np.sin(rows / rng.uniform(9, 20)) + 0.1 * np.sin(columns / rng.uniform(9, 20))
    image = 0.35 + shade + 0.25 * mask
    return image[None].astype(np.float32), mask.astype(np.int32)


train = learn.Generated(cells, 24)
val, test = ([cells(k) for k in range(first, first + 8)] for first in (100, 200))
noise = learn.AddNoise(SIGMA, SIGMA)
turn = learn.Augment(horizontal_flip=True, vertical_flip=True)


def loss(logits, labels):
    return learn.dice_loss(logits, labels) + learn.cross_entropy(logits, labels)


def dice(logits, labels):
    return learn.dice_per_class(logits, labels)[1]


def noisy(pairs, seed):
    """A batch of all of them, with noise that is the same for everyone."""
    (batch,) = learn.Batches(pairs, len(pairs), transform=noise, epochs=1, shuffle=False, seed=seed)
    return batch


def trained(name, first):
    network = learn.UNet.initialise(jax.random.key(0), width=8, depth=3)
    model = network if first is None else learn.Through(first, network)
    batches = learn.Batches(train, 4, transform=learn.chained(turn, noise))
    checked = learn.Batches(val, 8, transform=noise, epochs=1, shuffle=False, seed=1)
    rate = optax.cosine_decay_schedule(5e-3, arguments.epochs * arguments.steps)
    with learn.ProgressBar(lambda line: print(f"{name}, {line}")) as bar:
        return learn.fit(
            model,
            batches,
            checked,
            loss=loss,
            metrics={"dice": dice},
            optimizer=optax.adam(rate),
            epochs=arguments.epochs,
            steps_per_epoch=arguments.steps,
            callbacks=[bar],
        )


def front(frozen):
    return learn.Learnable.initialise("nlm", sigma=SIGMA, frozen=frozen)


fits = {
    "alone": trained("alone", None),
    "behind frozen nlm": trained("frozen", front(frozen=True)),
    "behind trained nlm": trained("trained", front(frozen=False)),
}
inputs, labels = noisy(test, seed=2)
figure = Figure(figsize=(16, 6.6), layout="constrained")
grid = figure.add_gridspec(2, 5, width_ratios=[1, 1, 1, 1, 1.5])


def show(row, column, image, title, **given):
    axes = figure.add_subplot(grid[row, column])
    axes.imshow(image, cmap="gray", **given)
    axes.set_axis_off()
    axes.set_title(title, fontsize=10)


shown = {"vmin": 0, "vmax": 1}
show(0, 0, test[0][0][0], f"without noise, whose sigma is {SIGMA:g}", **shown)
show(1, 0, labels[0], "true cells")
curves = figure.add_subplot(grid[0, 4])
strengths = figure.add_subplot(grid[1, 4])
for column, (name, fitted) in enumerate(fits.items(), start=1):
    logits = eqx.filter_jit(eqx.filter_vmap(fitted.model))(inputs)
    score = float(np.mean(jax.vmap(dice)(logits, labels)))
    print(f"{name}: Dice {score:.3f} on test images")
    seen, what = inputs[0, 0], "what it sees"
    if isinstance(fitted.model, learn.Through):
        seen = fitted.model.denoiser(inputs[0])[0]
        now = {k: float(v) for k, v in fitted.model.denoiser.parameters().items()}
        what += ": " + ", ".join(f"{k} {v:.3f}" for k, v in now.items())
    show(0, column, seen, f"{name}\n{what}", **shown)
    show(1, column, logits[0, 0] > 0, f"test Dice {score:.3f}")
    epochs, values = zip(*((r["epoch"], r["val_dice"]) for r in fitted.history), strict=True)
    curves.plot(epochs, values, "o-", label=name)
curves.set(xlabel="epoch", ylabel="Dice on validation images")
curves.legend()
curves.grid(alpha=0.3)
started = front(frozen=True).parameters()
ended = fits["behind trained nlm"].model.denoiser.parameters()
names = list(started)
strengths.bar(np.arange(len(names)) - 0.2, [started[k] for k in names], 0.4, label="default")
strengths.bar(np.arange(len(names)) + 0.2, [ended[k] for k in names], 0.4, label="trained")
strengths.set_xticks(range(len(names)), names)
strengths.set(ylabel="strengths of nlm", ylim=(0, 0.5))
strengths.legend()
figure.savefig(arguments.output, dpi=90)
print(f"wrote {arguments.output}")
