"""Code of other libraries under a caller's strict rules of promotion."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax


@contextmanager
def standard_promotion() -> Iterator[None]:
    """JAX's default promotion of dtypes and ranks, which optax, blackjax and dm_pix rely on."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield
