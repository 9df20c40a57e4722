"""Wrong arguments of public functions: one error that names the argument, or a finite result.

A program of its own, as under pytest beartype refuses a wrong type before a user's check does.
"""

import inspect
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

import jaxdenoise as jd

IMAGE = np.random.default_rng(0).random((8, 9))
# Values that people pass by mistake, or get from an earlier computation.
WRONG = {
    "None": None,
    "text": "9",
    "bytes": b"9",
    "nan": float("nan"),
    "infinite": np.inf,
    "negative": -1,
    "traced before": jnp.float32(jnp.nan),
    "negative on a device": jnp.float32(-2),
    "beyond 32 bits": 2**40,
    "complex": 1j,
    "list": [3, 3, 3],
    "empty": np.zeros(0),
    "object": np.array([3, "x"], object),
    "wrong map": np.ones((9, 8)),
    "nan map": np.full((8, 9), np.nan),
    "boolean": True,
    "function": len,
}
FUNCTIONS = {
    **{name: (getattr(jd, name), {"image": IMAGE, "sigma": 0.1}) for name in jd.methods()},
    "denoise": (jd.denoise, {"image": IMAGE, "sigma": 0.1, "method": "tv"}),
    "estimate_sigma": (jd.estimate_sigma, {"image": IMAGE}),
    "detect_outliers": (jd.detect_outliers, {"image": IMAGE, "sigma": 0.1}),
    "Gaussian": (jd.Gaussian, {"sigma": 0.1}),
    "Poisson": (jd.Poisson, {"peak": 9.0}),
    "PoissonGaussian": (jd.PoissonGaussian, {"gain": 1.0, "sigma": 0.1}),
    "Impulse": (jd.Impulse, {"rate": 0.1, "low": 0.0, "high": 1.0, "sigma": 0.1}),
    "HuberTV": (jd.HuberTV, {"weight": 1.0, "delta": 0.1}),
    "mse": (jd.mse, {"a": IMAGE, "b": IMAGE}),
    "psnr": (jd.psnr, {"a": IMAGE, "b": IMAGE**2, "data_range": 1.0}),
    "strengths": (jd.strengths, {"method": "nlm", "sigma": 0.1}),
}
# Values that mean something, and unknown pixels that make a metric unknown.
MEANT = {
    ("None", "mask"),
    ("None", "outlier_rate"),
    ("None", "channel_axis"),
    ("negative", "channel_axis"),
    ("nan map", "a"),
    ("nan map", "b"),
    ("function", "method"),
}


def unclear(function: Callable, right: dict) -> Iterator[str]:
    """Yield one line for each wrong value whose effect a user would not understand."""
    for argument, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        for kind, value in WRONG.items():
            if (kind, argument) in MEANT:
                continue
            try:
                leaves = jax.tree.leaves(function(**{**right, argument: value}))
                if not all(np.isfinite(np.asarray(leaf, float)).all() for leaf in leaves):
                    yield f"{argument}={kind}: not finite"
            except Exception as error:
                named = isinstance(error, ValueError | TypeError) and argument in str(error)
                if not named or "\n" in str(error):
                    yield f"{argument}={kind}: {type(error).__name__}: {error}"


if __name__ == "__main__":
    for name, (function, right) in FUNCTIONS.items():
        for line in unclear(function, right):
            print(f"{name}: {line[:250]}")
