"""Groups of patches, where no subspace is planted: which start reaches the least objective.

Groups are of 64 similar patches of 6 x 6 pixels, some of them replaced by patches from anywhere in
the image. Objectives are compared at one scale, the distance of noise to a subspace. Where the
rank is too low for a group (rank 1 of the skyline) dynamic smoothing may end above that scale, and
a part of the excess is the difference between the two.
"""

from functools import partial

import numpy as np
from measure import print_table
from recovery_peers import distances, pca, random_bases, recover

PATCH, GROUP = 6, 64
REPLACED = (0.1, 0.3, 0.5)
# Of t, the squared distance by the squared scale.
LOSSES = {
    "huber": lambda t: np.where(t <= 1, t, 2 * np.sqrt(t) - 1),
    "geman_mcclure": lambda t: t / (1 + t),
    "student_t": np.log1p,
}
# More than any change of the objective by rounding or by a step too few.
SAME = 1e-3


def cut_groups(
    rng: np.random.Generator, image: np.ndarray, count: int, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """Groups (count for every share of replaced patches), and which of their patches belong."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (PATCH, PATCH))
    patches = windows.reshape(-1, PATCH * PATCH)
    with_an_edge = np.flatnonzero(np.ptp(patches, axis=1) > 0)
    references = patches[rng.choice(with_an_edge, count, replace=False)]
    squares = np.sum(np.square(patches), axis=1) - 2 * references @ patches.T
    similar = patches[np.argpartition(squares, GROUP, axis=1)[:, :GROUP]]
    groups, belong = [], []
    for share in REPLACED:
        belongs = np.arange(GROUP) >= round(share * GROUP)
        anywhere = patches[rng.integers(len(patches), size=(count, GROUP))]
        groups.append(np.where(belongs[:, None], similar, anywhere))
        belong.append(np.broadcast_to(belongs, (count, GROUP)))
    groups = np.concatenate(groups)
    return groups + noise * rng.normal(size=groups.shape), np.concatenate(belong)


def objective(loss: str, points: np.ndarray, basis: np.ndarray, scale: float) -> np.ndarray:
    return scale**2 * np.sum(LOSSES[loss](np.square(distances(points, basis) / scale)), axis=-1)


def compare_starts(
    rng: np.random.Generator,
    groups: np.ndarray,
    belong: np.ndarray,
    sigma: float,
    cases: list[tuple[str, int]],
    starts: int,
) -> dict[tuple[str, int], dict[str, np.ndarray]]:
    """{(loss, rank): {start: excess of the objective over the least that was reached}}.

    The starts are the spectral one, random ones, and the principal components of all patches and
    of those that belong; beside them stand the principal components of all, as they are.
    """
    count, _, d = groups.shape
    found = {}
    for loss, rank in cases:
        scale = sigma * (d - rank) ** 0.5
        descend = partial(recover, groups, rank, loss=loss, scale=scale)
        measure = partial(objective, loss, groups, scale=scale)
        components = pca(groups, rank)
        informed = (components, pca(groups * belong[..., None], rank))
        random = [random_bases(rng, count, d, rank) for _ in range(starts)]
        from_informed = [measure(descend(start=basis.astype(np.float32))) for basis in informed]
        reached = {
            "spectral": measure(descend()),
            "random": np.stack([measure(descend(start=basis)) for basis in random]),
            "PCA": measure(components),
        }
        least = np.min([reached["spectral"], *reached["random"], *from_informed], axis=0)
        found[loss, rank] = {name: value / least - 1 for name, value in reached.items()}
    return found


def print_starts(title: str, found: dict) -> None:
    rows = []
    for (loss, rank), by_start in found.items():
        row = [f"{loss}, rank {rank}"]
        for excess in by_start.values():
            shares = np.split(excess < SAME, len(REPLACED), axis=-1)
            row += [f"{100 * np.mean(share):.0f}" for share in shares]
            row.append(f"{100 * np.max(excess):.1f}")
        rows.append(row)
    header = [
        f"{start} {column}"
        for start in next(iter(found.values()))
        for column in (*REPLACED, "worst")
    ]
    print_table(title, ["loss", *header], rows)
