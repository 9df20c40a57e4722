"""Training: what reading and augmenting cost beside the step of a U-Net.

    python benchmarks/learning.py --data DIR

DIR holds the folders `frames` and `masks`, which are split into a temporary folder by links. A step
is that of `jaxdenoise learn train`: four squares of 256 x 256 pixels of random parts, flipped,
turned, zoomed and made brighter or darker, and a U-Net of width 16. The transform and the step take
turns; then an epoch is trained, which says itself what share of it was spent waiting for data.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import equinox as eqx
import jax
from measure import QUICK, interleave, machine, print_machine, print_table, write_json

from jaxdenoise import learn
from jaxdenoise.learn.building import augment_of, batches_of, model_of, scores_of, training_pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="two steps of a tiny network")
    parser.add_argument("--output", type=Path, default=Path("learning.json"))
    arguments = parser.parse_args()
    facts = machine()
    print_machine(facts)
    augmented = {"rotation": 15.0, "shear": 5.0, "shift": 0.05, "zoom": 0.1, "brightness": 0.1}
    recipe = learn.Recipe(**augmented, **(QUICK if arguments.quick else {})).filled()
    with tempfile.TemporaryDirectory() as folder:
        learn.split_folders(arguments.data, folder, link="symlink")
        found = measured(recipe, folder, arguments.rounds)
    rows = [(name, f"{value:.4g}") for name, value in found.items()]
    title = (
        f"a U-Net of width {recipe.width}, batches of {recipe.batch_size} x {recipe.crop} squared"
    )
    print_table(f"Training {title}", ("what", "value"), rows)
    write_json(arguments.output, {"machine": facts, "found": found})


def measured(recipe: learn.Recipe, split: str, rounds: int) -> dict[str, float]:
    train, val, steps = batches_of(recipe, split)
    model, (loss, metrics) = model_of(recipe), scores_of(recipe)
    count, side = recipe.batch_size, recipe.crop
    # As they are read, larger than what is cut out of them.
    read = (3 * side // 2, 3 * side // 2)
    raw = next(iter(learn.Batches(training_pairs(recipe, split, "train"), count, crop=read)))
    batch = next(iter(train))
    keys = jax.random.split(jax.random.key(0), count)
    augment = jax.jit(jax.vmap(augment_of(recipe, (side, side))))

    @eqx.filter_jit
    def gradient(model: eqx.Module, images: jax.Array, targets: jax.Array) -> eqx.Module:
        def mean(model: eqx.Module) -> jax.Array:
            return jax.vmap(lambda x, t: loss(model(x), t))(images, targets).mean()

        return eqx.filter_grad(mean)(model)

    contenders = {
        "augment": lambda: augment(keys, *raw),
        "gradient": lambda: eqx.filter(gradient(model, *batch), eqx.is_array),
    }
    _, seconds = interleave(contenders, rounds)
    shares = [a / b for a, b in zip(seconds["augment"], seconds["gradient"], strict=True)]
    fitted = learn.fit(
        model, train, val, loss=loss, metrics=metrics, epochs=2, steps_per_epoch=steps
    )
    last = fitted.history[-1]
    return {
        "milliseconds to augment a batch": 1e3 * statistics.median(seconds["augment"]),
        "milliseconds of a gradient": 1e3 * statistics.median(seconds["gradient"]),
        "augmenting, % of a gradient": 100 * statistics.median(shares),
        "seconds of an epoch": last["seconds"],
        "steps of an epoch": steps,
        "waiting for data, % of an epoch": 100 * last["waiting"],
    }


if __name__ == "__main__":
    main()
