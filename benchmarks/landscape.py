"""The landscape of subspace recovery: does `recover_subspace` stop in a local minimum?

    taskset -c 0 python benchmarks/landscape.py --picture landscape.png

Three questions. Haystacks, inliers N(0, I/r) in a random subspace of rank r and outliers N(0, I/d):
how far is what each method finds from the subspace? The same over fractions of outliers and ranks,
without noise and with noise on the inliers: where does each method stop to recover it? Groups of
patches of a skyline and of pure noise, where no subspace is planted: does the spectral start reach
the least objective that any start reaches? Seed number i is `default_rng(i)`.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import numpy as np
from landscape_groups import LOSSES, SAME, compare_starts, cut_groups, print_starts
from landscape_picture import plot_landscape
from measure import machine, print_machine, print_table, write_json
from recovery_peers import PEERS, pca, random_bases, recover, sine

import jaxdenoise as jd

RECOVERED = 1e-3
NOISE = 0.02
D, INLIERS = 20, 100


def haystack(
    seed: int, inliers: int, outliers: int, d: int, rank: int, noise: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Points, the inliers first, and a basis of their subspace."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(d, rank)))[0]
    inside = rng.normal(size=(inliers, rank)) @ basis.T / rank**0.5
    inside += noise * rng.normal(size=inside.shape)
    return np.concatenate([inside, rng.normal(size=(outliers, d)) / d**0.5]), basis


def haystacks(seeds: int, *arguments: float) -> tuple[np.ndarray, np.ndarray]:
    points, bases = zip(*(haystack(seed, *arguments) for seed in range(seeds)), strict=True)
    return np.stack(points), np.stack(bases)


def from_random(points: np.ndarray, rank: int, scale: float = 0.0) -> np.ndarray:
    """`recover_subspace` from one random start for every seed."""
    start = random_bases(np.random.default_rng(0), len(points), points.shape[-1], rank)
    return recover(points, rank, start=start, scale=scale)


def contenders(scale: float = 0.0) -> dict[str, Callable[[np.ndarray, int], np.ndarray]]:
    """Ours by start and loss, and the peers."""
    return {
        **{f"spectral, {loss}": partial(recover, loss=loss, scale=scale) for loss in LOSSES},
        "random, huber": partial(from_random, scale=scale),
        **PEERS,
    }


def measure_haystacks(seeds: int, fractions: list[float]) -> dict:
    """{method: {fraction: sines}} for 300 inliers in a subspace of rank 5 of R^50."""
    inliers, d, rank = 300, 50, 5
    results = {}
    for f in fractions:
        points, bases = haystacks(seeds, inliers, round(f / (1 - f) * inliers), d, rank)
        for name, method in contenders().items():
            results.setdefault(name, {})[f"{f:g}"] = sine(method(points, rank), bases).tolist()
    return results


def print_haystacks(results: dict, seeds: int) -> None:
    header, rows = ["method"], []
    for f in next(iter(results.values())):
        header += [f"worst {f}", "median", f"of {seeds}"]
    for name, at in results.items():
        row = [name]
        for sines in map(np.array, at.values()):
            row += [f"{sines.max():.1e}", f"{np.median(sines):.1e}", np.sum(sines < RECOVERED)]
        rows.append(row)
    title = f"Haystack, rank 5 of 50: sine of the largest angle, and how many below {RECOVERED:g}"
    print_table(title, header, rows)


def measure_phases(
    seeds: int, ranks: list[int], fractions: list[float], noise: float
) -> dict[str, np.ndarray]:
    """{method: share of the seeds recovered (rank, fraction)}.

    With noise the subspace counts as recovered when the sine is at most twice that of an oracle,
    PCA of the inliers alone.
    """
    shares = {name: np.zeros((len(ranks), len(fractions))) for name in contenders()}
    for i, rank in enumerate(ranks):
        for j, f in enumerate(fractions):
            outliers = round(f / (1 - f) * INLIERS)
            points, bases = haystacks(seeds, INLIERS, outliers, D, rank, noise)
            bound = 2 * sine(pca(points[:, :INLIERS], rank), bases) if noise else RECOVERED
            for name, method in contenders(noise * (D - rank) ** 0.5).items():
                shares[name][i, j] = np.mean(sine(method(points, rank), bases) < bound)
    return shares


def last_fraction(share: np.ndarray, fractions: list[float]) -> float:
    """The largest fraction up to which all seeds are recovered; 0 for none."""
    return max((f for j, f in enumerate(fractions) if np.all(share[: j + 1] == 1)), default=0)


def print_phases(title: str, shares: dict, ranks: list[int], fractions: list[float]) -> None:
    rows = [
        [
            name,
            *(f"{last_fraction(row, fractions):g}" for row in share),
            f"{100 * share.mean():.0f} %",
        ]
        for name, share in shares.items()
    ]
    print_table(title, ["rank/d", *(f"{rank / D:g}" for rank in ranks), "recovered"], rows)


def measure_groups(count: int, cases: list[tuple[str, int]]) -> dict:
    """{image: excess of the objective by case and start}.

    The skyline's groups get a little noise; pure noise is its own.
    """
    rng = np.random.default_rng(0)
    skyline = np.asarray(jd.skyline(jax.random.key(0)), float)
    results = {}
    for name, image, noise, sigma in (
        ("skyline", skyline, NOISE, NOISE),
        ("pure noise", rng.normal(size=skyline.shape), 0, 1),
    ):
        groups, belong = cut_groups(rng, image, count, noise)
        results[name] = compare_starts(rng, groups, belong, sigma, cases, starts=20)
    return results


def findings(
    haystack: dict, phases: dict, groups: dict, ranks: list[int], fractions: list[float]
) -> list[str]:
    """Where the claim holds and where it stops, in words."""
    said = []
    for f in next(iter(haystack.values())):
        found = [
            f"{np.sum(np.array(at[f]) < RECOVERED)} of {len(at[f])} by {name}"
            for name, at in haystack.items()
        ]
        said.append(f"Haystack, a fraction {f} of outliers, found: {'; '.join(found)}.")
    for noise, shares in phases.items():
        for loss in LOSSES:
            ours = shares[f"spectral, {loss}"]
            limits = [
                f"{last_fraction(row, fractions):g} at rank/d {rank / D:g}"
                for rank, row in zip(ranks, ours, strict=True)
            ]
            behind = [
                f"{name} in {np.sum(ours < share)}"
                for name, share in shares.items()
                if np.any(ours < share) and (name in PEERS or name == f"random, {loss}")
            ]
            said.append(
                f"{noise}, {loss}: all seeds up to a fraction of outliers of {', '.join(limits)}; "
                f"of {ours.size} cells fewer seeds than {', '.join(behind) or 'another in none'}."
            )
    for image, found in groups.items():
        missed = [
            f"{loss} of rank {rank} ({np.sum(excess['spectral'] >= SAME)} of "
            f"{excess['spectral'].size}, at worst {100 * excess['spectral'].max():.1f} % above)"
            for (loss, rank), excess in found.items()
            if excess["spectral"].max() >= SAME
        ]
        said.append(
            f"Groups of {image}: from the spectral start the least objective is reached in every "
            f"group in {len(found) - len(missed)} of {len(found)} cases of loss and rank"
            + (f"; missed by {', '.join(missed)}." if missed else ".")
        )
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=100, help="of the first table")
    parser.add_argument("--quick", action="store_true", help="few seeds, cells and groups")
    parser.add_argument("--picture", type=Path, help="plot all results as a PNG")
    parser.add_argument("--output", type=Path, default=Path("landscape.json"))
    arguments = parser.parse_args()
    seeds, phase_seeds, count = arguments.seeds, 16, 24
    ranks, fractions = [1, 3, 5, 10, 15], [0.3, 0.5, 0.7, 0.8, 0.9, 0.95]
    cases = [(loss, rank) for loss in LOSSES for rank in (1, 2, 4)]
    if arguments.quick:
        seeds, phase_seeds, count = min(seeds, 10), 4, 4
        ranks, fractions, cases = [3, 10], [0.5, 0.9], [("huber", 1)]
    facts = machine()
    print_machine(facts)
    haystack = measure_haystacks(seeds, [0.5, 0.7])
    print_haystacks(haystack, seeds)
    phases = {}
    for name, noise in (("No noise", 0.0), (f"Noise {NOISE:g}", NOISE)):
        phases[name] = measure_phases(phase_seeds, ranks, fractions, noise)
        title = f"{name}, d = {D}: the fraction of outliers up to which all seeds are recovered"
        print_phases(title, phases[name], ranks, fractions)
    groups = measure_groups(count, cases)
    for image, found in groups.items():
        title = (
            f"Groups of {image}: % that reach the least objective by share replaced; excess in %"
        )
        print_starts(title, found)
    said = findings(haystack, phases, groups, ranks, fractions)
    print("\n" + "\n".join(said))
    if arguments.picture:
        plot_landscape(arguments.picture, phases, groups, [rank / D for rank in ranks], fractions)
    results = {
        "machine": facts,
        "haystack": haystack,
        "rank/d": [rank / D for rank in ranks],
        "outliers": fractions,
        "recovered": {
            noise: {method: share.tolist() for method, share in shares.items()}
            for noise, shares in phases.items()
        },
        "excess": {
            f"{image}, {loss}, rank {rank}": {start: e.tolist() for start, e in excess.items()}
            for image, found in groups.items()
            for (loss, rank), excess in found.items()
        },
        "findings": said,
    }
    write_json(arguments.output, results)


if __name__ == "__main__":
    main()
