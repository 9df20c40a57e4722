"""Gradients against finite differences, each as one program."""

from collections.abc import Callable
from typing import Any

import jax
from jax import test_util


def check_grads(f: Callable[..., Any], args: tuple, **options: Any) -> None:
    """That of JAX, which would compile every operation of an uncompiled function by itself."""
    test_util.check_grads(jax.jit(f), args, **options)
