"""A batch with a noise level for each image, and an image with a noise level for each pixel.

Run `python examples/batch_and_noise_map.py --output batch_and_noise_map.png`.
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from skimage.data import brick, camera, coins, moon

import jaxdenoise as jd

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--output", type=Path, default=Path("batch_and_noise_map.png"))
output = parser.parse_args().output


def psnr(image, clean):
    return jd.psnr(jnp.clip(image, 0, 1), clean, data_range=1)


# One call denoises four photographs. Nothing in the library knows about batches: `jax.vmap` gives
# every image its own sigma, and still compiles one program.
batch = jnp.stack([photo()[:256, :256] for photo in (brick, camera, coins, moon)]) / 255
sigmas = jnp.array([10, 20, 30, 40]) / 255
keys = jax.random.split(jax.random.key(0), len(batch))
noisy_batch = jax.vmap(lambda key, x, s: jd.Gaussian(s).sample(key, x))(keys, batch, sigmas)
denoised_batch = jax.vmap(jd.nlm)(noisy_batch, sigmas)

# A lens darkens the corners; brightening them again brightens their noise. Such noise has a map,
# which goes where sigma goes.
clean = jnp.asarray(camera(), jnp.float32) / 255
y, x = jnp.meshgrid(*(jnp.linspace(-1, 1, n) for n in clean.shape), indexing="ij")
noise_map = (5 + 25 * (x**2 + y**2)) / 255
noisy = jd.Gaussian(noise_map).sample(jax.random.key(1), clean)
mean = jnp.mean(noise_map)
results = {
    "noisy": noisy,
    f"scalar sigma, {255 * mean:.0f}/255": jd.nlm(noisy, mean),
    "map of sigma": jd.nlm(noisy, noise_map),
}

figure = Figure(figsize=(15, 15.5), layout="constrained")
axes = figure.subplots(4, 4)
gray = {"cmap": "gray", "vmin": 0, "vmax": 1, "interpolation": "nearest"}

for panel, *images, sigma in zip(axes[0], batch, noisy_batch, denoised_batch, sigmas, strict=True):
    truth, before, after = images
    title = f"sigma {255 * sigma:.0f}: "
    title += f"noisy {psnr(before, truth):.2f} | nlm {psnr(after, truth):.2f} dB"
    print(title)
    panel.set_title(title)
    half = truth.shape[1] // 2
    panel.imshow(jnp.hstack([before[:, :half], after[:, half:]]), **gray)

axes[1, 0].set_title("noise map: sigma of 255")
shown = axes[1, 0].imshow(255 * noise_map)
figure.colorbar(shown, ax=axes[1, 0], location="left")
for (name, image), column in zip(results.items(), axes[1:, 1:].T, strict=True):
    title = f"{name}: {psnr(image, clean):.2f} dB"
    print(title)
    column[0].set_title(title)
    column[0].imshow(image, **gray)
regions = {"centre": np.s_[206:306, 206:306], "corner": np.s_[400:500, 360:460]}
for row, (region, where) in zip(axes[2:], regions.items(), strict=True):
    row[0].set_title(f"{region}, clean")
    row[0].imshow(clean[where], **gray)
    for panel, (name, image) in zip(row[1:], results.items(), strict=True):
        title = f"{region}: {psnr(image[where], clean[where]):.2f} dB"
        print(f"{name}, {title}")
        panel.set_title(title)
        panel.imshow(image[where], **gray)

for panel in axes.flat:
    panel.set_axis_off()
figure.savefig(output, dpi=100)
print(f"wrote {output}")
