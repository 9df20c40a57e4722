"""Segmentation under noise: a U-Net alone, behind non-local means, and behind one trained with it.

    python benchmarks/through.py --data DIR --runs RUNS

DIR holds the folders `frames` and `masks`; frames get Gaussian noise of 50 of 255, drawn anew every
time. RUNS gets the split and the three runs, and goes on with what is there. Prints the figures of
the test images and what the denoiser's parameters became, and draws the validation curves.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import jax
from measure import QUICK, machine, print_machine, print_table, write_json

from jaxdenoise import learn

# As `jaxdenoise learn train` is told by
#   --add-noise 50 --patience 3 --min-delta 0.002 --epochs 40
#   --param rotation=15 --param zoom=0.1 --param brightness=0.1
ALONE = learn.Recipe(
    add_noise=(50 / 255, 50 / 255),
    rotation=15.0,
    zoom=0.1,
    brightness=0.1,
    epochs=40,
    patience=3,
    min_delta=0.002,
)
RECIPES = {
    "alone": ALONE,
    "frozen": replace(ALONE, through="nlm", frozen=True),
    "trained": replace(ALONE, through="nlm"),
}
NAMES = {"alone": "alone", "frozen": "behind frozen nlm", "trained": "behind trained nlm"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--quick", action="store_true", help="two steps of tiny networks")
    parser.add_argument("--picture", type=Path, default=Path("through.png"))
    parser.add_argument("--output", type=Path, default=Path("through.json"))
    arguments = parser.parse_args()
    # Before anything is computed: `fit` shares a batch of four among them.
    jax.config.update("jax_num_cpu_devices", 2)
    facts = machine()
    print_machine(facts)
    split = arguments.runs / "split"
    learn.split_folders(arguments.data, split, link="symlink")
    found, histories = {}, {}
    for name, recipe in RECIPES.items():
        if arguments.quick:
            recipe = replace(recipe, epochs=1, **QUICK)
        with learn.ProgressBar(lambda line, name=name: print(f"{name}, {line}")) as bar:
            run = learn.train_run(arguments.runs / name, split, recipe, callbacks=[bar])
        scores = learn.evaluate_run(run, split)
        seconds = sum(row["seconds"] for row in run.history)
        found[name] = scores | {"epochs": len(run.history), "seconds": seconds}
        if recipe.through is not None:
            now = run.model.denoiser.parameters()
            found[name]["strengths"] = {key: float(value) for key, value in now.items()}
        histories[f"{NAMES[name]}, test Dice {scores['dice']:.3f}"] = run.history
    rows = [
        [
            NAMES[name],
            f"{scores['accuracy']:.4f}",
            f"{scores['dice']:.4f}",
            f"{scores['dice_per_class'][0]:.4f}",
            str(scores["epochs"]),
            f"{scores['seconds']:.0f}",
            ", ".join(f"{k} {v:.4f}" for k, v in scores.get("strengths", {}).items()),
        ]
        for name, scores in found.items()
    ]
    header = ["U-Net", "accuracy", "Dice", "membrane", "epochs", "s of steps", "strengths"]
    print_table("Test images, noise 50 of 255", header, rows)
    title = "U-Net on electron micrographs with Gaussian noise 50 of 255"
    learn.draw_curves(arguments.picture, histories, metrics=["dice", "loss"], title=title)
    write_json(arguments.output, {"machine": facts, "found": found})


if __name__ == "__main__":
    main()
