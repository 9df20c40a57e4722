"""Run several methods on one image: how good, how fast, how long to compile."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxdenoise as jd
from jaxdenoise.app.options import denoise_on_every_device, find_method
from jaxdenoise.files.errors import one_line


@dataclass(frozen=True)
class Result:
    """One row of the table. `image` is `None` and `problem` says why where a method failed."""

    name: str
    image: np.ndarray | None = None
    psnr: float | None = None
    ssim: float | None = None
    seconds: float | None = None
    compile_seconds: float | None = None
    problem: str | None = None


def add_noise(clean: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """Gaussian noise, neither clipped nor rounded."""
    return np.asarray(jd.Gaussian(sigma).sample(jax.random.key(seed), clean))


def score(
    image: np.ndarray, clean: np.ndarray | None, data_range: float, channel_axis: int | None
) -> tuple[float | None, float | None]:
    """(PSNR, SSIM), SSIM being `None` for images smaller than its window."""
    if clean is None:
        return None, None
    a, b = jnp.asarray(image), jnp.asarray(clean)
    psnr = float(jd.psnr(a, b, data_range=data_range))
    try:
        ssim = float(jd.ssim(a, b, data_range=data_range, channel_axis=channel_axis))
    except ValueError:
        ssim = None
    return psnr, ssim


def run_method(
    name: str,
    noisy: np.ndarray,
    sigma: float,
    *,
    clean: np.ndarray | None,
    data_range: float,
    channel_axis: int | None,
) -> Result:
    """Twice: the first call compiles and the second does not."""
    image, denoise = jnp.asarray(noisy), denoise_on_every_device(name)
    method = find_method(name, "--methods")

    def call() -> Any:
        result = denoise(image, sigma, method=method, channel_axis=channel_axis)
        return jax.block_until_ready(result)

    try:
        first, _ = _timed(call)
        second, denoised = _timed(call)
    except (ValueError, TypeError, RuntimeError) as error:
        return Result(name, problem=one_line(error))
    denoised = np.asarray(denoised)
    psnr, ssim = score(denoised, clean, data_range, channel_axis)
    return Result(name, denoised, psnr, ssim, second, max(first - second, 0.0))


def run_methods(
    names: Sequence[str],
    noisy: np.ndarray,
    sigma: float,
    *,
    clean: np.ndarray | None,
    data_range: float,
    channel_axis: int | None,
    advance: Callable[[str, int], None] = lambda name, done: None,
) -> list[Result]:
    """The noisy image's own row, then one for each method."""
    psnr, ssim = score(noisy, clean, data_range, channel_axis)
    results = [Result("noisy", noisy, psnr, ssim)]
    for done, name in enumerate(names):
        advance(name, done)
        results.append(
            run_method(
                name,
                noisy,
                sigma,
                clean=clean,
                data_range=data_range,
                channel_axis=channel_axis,
            )
        )
    return results


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    value = call()
    return time.perf_counter() - start, value
