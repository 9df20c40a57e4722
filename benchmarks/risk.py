"""Risk estimates against the error that they estimate: SURE and PURE.

    python benchmarks/risk.py --data DIR

DIR holds Set12, 8-bit images, divided by 255; the first of them is used. Draw number k of the noise
is that of `jax.random.key(k)`. Given is how much the mean estimate is above the mean of the error,
with its standard error: over the draws, the mean of (estimate - error - c) / mean error, where
c = mean((y - x)^2) - mean(variance), known here and 0 on average, takes away most of the scatter.
Derivatives alone, without finite differences, miss the jumps of block matching: the last column.
"""

import argparse
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from measure import machine, print_machine, print_table, write_json
from quality import load

import jaxdenoise as jd

METHODS = "nlm", "tv", "bm3d", "subspace"
NOISES = {
    **{f"Gaussian {level}": jd.Gaussian(level / 255) for level in (15, 25, 50)},
    **{f"Poisson peak {peak}": jd.Poisson(float(peak)) for peak in (4, 30)},
}


def excess(method: str, noise, clean: jax.Array, draws: int, **given) -> tuple[float, float]:
    """Of the mean estimate over the mean error, in percent, and its standard error."""
    denoiser = partial(jd.denoise, method=method)
    gaussian = isinstance(noise, jd.Gaussian)
    estimate = jd.sure if gaussian else jd.pure
    told = noise.sigma if gaussian else noise

    @jax.jit
    def once(key):
        noise_key, probe_key = jax.random.split(key)
        noisy = noise.sample(noise_key, clean)
        variance = noise.variance(noisy)
        known = jnp.mean(jnp.square(noisy - clean) - variance)
        error = jd.mse(denoiser(noisy, told), clean)
        return estimate(denoiser, noisy, told, key=probe_key, **given) - error - known, error

    found = np.array([once(jax.random.key(k)) for k in range(draws)], np.float64)
    excess, error = found[:, 0], found[:, 1].mean()
    return 100 * excess.mean() / error, 100 * excess.std(ddof=1) / draws**0.5 / error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds Set12")
    parser.add_argument("--draws", type=int, default=64)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--out", type=Path, default=Path("risk.json"))
    arguments = parser.parse_args()
    facts = machine()
    print_machine(facts)
    clean = jnp.asarray(load(arguments.data / "Set12", 1)[0], jnp.float32)
    results, rows = {}, []
    for name, noise in NOISES.items():
        for method in arguments.methods.split(","):
            found = excess(method, noise, clean, arguments.draws)
            few = max(arguments.draws // 4, 2)
            smooth = excess(method, noise, clean, few, difference=False)
            results[f"{name}, {method}"] = {"estimate": found, "derivative alone": smooth}
            shown = [f"{mean:+.2f} +- {deviation:.2f}" for mean, deviation in (found, smooth)]
            rows.append([f"{name}, {method}", *shown])
            print(*rows[-1], sep="  ", flush=True)
    header = ["noise, method", "estimate over error, %", "derivative alone, %"]
    print_table(f"{arguments.draws} draws", header, rows)
    write_json(arguments.out, {"machine": facts, "draws": arguments.draws, "results": results})


if __name__ == "__main__":
    main()
