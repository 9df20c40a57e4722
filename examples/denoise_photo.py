"""Denoise a colour photograph with two methods and look at a detail.

Run `python examples/denoise_photo.py --output denoise_photo.png`.
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from skimage.data import chelsea

import jaxdenoise as jd

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--output", type=Path, default=Path("denoise_photo.png"))
output = parser.parse_args().output

# The library never rescales: sigma is in the units of the image, here [0, 1].
clean = jnp.asarray(chelsea(), jnp.float32) / 255
sigma = 25 / 255
noisy = jd.Gaussian(sigma).sample(jax.random.key(0), clean)

# The channels of one pixel belong together: they share one weight (nlm) or one edge (tv).
images = {
    "clean": clean,
    "noisy": noisy,
    "nlm, patchwise": jd.nlm(noisy, sigma, variant="patch", channel_axis=-1),
    "tv": jd.tv(noisy, sigma, channel_axis=-1),
}

figure = Figure(figsize=(16, 5.7), layout="constrained")
axes = figure.subplots(2, len(images))
rows, columns = slice(85, 147), slice(130, 222)
for (name, image), (above, below) in zip(images.items(), axes.T, strict=True):
    shown = np.clip(image, 0, 1)
    title = name
    if name != "clean":
        psnr = jd.psnr(shown, clean, data_range=1)
        ssim = jd.ssim(shown, clean, data_range=1, channel_axis=-1)
        title = f"{name}: {psnr:.2f} dB, SSIM {ssim:.3f}"
        print(title)
    above.set_title(title)
    above.imshow(shown)
    frame = (columns.start, rows.start), columns.stop - columns.start, rows.stop - rows.start
    above.add_patch(Rectangle(*frame, fill=False, color="white"))
    below.imshow(shown[rows, columns], interpolation="nearest")
    above.set_axis_off()
    below.set_axis_off()
figure.savefig(output, dpi=120)
print(f"wrote {output}")
