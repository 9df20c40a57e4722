"""Samples of a file as the floats that methods work on, and back."""

from dataclasses import dataclass

import numpy as np

from jaxdenoise.app.repair import describe_nonfinite, fill_with_median
from jaxdenoise.files.errors import InputError
from jaxdenoise.files.pages import as_float

# An offset of more than so many ranges is taken away: float32 would round the rest of the image.
_MOST_OFFSET = 4
# A range of more than so many sigma is taken for values that mean "no data".
_MOST_RANGE = 1e7


@dataclass(frozen=True)
class Values:
    """An image as methods take it.

    - `array`: floats, less the offset; NaN where a pixel is missing.
    - `offset`: what was taken away in double precision.
    - `source`: the samples of the file.
    - `nodata`: where these are no data, `None` if nowhere.
    - `missing`: whether any pixel is missing.
    """

    array: np.ndarray
    offset: int | float
    source: np.ndarray
    nodata: np.ndarray | None = None
    missing: bool = False

    def restored(self, result: np.ndarray) -> np.ndarray:
        """Return what a method made of `array`, in the units of the file."""
        if self.source.dtype.itemsize < 4 or self.source.dtype == np.float32:
            return result
        found = result.astype(np.float64) + self._rounded_off(result)
        if self.offset and self.source.dtype.kind != "f":
            return _add_integers(found, int(self.offset), self.source.dtype)
        return found + self.offset

    def _rounded_off(self, result: np.ndarray) -> np.ndarray:
        """Return the digits that `result` lacks because float32 has no room for them.

        Where a pixel was replaced altogether its digits are of no use.
        """
        taken = self.array.astype(result.dtype).astype(np.float64)
        lost = self.array.astype(np.float64) - taken
        kept = np.abs(result - taken) <= 0.5 * np.abs(taken)
        return np.where(kept, lost, 0.0)


def values_of(
    pixels: np.ndarray,
    channel_axis: int | None,
    *,
    nodata: int | float | None = None,
    mask: np.ndarray | None = None,
    fill: bool = False,
    takes_missing: bool = False,
    takes_offset: bool = True,
    where: str = "",
) -> Values:
    """Prepare the samples of an image.

    - `nodata`: the value of pixels that are missing.
    - `mask`: pixels that are missing, (rows, columns) or with slices before; to be filled.
    - `fill`: whether other pixels that are not finite become medians.
    - `takes_missing`: whether the method replaces such pixels itself.
    - `takes_offset`: whether the method and its noise do not depend on an offset.
    """
    absent = None if nodata is None else equals(pixels, nodata)
    if absent is not None and not absent.any():
        absent = None
    missing = np.zeros(pixels.shape, bool) if absent is None else absent
    if mask is not None:
        missing = missing | (mask if channel_axis is None else mask[..., None])
    known = ~missing if missing.any() else None
    if known is not None and not known.any():
        raise InputError(f"every pixel is missing{where}")
    array, offset = _less_offset(pixels, known) if takes_offset else (as_float(pixels), 0)
    if known is None:
        return Values(_complete(array, channel_axis, fill, takes_missing, where), offset, pixels)
    array = np.where(known, array, np.nan)
    problem = describe_nonfinite(np.where(known, array, 0.0))
    if problem is not None and not (fill or takes_missing):
        raise InputError(_question(problem, where))
    if fill:  # beside missing pixels, which the method fills, it fills these too
        array = np.where(np.isfinite(array), array, np.nan)
    return Values(array, offset, pixels, absent, missing=True)


def equals(pixels: np.ndarray, number: int | float) -> np.ndarray:
    """Compare the pixels with a number, in the precision of the pixels."""
    if np.isnan(number):
        return np.isnan(pixels)
    if pixels.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return pixels == pixels.dtype.type(number)
    whole = int(number) if np.isfinite(number) and number == int(number) else None
    bounds = np.iinfo(pixels.dtype)
    if whole is None or not bounds.min <= whole <= bounds.max:
        return np.zeros(pixels.shape, bool)
    return pixels == pixels.dtype.type(whole)


def check_range(array: np.ndarray, sigma: float) -> None:
    """Refuse values so far apart that some of them must mean something else than brightness."""
    finite = array[np.isfinite(array)]
    if not finite.size:
        return
    low, high = float(finite.min()), float(finite.max())
    if sigma > 0 and high - low > _MOST_RANGE * sigma:
        extreme = low if abs(low) > abs(high) else high
        raise InputError(
            f"its values reach from {low:.9g} to {high:.9g}, over 10^7 times the noise (sigma "
            f"{sigma:.4g}); are some no data? --nodata {extreme:.9g} leaves them as they are"
        )


def _complete(
    array: np.ndarray, channel_axis: int | None, fill: bool, takes_missing: bool, where: str
) -> np.ndarray:
    problem = describe_nonfinite(array)
    if problem is None or (takes_missing and not fill):
        return array
    if not fill:
        raise InputError(_question(problem, where))
    return fill_with_median(array, channel_axis)


def _question(problem: str, where: str) -> str:
    return (
        f"{problem}{where}; --fill-nonfinite median repairs them, --nodata nan leaves NaN as it is"
    )


def _less_offset(pixels: np.ndarray, known: np.ndarray | None) -> tuple[np.ndarray, int | float]:
    """Return the image as floats, less an offset that float32 would let drown it."""
    kind, size = pixels.dtype.kind, pixels.dtype.itemsize
    if size < 4 or pixels.dtype == np.float32:
        return as_float(pixels), 0
    found = pixels if known is None else pixels[known]
    if kind == "f":
        found = found[np.isfinite(found)]
    if not found.size:
        return as_float(pixels), 0
    low, high = found.min().item(), found.max().item()
    if max(abs(low), abs(high)) <= _MOST_OFFSET * (high - low):
        return pixels.astype(np.float64), 0
    if kind == "f":
        offset = low + 0.5 * (high - low)
        return pixels.astype(np.float64) - offset, offset
    offset = (low + high) // 2
    # Modulo 2^64, so that nothing overflows and no digit is lost.
    return (pixels.astype(np.uint64) - np.uint64(offset % 2**64)).view(np.int64).astype(
        np.float64
    ), offset


def _add_integers(values: np.ndarray, offset: int, dtype: np.dtype) -> np.ndarray:
    """Add an offset to rounded values, saturating at the bounds of an integer dtype."""
    bounds = np.iinfo(dtype)
    low, high = max(bounds.min - offset, -(2**63)), min(bounds.max - offset, 2**63 - 1)
    # float64 may round the bounds outwards.
    least, most = float(low), float(high)
    least = np.nextafter(least, 0.0) if least < low else least
    most = np.nextafter(most, 0.0) if most > high else most
    whole = np.clip(np.rint(values), least, most).astype(np.int64)
    return (whole.view(np.uint64) + np.uint64(offset % 2**64)).astype(dtype)
