"""Remove cosmic rays, dead pixels and noise from a photograph of the sky, and say where they were.

Stars and galaxies are no sharper than the point-spread function and stay, so nearly all that is
found is an outlier. Faint outliers and parts of broad tracks are missed: the recall says how many.

Run `python examples/cosmic_rays.py --output cosmic_rays.png`.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from skimage.color import rgb2gray
from skimage.data import hubble_deep_field
from skimage.draw import line

import jaxdenoise as jd

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--output", type=Path, default=Path("cosmic_rays.png"))
parser.add_argument("--side", type=int, default=400, help="of the detail, at most, in pixels")
arguments = parser.parse_args()

# A detail of the Hubble Deep Field, as one exposure would have seen it: noise from the read-out,
# tracks of cosmic rays of any energy, hot and dead pixels.
detail = hubble_deep_field()[330:650, 300:700][: arguments.side, : arguments.side]
clean = rgb2gray(detail).astype(np.float32)
sigma = 0.02
rng = np.random.default_rng(1)
exposure = clean + sigma * rng.normal(size=clean.shape).astype(np.float32)
for _ in range(150):
    start = rng.integers(0, clean.shape)
    angle, length = rng.uniform(0, np.pi), rng.exponential(6)
    end = np.rint(start + length * np.array([np.sin(angle), np.cos(angle)])).astype(int)
    rows, columns = line(*start, *end)
    inside = (rows < clean.shape[0]) & (columns >= 0) & (columns < clean.shape[1])
    exposure[rows[inside], columns[inside]] += rng.uniform(0.2, 1) * rng.uniform(
        0.5, 1, size=inside.sum()
    )
hot = rng.random(clean.shape) < 0.003
exposure[hot] = rng.uniform(0.3, 1, size=hot.sum())
bad = np.abs(exposure - clean) > 5 * sigma
# The camera's list of bad pixels knows of one column.
dead = np.zeros(clean.shape, bool)
dead[:, clean.shape[1] // 2] = True
exposure[dead] = 0

restored = jd.robust_subspace(exposure, sigma, mask=dead)
probability = np.asarray(jd.detect_outliers(exposure, sigma, mask=dead))

found, true = (probability > 0.5) & ~dead, bad & ~dead
precision = np.sum(found & true) / np.sum(found)
recall = np.sum(found & true) / np.sum(true)
plain = jd.subspace(exposure, sigma)
print(f"{true.sum()} outliers: precision {precision:.3f}, recall {recall:.3f}")

# Found is white, missed is red, falsely found is blue; the masked column grey.
verdict = np.zeros((*clean.shape, 3))
verdict[found & true] = 1
verdict[true & ~found] = 1, 0.2, 0.2
verdict[found & ~true] = 0.3, 0.5, 1
verdict[dead] = 0.4


def titled(name: str, image: np.ndarray) -> str:
    return f"{name}: {jd.psnr(image, clean, data_range=1):.2f} dB"


panels = {
    titled("exposure", exposure): exposure,
    titled("subspace", plain): plain,
    titled("robust_subspace", restored): restored,
    f"found {precision:.2f} precise, {recall:.2f} complete; missed red, false blue": verdict,
}
figure = Figure(figsize=(13, 11), layout="constrained")
for axes, (title, image) in zip(figure.subplots(2, 2).flat, panels.items(), strict=True):
    print(title)
    # Faint galaxies show by the square root.
    axes.imshow(np.sqrt(np.clip(image, 0, 1)), cmap="gray", interpolation="nearest")
    axes.set_title(title)
    axes.set_axis_off()
figure.savefig(arguments.output, dpi=100)
print(f"wrote {arguments.output}")
