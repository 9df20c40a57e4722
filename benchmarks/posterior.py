"""The posterior: mean, intervals and cost of sampling it, beside peers on photon noise.

    python benchmarks/posterior.py --data DIR [--core N]

DIR holds Set12, 8-bit images, divided by 255; the seven of 256 x 256 pixels are used. Image k gets
the noise of `jax.random.key(k)`. PSNR of what is clipped to [0, 1]; coverage is the share of pixels
within the nominal 90 % interval. The peers denoise behind Anscombe's transform, told a sigma of 1,
and are brought back by its exact unbiased inverse: the `bm3d` package, and scikit-image's NLM and
TV at the strength that is best on average. `--chains` reports one long run of HMC: R-hat, effective
sample size, seconds, and gradients a second.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from measure import machine, pin, print_machine, print_table, timed, usable_cores, write_json

NOISES = "gaussian 25", "poisson 1", "poisson 2", "poisson 4", "poisson 16"
SCALES = 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2
WEIGHTS = 0.6, 0.8, 1.0, 1.2, 1.5, 2.0, 2.5, 3.0


def noise_of(name: str):
    import jaxdenoise as jd

    kind, level = name.split()
    return jd.Gaussian(float(level) / 255) if kind == "gaussian" else jd.Poisson(float(level))


def ours(noise, noisy, clean, warmup: int, samples: int) -> dict:
    """PSNR, coverage and seconds of every estimate of one image."""
    import jax
    from quality import psnr

    import jaxdenoise as jd

    found = {}
    prior, seconds = timed(lambda: jd.default_prior(noisy, noise))
    found["prior seconds"] = seconds
    best, found["MAP seconds"] = timed(lambda: jd.map_estimate(noisy, noise, prior))
    found["MAP"] = psnr(best.image, clean)
    given = {"num_warmup": warmup, "num_samples": samples}
    draws, found["HMC seconds"] = timed(
        lambda: jd.sample(jax.random.key(1), noisy, noise, prior, **given)
    )
    low, high = draws.quantiles
    found["HMC mean"] = psnr(draws.mean, clean)
    found["coverage"] = float(np.mean((low <= clean) & (clean <= high)))
    found["R-hat"], found["ESS"] = float(draws.r_hat.max()), float(draws.ess.min())
    found["acceptance"] = float(draws.acceptance)
    found["divergences"] = int(draws.divergences)
    particles, found["SVGD seconds"] = timed(
        lambda: jd.sample(None, noisy, noise, prior, sampler=jd.SVGD())
    )
    low, high = particles.quantiles
    found["SVGD mean"] = psnr(particles.mean, clean)
    found["SVGD coverage"] = float(np.mean((low <= clean) & (clean <= high)))
    return found


def peers(noise, noisy, clean) -> dict:
    """PSNR behind the transform; of those with a strength, at every strength."""
    from quality import psnr
    from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

    stable = np.asarray(noise.stabilise(noisy), np.float64)

    def back(denoised) -> float:
        return psnr(noise.unstabilise(denoised.astype(np.float32)), clean)

    found = {}
    try:
        import bm3d

        found["bm3d package"] = back(bm3d.bm3d(stable, 1.0))
    except ModuleNotFoundError:
        print("the bm3d package is not installed")
    for h in SCALES:
        given = {"patch_size": 7, "patch_distance": 10, "fast_mode": True, "sigma": 1.0}
        found[f"NLM {h}"] = back(denoise_nl_means(stable, h=h, **given))
    for weight in WEIGHTS:
        found[f"TV {weight}"] = back(denoise_tv_chambolle(stable, weight=weight))
    return found


def long_run(noise, noisy, warmup: int, samples: int) -> dict:
    """One run of HMC from scratch, compilation apart, and what a gradient costs."""
    import jax

    import jaxdenoise as jd
    from jaxdenoise.posterior.density import density, start

    prior = jd.default_prior(noisy, noise)
    given = {"num_warmup": warmup, "num_samples": samples}
    _, first = timed(lambda: jd.sample(jax.random.key(0), noisy, noise, prior, **given))
    draws, seconds = timed(lambda: jd.sample(jax.random.key(1), noisy, noise, prior, **given))
    target = density(noisy, noise, prior)
    slope = jax.jit(jax.vmap(jax.grad(target.energy)))
    four = jax.numpy.stack([start(target)] * 4)
    timed(lambda: slope(four))
    each = min(timed(lambda: slope(four))[1] for _ in range(20))
    return {
        "R-hat": float(draws.r_hat.max()),
        "ESS": float(draws.ess.min()),
        "acceptance": float(draws.acceptance),
        "divergences": int(draws.divergences),
        "seconds": seconds,
        "first call seconds": first,
        "gradients a second": 4 / each,
    }


def _strength(peer: str) -> float:
    return float(peer.split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds Set12")
    parser.add_argument("--noises", default=",".join(NOISES))
    parser.add_argument("--limit", type=int, default=7, help="only so many images")
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--chains", action="store_true", help="only the long run of HMC")
    parser.add_argument("--skip-peers", action="store_true")
    parser.add_argument("--core", type=int, help="pin to this one")
    parser.add_argument("--output", type=Path, default=Path("posterior.json"))
    arguments = parser.parse_args()
    pin(usable_cores() if arguments.core is None else [arguments.core])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import jax
    import jax.numpy as jnp
    from quality import load

    facts = machine()
    print_machine(facts)
    images = load(arguments.data / "Set12", arguments.limit)
    results = {"machine": facts, "warmup": arguments.warmup, "samples": arguments.samples}
    for name in arguments.noises.split(","):
        noise, found = noise_of(name), []
        for number, clean in enumerate(images[: 1 if arguments.chains else None]):
            noisy = noise.sample(jax.random.key(number), jnp.asarray(clean, jnp.float32))
            if arguments.chains:
                found.append(long_run(noise, noisy, arguments.warmup, arguments.samples))
                continue
            found.append(ours(noise, noisy, clean, arguments.warmup, arguments.samples))
            if name.startswith("poisson") and not arguments.skip_peers:
                found[-1] |= peers(noise, noisy, clean)
            one = {k: round(v, 3) for k, v in found[-1].items()}
            print(name, number, {k: v for k, v in one.items() if k[:3] not in ("NLM", "TV ")})
        means = {k: float(np.mean([each[k] for each in found])) for k in found[0]}
        for peer in ("NLM", "TV"):
            scan = {k: v for k, v in means.items() if k.startswith(f"{peer} ")}
            if scan:
                best = max(scan, key=lambda k: scan[k])
                if best in (min(scan, key=_strength), max(scan, key=_strength)):
                    print(f"{peer} is best at an end of its scan, {best}")
                means = {k: v for k, v in means.items() if k not in scan} | {peer: scan[best]}
        results[name] = {"images": found, "mean": means}
        rows = [[key, f"{value:.3f}"] for key, value in means.items()]
        print_table(f"{name}, {len(found)} images", ["", "mean"], rows)
        write_json(arguments.output, results)


if __name__ == "__main__":
    main()
