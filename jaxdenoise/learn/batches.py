"""Batches of pairs, read ahead on the host and transformed on the device."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxdenoise._core.checks import check_count


class Batches:
    """Batches of pairs, lazily, in the same order for the same seed.

    Read by grain, some batches ahead of what asks for them; transformed by one compiled program for
    a batch, with a key for each pair that follows from the seed and the pair's place in the order.

    Threads read, not processes. A process that is forked once JAX has computed hangs for ever, so
    `pairs` that want processes of their own take `multiprocessing.get_context("spawn")`.

    **Arguments:**

    - `pairs`: anything with `len(pairs)` and `pairs[k]`, an input and a target as arrays, whose
        last axes are height and width: `FolderPairs`, a list, an object of your own.
    - `batch_size`: pairs of a batch, which are of the same shapes, unless it is 1.
    - `crop`: height and width of a random part of every pair, cut before it gets to the device;
        what is smaller is continued by reflection. `None` for whole ones.
    - `transform`: called as `transform(key, image, target)` on one pair, such as `Augment(...)`,
        `Corrupt(noise)`, or `chained` ones; `None` for none.
    - `epochs`: how often all pairs come, or `None`, without end.
    - `shuffle`, `seed`: whether in a new random order every epoch, and of that order and the keys.
    - `keep_last`: whether a last, smaller batch comes too.
    - `shard`: number of this host, and of all; by default those of JAX. Each sees its own pairs.
    - `threads`, `ahead`: that read, and how many batches ahead.

    Iterators have `get_state()` and `set_state(state)`, with which a run goes on where it was, and
    `waited`, the seconds that were spent waiting for data.

    **Raises:** `ValueError` for numbers that are too small, or fewer pairs than a batch has. What a
    pair raises when it is read comes out of the iterator.
    """

    def __init__(
        self,
        pairs: Any,
        batch_size: int,
        *,
        crop: tuple[int, int] | None = None,
        transform: Callable[..., tuple[Array, Array]] | None = None,
        epochs: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        keep_last: bool = False,
        shard: tuple[int, int] | None = None,
        threads: int = 2,
        ahead: int = 4,
    ):
        given = {"batch_size": batch_size, "epochs": epochs, "threads": threads, "ahead": ahead}
        for name, count in (*given.items(), *(("crop", size) for size in crop or ())):
            if count is not None:
                check_count(count, name=name)
        number, hosts = (jax.process_index(), jax.process_count()) if shard is None else shard
        if not 0 <= number < hosts:
            raise ValueError(f"shard must be a number below that of hosts, got {shard}")
        self.size = len(range(number, len(pairs), hosts))
        if self.size < (1 if keep_last else batch_size):
            raise ValueError(
                f"pairs must be at least {1 if keep_last else batch_size}, got {self.size}"
            )
        self.batch_size, self.keep_last, self.epochs = batch_size, keep_last, epochs
        self._transform = None if transform is None else jax.jit(jax.vmap(_from_seed(transform)))
        self._read = _reader(pairs, (number, hosts), shuffle, epochs, seed, crop)
        self._read = self._read.batch(batch_size, drop_remainder=not keep_last, batch_fn=_stacked)
        self._options = {"num_threads": threads, "prefetch_buffer_size": ahead * threads}

    def __len__(self) -> int:
        """The batches of an epoch, whole ones unless `keep_last`."""
        whole, rest = divmod(self.size, self.batch_size)
        return whole + bool(rest and self.keep_last)

    def __iter__(self) -> "BatchIterator":
        import grain

        return BatchIterator(
            iter(self._read.to_iter_dataset(grain.ReadOptions(**self._options))), self._transform
        )


class BatchIterator:
    """Of `Batches`."""

    def __init__(self, read: Any, transform: Callable[..., tuple[Array, Array]] | None):
        self._read, self._transform = read, transform
        self.waited = 0.0

    def __iter__(self) -> "BatchIterator":
        return self

    def __next__(self) -> tuple[Array, Array]:
        start = perf_counter()
        seeds, *pair = next(self._read)
        self.waited += perf_counter() - start
        images, targets = map(jnp.asarray, pair)
        if self._transform is None:
            return images, targets
        return self._transform(jnp.asarray(seeds), images, targets)

    def get_state(self) -> dict[str, int]:
        return self._read.get_state()

    def set_state(self, state: dict[str, int]) -> None:
        self._read.set_state(state)


def _reader(
    pairs: Any,
    shard: tuple[int, int],
    shuffle: bool,
    epochs: int | None,
    seed: int,
    crop: tuple[int, int] | None,
) -> Any:
    """A seed and a pair at a time."""
    import grain

    # Hosts draw their own noise, in the same order of pairs.
    drawn = np.random.SeedSequence((seed, shard[0])).generate_state(1)[0]

    def seeded(pair: tuple, rng: np.random.Generator) -> tuple:
        key = rng.integers(2**32, dtype=np.uint32)
        return key, *(pair if crop is None else _cropped(pair, crop, rng))

    read = grain.MapDataset.source(pairs)[shard[0] :: shard[1]].seed(seed)
    if shuffle:
        read = read.shuffle(seed)
    return read.repeat(epochs).random_map(seeded, seed=int(drawn))


def _cropped(pair: tuple, size: tuple[int, int], rng: np.random.Generator) -> list[np.ndarray]:
    """The same part of both."""
    shape = np.shape(pair[0])[-2:]
    missing = [max(n - m, 0) for n, m in zip(size, shape, strict=True)]
    top, left = (int(rng.integers(max(m - n, 0) + 1)) for n, m in zip(size, shape, strict=True))
    cropped = []
    for x in map(np.asarray, pair):
        if any(missing):
            before = [(0, 0)] * (x.ndim - 2)
            x = np.pad(x, [*before, *((0, m) for m in missing)], mode="symmetric")
        cropped.append(x[..., top : top + size[0], left : left + size[1]])
    return cropped


def _stacked(elements: Sequence[tuple]) -> tuple[np.ndarray, ...]:
    for name, parts in zip(
        ("inputs", "targets"), list(zip(*elements, strict=True))[1:], strict=True
    ):
        shapes = sorted({np.shape(part) for part in parts})
        if len(shapes) > 1:
            raise ValueError(
                f"pairs must have {name} of one shape for batches of them, got {shapes[0]} and "
                f"{shapes[-1]}; a crop makes them equal"
            )
    return tuple(np.stack(part) for part in zip(*elements, strict=True))


def _from_seed(transform: Callable[..., tuple[Array, Array]]) -> Callable[..., Any]:
    return lambda seed, image, target: transform(jax.random.key(seed), image, target)
