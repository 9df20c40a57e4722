"""Images of the pixels that are missing, for --mask."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jaxdenoise.files.errors import InputError
from jaxdenoise.files.pictures import read_picture


@dataclass(frozen=True)
class Mask:
    """Missing pixels by page: one mask for every page, or one each."""

    path: Path
    pages: tuple[np.ndarray, ...]

    def of(self, number: int, pages: int, shape: tuple[int, ...]) -> np.ndarray:
        """Return the mask of a page of this shape, one of so many."""
        if len(self.pages) not in (1, pages):
            raise InputError(
                f"--mask {self.path}: has {len(self.pages)} pages, and the image has {pages}"
            )
        mask = self.pages[number % len(self.pages)]
        if mask.shape != shape[:2]:
            raise InputError(
                f"--mask {self.path}: is {mask.shape[0]} x {mask.shape[1]} pixels, and the image "
                f"is {shape[0]} x {shape[1]}"
            )
        return mask


def read_mask(path: Path, max_pixels: float | None) -> Mask:
    """Read an image whose pixels other than 0 are missing, in whichever channel."""
    picture = read_picture(path, max_pixels=max_pixels, channel_axis="none")
    pages = (page.pixels != 0 for page in picture.pages)
    return Mask(path, tuple(m.any(axis=-1) if m.ndim == 3 else m for m in pages))
