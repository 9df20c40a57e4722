"""What has to be measured in a process of its own; prints one JSON object.

    python benchmarks/fresh.py first_call METHOD IMAGE.npy SIGMA
    python benchmarks/fresh.py size METHOD IMAGE.npy SIGMA
    python benchmarks/fresh.py cores CORES IMAGE.npy SIGMA ROUNDS
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


def _peak_megabytes() -> float:
    """The largest resident memory so far.

    From /proc because `getrusage` counts the memory of the process that started this one too.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def cores(cores: str, path: str, sigma: str, rounds: str) -> dict:
    """`jd.nlm` on strips of one image, a strip for every core, beside OpenCV on all its threads."""
    pin(int(core) for core in cores.split(","))
    import jax
    import numpy as np
    from jax.sharding import NamedSharding, PartitionSpec
    from measure import usable_cores
    from peers import opencv_nlm_8bit, skimage_nlm

    import jaxdenoise as jd

    n, noise = len(usable_cores()), float(sigma)
    # XLA runs one program on about one core; on a device for every core it runs n of them.
    jax.config.update("jax_num_cpu_devices", n)
    image = np.load(path)
    height = len(image)
    reach = 21 // 2 + 7 // 2
    rows = -(-height // n)
    # Strips of equal height; one at the border has its halo on the inner side alone.
    tall = min(height, rows + min(n - 1, 2) * reach)
    starts = [min(max(i * rows - reach, 0), height - tall) for i in range(n)]
    mesh = jax.make_mesh((n,), ("strips",))
    a_strip_a_device = NamedSharding(mesh, PartitionSpec("strips"))
    on_strips = jax.jit(
        jax.shard_map(
            lambda strip: jd.nlm(strip[0], noise)[None],
            mesh=mesh,
            in_specs=PartitionSpec("strips"),
            out_specs=PartitionSpec("strips"),
        )
    )

    def nlm_on_strips():
        strips = np.stack([image[s : s + tall] for s in starts])
        out = np.asarray(on_strips(jax.device_put(strips, a_strip_a_device)))
        parts = [x[i * rows - s :][:rows] for i, (x, s) in enumerate(zip(out, starts, strict=True))]
        return np.concatenate(parts)

    results, seconds = interleave(
        {
            "jd.nlm, one device": lambda: jd.nlm(image, noise),
            "jd.nlm, a strip a core": nlm_on_strips,
            "OpenCV, 8 bit, all threads": lambda: opencv_nlm_8bit(image, noise, 1.0),
            "scikit-image, fast mode": lambda: skimage_nlm(image, noise, 0.6),
        },
        int(rounds),
    )
    whole, strips, opencv, skimage = seconds
    return {
        "cores": n,
        "seconds": {name: statistics.median(times) for name, times in seconds.items()},
        "speedup": median_ratio(seconds[whole], seconds[strips]),
        "over_opencv": median_ratio(seconds[strips], seconds[opencv]),
        "over_skimage": median_ratio(seconds[strips], seconds[skimage]),
        "largest_difference": float(np.max(np.abs(results[whole] - results[strips]))),
    }


def import_(modules: str) -> dict:
    start = perf_counter()
    for module in modules.split(","):
        __import__(module)
    return {"seconds": perf_counter() - start}


if __name__ == "__main__":
    sections = {"first_call": first_call, "size": size, "cores": cores, "import": import_}
    print(json.dumps(sections[sys.argv[1]](*sys.argv[2:])))
