"""In one process, contenders taking turns: ours beside the peers, gradient beside value."""

import statistics
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import peers
from measure import interleave, median_ratio, print_table
from photograph import SIGMA, add_noise, psnr


def compare_peers(clean: np.ndarray, methods: dict[str, Callable], rounds: int) -> dict:
    """Seconds, PSNR and ratios to the peers, in families of methods that do the same thing."""
    y = add_noise(clean)
    others = {name: f for name, f in methods.items() if name not in ("tv", "bilateral")}
    families = {
        "non-local means, 7x7 patches, 21x21 window": (
            {name: others.pop(name) for name in ("nlm", "nlm_patch") if name in others},
            {
                "OpenCV, 8 bit": partial(peers.opencv_nlm_8bit, h=1.0),
                "scikit-image, fast mode": partial(peers.skimage_nlm, h=0.6),
            },
        ),
        "total variation, weight 0.8 sigma": (
            _total_variations(methods["tv"], clean, y) if "tv" in methods else {},
            {"scikit-image": partial(peers.skimage_tv, weight=_TV_WEIGHT)},
        ),
        "bilateral, 11x11 window": (
            {"bilateral": methods["bilateral"]} if "bilateral" in methods else {},
            {
                "OpenCV": partial(peers.opencv_bilateral, sigma_range=2.5),
                "scikit-image": partial(peers.skimage_bilateral, sigma_range=1.5),  # its best
            },
        ),
        "groups of similar patches": (
            {name: others.pop(name) for name in list(others) if name.startswith(_GROUPS)},
            peers.BM3D,
        ),
        "others": (others, {}),
    }
    results = {}
    for title, (own, theirs) in families.items():
        if own:
            calls = {
                **{f"jd.{name}": partial(f, y, SIGMA) for name, f in own.items()},
                **{name: partial(f, y, SIGMA) for name, f in theirs.items()},
            }
            results[title] = _compare(title, calls, list(theirs), clean, rounds)
    return results


_GROUPS = "bm3d", "robust_subspace", "subspace"
_TV_WEIGHT = 0.8  # the default of `jd.tv`, in sigma


def _total_variations(tv: Callable, clean: np.ndarray, y: np.ndarray) -> dict[str, Callable]:
    """At the default number of iterations, and at the fewest that reach scikit-image's PSNR."""
    enough = psnr(clean, peers.skimage_tv(y, SIGMA, _TV_WEIGHT)) - 0.005
    for iterations in (5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 75, 100, 200):
        fewest = partial(tv, weight=_TV_WEIGHT * SIGMA, iterations=iterations)
        if psnr(clean, fewest(y, SIGMA)) >= enough:
            break
    return {"tv": tv, f"tv, {iterations} iterations": fewest}


def _compare(
    title: str, calls: dict[str, Callable], theirs: list[str], clean: np.ndarray, rounds: int
) -> dict:
    denoised, seconds = interleave(calls, rounds)
    results = {
        name: {
            "seconds": statistics.median(times),
            "seconds_per_megapixel": 1e6 * statistics.median(times) / clean.size,
            "psnr": psnr(clean, denoised[name]),
            "ratios": {peer: median_ratio(times, seconds[peer]) for peer in theirs},
        }
        for name, times in seconds.items()
    }
    rows = [
        [
            name,
            f"{1000 * found['seconds']:.1f}",
            f"{found['seconds_per_megapixel']:.3f}",
            f"{found['psnr']:.2f}",
            *(f"{ratio:.2f}" for ratio in found["ratios"].values()),
        ]
        for name, found in results.items()
    ]
    print_table(title, ["method", "ms", "s/Mpx", "PSNR", *(f"/ {p}" for p in theirs)], rows)
    return results


def gradient_cost(clean: np.ndarray, methods: dict[str, Callable], rounds: int) -> dict:
    """A loss's gradient by image and sigma, and its derivative along both, over its value."""
    y = jnp.asarray(add_noise(clean))
    at = y, jnp.asarray(SIGMA, y.dtype)
    results = {}
    for name, denoise in methods.items():

        def loss(y, sigma, denoise=denoise):
            return jnp.sum(jnp.square(denoise(y, sigma)))

        def along_itself(y, sigma, loss=loss):
            return jax.jvp(loss, (y, sigma), (y, sigma))

        calls = {
            "value": partial(jax.jit(loss), *at),
            "value and gradient": partial(jax.jit(jax.value_and_grad(loss, argnums=(0, 1))), *at),
            "jvp": partial(jax.jit(along_itself), *at),
        }
        _, seconds = interleave(calls, rounds)
        results[name] = {
            "value_seconds": statistics.median(seconds["value"]),
            "gradient_ratio": median_ratio(seconds["value and gradient"], seconds["value"]),
            "jvp_ratio": median_ratio(seconds["jvp"], seconds["value"]),
        }
    rows = [
        [name, f"{1000 * value:.1f}", f"{gradient:.2f}", f"{jvp:.2f}"]
        for name, (value, gradient, jvp) in ((n, r.values()) for n, r in results.items())
    ]
    header = ["method", "value ms", "value and gradient / value", "jvp / value"]
    print_table("gradient of a loss with respect to image and sigma", header, rows)
    return results
