"""What has to be measured in a process of its own; prints one JSON object.

    python benchmarks/fresh.py first_call METHOD IMAGE.npy SIGMA
    python benchmarks/fresh.py gradient METHOD IMAGE.npy SIGMA
    python benchmarks/fresh.py size METHOD IMAGE.npy SIGMA
    python benchmarks/fresh.py cores CORES IMAGE.npy SIGMA METHODS ROUNDS
    python benchmarks/fresh.py import MODULES

`speed.py` runs these and puts them into tables.
"""

import json
import statistics
import sys
from functools import partial
from pathlib import Path
from time import perf_counter

from measure import interleave, median_ratio, pin, timed


def first_call(method: str, path: str, sigma: str) -> dict:
    """Seconds of the first call, tracing and compiling included, and of the second one."""
    import jax
    from ours import ours

    denoise = ours()[method]
    image = jax.block_until_ready(jax.numpy.load(path))
    seconds = [timed(lambda: denoise(image, float(sigma)))[1] for _ in range(2)]
    return {"first": seconds[0], "second": seconds[1]}


def size(method: str, path: str, sigma: str) -> dict:
    """Seconds per megapixel and peak memory; as many calls as fit into two seconds, at least 2."""
    import jax

    after_import = _peak_megabytes()
    from ours import ours

    denoise = partial(ours()[method], jax.numpy.load(path), float(sigma))
    result, _ = timed(denoise)
    seconds = []
    while len(seconds) < 2 or sum(seconds) < 2:
        seconds.append(timed(denoise)[1])
    return {
        "seconds_per_megapixel": 1e6 * statistics.median(seconds) / result.size,
        "calls": len(seconds),
        "peak_megabytes": _peak_megabytes(),
        "megabytes_after_import_jax": after_import,
    }


def gradient(method: str, path: str, sigma: str) -> dict:
    """Seconds and peak memory of a loss's gradient with respect to image and sigma."""
    import jax
    import jax.numpy as jnp
    from ours import ours

    denoise = ours()[method]
    loss = jax.jit(
        jax.value_and_grad(lambda *at: jnp.sum(jnp.square(denoise(*at))), argnums=(0, 1))
    )
    image = jnp.load(path)
    seconds = [timed(lambda: loss(image, float(sigma)))[1] for _ in range(2)]
    return {"first": seconds[0], "second": seconds[1], "peak_megabytes": _peak_megabytes()}


def _peak_megabytes() -> float:
    """The largest resident memory so far.

    From /proc because `getrusage` counts the memory of the process that started this one too.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def cores(cores: str, path: str, sigma: str, names: str, rounds: str) -> dict:
    """Methods on one device and shared by one for every core, and peers on all their threads."""
    pin(int(core) for core in cores.split(","))
    import numpy as np
    from ours import ours
    from peers import BM3D, opencv_nlm_8bit, skimage_nlm, skimage_tv

    import jaxdenoise as jd
    from jaxdenoise.app.cores import use_every_core

    use_every_core()
    image, noise = np.load(path), float(sigma)
    methods = ours(names.split(","))
    own = {}
    for name, denoise in methods.items():
        own[f"{name}, one device"] = partial(denoise, image, noise)
        own[f"{name}, shared"] = partial(jd.shard(denoise), image, noise)
    theirs = {
        "OpenCV nlm, 8 bit": partial(opencv_nlm_8bit, image, noise, 1.0),
        "scikit-image nlm": partial(skimage_nlm, image, noise, 0.6),
        "scikit-image tv": partial(skimage_tv, image, noise, 0.8),
        **{name: partial(denoise, image, noise) for name, denoise in BM3D.items()},
    }
    results, seconds = interleave(own | theirs, int(rounds))
    found = {}
    for name in methods:
        one, shared = f"{name}, one device", f"{name}, shared"
        found[name] = {
            "one_device_seconds": statistics.median(seconds[one]),
            "seconds": statistics.median(seconds[shared]),
            "speedup": median_ratio(seconds[one], seconds[shared]),
            "largest_difference": float(np.max(np.abs(results[one] - results[shared]))),
            "ratios": {peer: median_ratio(seconds[shared], seconds[peer]) for peer in theirs},
        }
    return {
        "methods": found,
        "peer_seconds": {peer: statistics.median(seconds[peer]) for peer in theirs},
    }


def import_(modules: str) -> dict:
    start = perf_counter()
    for module in modules.split(","):
        __import__(module)
    return {"seconds": perf_counter() - start}


if __name__ == "__main__":
    sections = {
        "first_call": first_call,
        "gradient": gradient,
        "size": size,
        "cores": cores,
        "import": import_,
    }
    print(json.dumps(sections[sys.argv[1]](*sys.argv[2:])))
