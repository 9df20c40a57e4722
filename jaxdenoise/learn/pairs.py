"""Pairs of input and target, one at a time, and how they become noisy ones."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import PRNGKeyArray

from jaxdenoise._core.checks import check_count
from jaxdenoise.files.errors import InputError
from jaxdenoise.files.pages import Page, full_scale
from jaxdenoise.files.pictures import read_picture
from jaxdenoise.learn.folders import PARTS, folder_of, paired
from jaxdenoise.noise import Gaussian, NoiseModel, estimate_sigma

# Of red, green and blue in grey (ITU-R BT.709).
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
# A quarter of what rounding to 8 bits does.
_LEAST_NOISE = 0.25 * 12**-0.5 / 255


class FolderPairs:
    """The pairs of one part of a split, read when asked for: `pairs[k]`, `len(pairs)`.

    **Arguments:**

    - `split`: the folder that `split_folders` made.
    - `part`: `"train"`, `"val"` or `"test"`.
    - `inputs`, `targets`: the names of the two folders, as in `split_folders`. Without `targets`,
        `None`, the input is its own target.
    - `classes`: of targets that are masks; `None` where targets are images. Masks hold the numbers
        of classes; of two classes also black and white, or any two levels: where there are more,
        what is above half of full scale is the second.
    - `shape`: height and width that all are resized to, images linearly, masks by the nearest
        pixel; `None` to leave them.
    - `colour`: three channels, or one: grey images become three equal ones, colours their
        luminance.

    **Returns:** of a pair, the input, (channels, height, width), of 32-bit floats from 0 to 1 (full
    scale; floats are left as they are), and the target, the same or labels, int32 of (height,
    width).

    **Raises:** `InputError`, which names the file, for what `split_folders` refuses, files that
    cannot be read, targets of another size than their input, and labels beyond the classes;
    `ValueError` for an unknown part.
    """

    def __init__(
        self,
        split: str | Path,
        part: str,
        *,
        inputs: str = "frames",
        targets: str | None = "masks",
        classes: int | None = 2,
        shape: tuple[int, int] | None = None,
        colour: bool = False,
    ):
        if part not in PARTS:
            raise ValueError(f"part must be one of {', '.join(PARTS)}, got {part!r}")
        for name, count in (("classes", classes), *(("shape", n) for n in shape or ())):
            if count is not None:
                check_count(count, name=name)
        if targets is None and classes is not None:
            raise ValueError(f"classes must be None without targets, got {classes}")
        folders = [folder_of(split, part, kind) for kind in (inputs, targets) if kind is not None]
        self.files = paired(folders[0], folders[-1])
        self.classes, self.shape, self.colour = classes, shape, colour

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        input_file, target_file = self.files[index]
        image = read_image(input_file, colour=self.colour)
        if self.classes is None:
            target = read_image(target_file, colour=self.colour)
        else:
            target = _read_labels(target_file, self.classes)
        if image.shape[-2:] != target.shape[-2:]:
            raise InputError(
                f"{target_file}: is {target.shape[-2]} x {target.shape[-1]}, and {input_file} "
                f"{image.shape[-2]} x {image.shape[-1]} pixels"
            )
        return self._resized(image), self._resized(target)

    def _resized(self, x: np.ndarray) -> np.ndarray:
        if self.shape is None or x.shape[-2:] == self.shape:
            return x
        from PIL import Image

        how = Image.Resampling.BILINEAR if x.dtype == np.float32 else Image.Resampling.NEAREST
        height, width = self.shape
        planes = x.reshape(-1, *x.shape[-2:])
        resized = [Image.fromarray(plane).resize((width, height), how) for plane in planes]
        return np.stack([np.asarray(r) for r in resized]).reshape(*x.shape[:-2], height, width)


def read_image(path: Path, *, colour: bool) -> np.ndarray:
    """Of a file, (channels, height, width), from 0 to 1."""
    return planes_of(_only_page(path), path, colour=colour)


def planes_of(page: Page, path: Path, *, colour: bool) -> np.ndarray:
    pixels = page.pixels.astype(np.float32) / np.float32(full_scale(page.dtype))
    if not np.isfinite(pixels).all():
        raise InputError(f"{path}: has pixels that are NaN or infinite")
    planes = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    if len(planes) not in (1, 3):
        raise InputError(f"{path}: must be grey or of three colours, has {len(planes)} channels")
    if colour:
        return np.repeat(planes, 3, axis=0) if len(planes) == 1 else planes
    return planes if len(planes) == 1 else np.tensordot(_LUMINANCE, planes, 1)[None]


def _only_page(path: Path) -> Page:
    page, *others = read_picture(path).pages
    if others:
        raise InputError(f"{path}: has {len(others) + 1} pages, and a pair is of single images")
    return page


def _read_labels(path: Path, classes: int) -> np.ndarray:
    page = _only_page(path)
    if page.pixels.ndim != 2:
        raise InputError(f"{path}: a mask must be grey, and has {page.pixels.shape[-1]} channels")
    if classes == 2 and (page.dtype.kind == "f" or page.pixels.max() > 1):
        levels = np.unique(page.pixels)
        bound = levels[0] if len(levels) == 2 else full_scale(page.dtype) / 2
        return (page.pixels > bound).astype(np.int32)
    labels = page.pixels.astype(np.int32)
    if np.any(labels != page.pixels) or labels.min() < 0 or labels.max() >= classes:
        raise InputError(f"{path}: labels must be from 0 to {classes - 1}, got {page.pixels.max()}")
    return labels


@dataclass(frozen=True)
class Generated:
    """Pairs that are made when asked for, in the place of those of a folder.

    **Arguments:**

    - `make`: called as `make(k)` for the pair of the number k, always the same.
    - `count`: how many there are.
    """

    make: Callable[[int], tuple[np.ndarray, np.ndarray]]
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if not 0 <= index < self.count:
            raise IndexError(f"index must be from 0 to {self.count - 1}, got {index}")
        return self.make(index)


@dataclass(frozen=True)
class Corrupt:
    """Noise on the input of a pair, drawn anew for every key: (noisy, clean) from (clean, clean).

    Called as `corrupt(key, image, target)`, as `Augment` is, and after it in `chained`.

    **Arguments:**

    - `noise`: a noise model, such as `jd.Gaussian(25 / 255)`.
    """

    noise: NoiseModel

    def __call__(self, key: PRNGKeyArray, image: Array, target: Array) -> tuple[Array, Array]:
        return self.noise.sample(key, image), target


@dataclass(frozen=True)
class AddNoise:
    """Gaussian noise on the input of a pair, of a standard deviation drawn anew for every key.

    Called as `add_noise(key, image, target)`, as `Augment` is, and after it in `chained`.

    **Arguments:**

    - `low`, `high`: of the standard deviation, which is uniform between.
    - `unit`: whether both become images in units of that noise, as `AtUnitNoise` wants them.

    **Raises:** `ValueError` unless 0 < low <= high.
    """

    low: float
    high: float
    unit: bool = False

    def __post_init__(self):
        if not 0 < self.low <= self.high < np.inf:
            raise ValueError(f"low must be positive and at most high, got {self.low}, {self.high}")

    def __call__(self, key: PRNGKeyArray, image: Array, target: Array) -> tuple[Array, Array]:
        level, drawn = jax.random.split(key)
        sigma = jax.random.uniform(level, (), image.dtype, self.low, self.high)
        noisy = Gaussian(sigma).sample(drawn, image)
        return (noisy / sigma, target / sigma) if self.unit else (noisy, target)


@dataclass(frozen=True)
class ToUnitNoise:
    """Both images of a pair in units of the noise of the first.

    Called as `to_unit_noise(key, image, target)`, as `Augment` is, and after it in `chained`.

    **Arguments:**

    - `sigma`: of the noise, or `None` to estimate it from every image by `jd.estimate_sigma`.
    """

    sigma: float | None = None

    def __call__(self, key: PRNGKeyArray, image: Array, target: Array) -> tuple[Array, Array]:
        sigma = self.sigma
        if sigma is None:
            # Where the estimate is 0, of a flat part, the noise is not in units of it.
            sigma = jnp.maximum(estimate_sigma(image, channel_axis=0), _LEAST_NOISE)
            sigma = sigma.astype(image.dtype)
        return image / sigma, target / sigma


def chained(*transforms: Callable[..., tuple[Array, Array]]) -> Callable[..., tuple[Array, Array]]:
    """One random transform of a pair after the other, each with a key of its own."""

    def transform(key: PRNGKeyArray, image: Array, target: Array) -> tuple[Array, Array]:
        for number, one in enumerate(transforms):
            image, target = one(jax.random.fold_in(key, number), image, target)
        return image, target

    return transform
