"""`jaxdenoise learn`: from folders to what was learned."""

import csv
import json
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def data():
    """Ten pairs in the folder `data`."""
    for kind in ("frame", "mask"):
        folder = Path("data", f"{kind}s")
        folder.mkdir(parents=True)
        for k in range(10):
            pixels = np.random.default_rng(k).integers(0, 256, (17, 18), np.uint8)
            pixels = np.where(pixels > 99, np.uint8(255), np.uint8(0)) if kind == "mask" else pixels
            Image.fromarray(pixels).save(folder / f"{kind}_{k:03d}.png")


def test_split(run, data):
    done = run("learn", "split", "data", "out", "--ratios", "6,2,2", "--link", "symlink")
    assert done.status == 0, done.err
    assert done.out.strip() == "data: 10 pairs -> out: train 6, val 2, test 2"
    assert len(list(Path("out").rglob("*.png"))) == 20


def test_without_the_extra(run, data, monkeypatch):
    loaded = [name for name in sys.modules if name.startswith("jaxdenoise.learn")]
    for name in (*loaded, "equinox"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "equinox", None)
    done = run("learn", "split", "data", "out")
    assert done.status == 1
    assert done.err.splitlines()[-1].endswith("needs: pip install 'jaxdenoise[learn]'")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["data", "out", "--ratios", "1,2"], ["--ratios", "three numbers"]),
        (["data", "out", "--ratios", "0,1,1"], ["--ratios", "three numbers"]),
        (["data", "out", "--link", "move"], ["--link", "copy, hardlink, symlink"]),
        (["data", "out", "--targets", "labels"], ["labels", "no such folder"]),
        (["nowhere", "out"], ["nowhere", "no such folder"]),
    ],
)
def test_split_refuses(run, data, options, words):
    run("learn", "split", *options).failed_with(*words)
    assert not Path("out").exists()


SMALL = [
    *("--epochs", "2", "--param", "steps=2", "--param", "crop=12"),
    *("--param", "width=2", "--param", "depth=1"),
]


@pytest.fixture
def split(run, data):
    assert run("learn", "split", "data", "split", "--ratios", "6,2,2").status == 0


def test_segmenter(run, split):
    done = run(
        *("learn", "train", "split", "--task", "segment", "--model", "unet", "--monitor"),
        *("val_accuracy", "--mode", "max", "--patience", "5", "--min-delta", "0", "--out", "run"),
        *SMALL,
    )
    assert done.status == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == "split: segment, unet of width 2 -> run"
    assert lines[1].startswith("epoch 1: ")
    assert "run: 2 epochs, the best is " in lines[-1]
    assert Path("run/curves.png").stat().st_size > 5000
    done = run("learn", "evaluate", "run", "--data", "split", "--json", "figures.json")
    assert done.status == 0, done.err
    found = json.loads(Path("figures.json").read_text())
    assert found["images"] == 2
    assert len(found["dice_per_class"]) == 2
    assert 0 <= found["accuracy"] <= 1
    assert found["dice"] == pytest.approx(np.mean(found["dice_per_class"]))
    run("learn", "evaluate", "run", "--data", "split", "--json", "figures.json").failed_with(
        "figures.json", "exists"
    )
    Path("data/frames/broken.png").write_text("no image")
    done = run("learn", "predict", "run", "data/frames", "-o", "masks")
    assert done.status == 1
    assert "broken.png: not a PNG" in done.err
    masks = sorted(Path("masks").iterdir())
    assert [path.name for path in masks] == [f"frame_{k:03d}.png" for k in range(10)]
    mask = np.asarray(Image.open(masks[0]))
    assert mask.shape == (17, 18)
    assert set(np.unique(mask)) <= {0, 255}
    run("denoise", masks[0], "-o", "no.png", "--method", "run").failed_with("run: learned to seg")
    run("learn", "predict", "run", masks[0], "-o", "mask.jpg").failed_with("mask.jpg", "JPEG")


def test_what_diverges_ends_in_one_line(run, split):
    done = run("learn", "train", "split", "-o", "run", *SMALL, "--param", "learning_rate=1e30")
    assert done.status == 1
    assert done.err.splitlines()[-1].startswith("jaxdenoise: error: loss or parameters are not fin")
    assert "Traceback" not in done.err


def test_denoiser(run, split):
    done = run(
        *("learn", "train", "split", "--task", "denoise", "--add-noise", "10,30", "-o", "run"),
        *SMALL,
    )
    assert done.status == 0, done.err
    recipe = json.loads(Path("run/recipe.json").read_text())
    assert recipe["add_noise"] == pytest.approx([10 / 255, 30 / 255])
    assert run("learn", "evaluate", "run", "--data", "split").status == 0
    done = run("learn", "predict", "run", "data/frames/frame_003.png", "-o", "a.png")
    assert done.status == 0, done.err
    done = run("denoise", "data/frames/frame_003.png", "-o", "b.png", "--method", "run")
    assert done.status == 0, done.err
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    done = run("compare", "data/frames/frame_003.png", "--methods", "tv,run", "--add-noise", "9")
    assert done.status == 0, done.err
    assert "run" in done.out
    done = run("tune", "data/frames/frame_003.png", "--method", "run", "--steps", "2")
    assert done.status == 0, done.err
    assert "strength" in done.out
    run("denoise", "a.png", "-o", "c.png", "--method", "run", "--param", "h=3").failed_with("h")


def test_sweep(run, split):
    done = run("learn", "sweep", "split", "--try", "loss=focal", "--out", "all", *SMALL)
    assert done.status == 0, done.err
    assert "run 1 of 1: loss focal" in done.out
    with open("all/sweep.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == ["000"]
    assert Path("all/sweep.png").exists()
    assert json.loads(Path("all/000/recipe.json").read_text())["loss"] == "focal"


def test_every_setting_can_be_given():
    from jaxdenoise.app.recipe import PARAMETERS
    from jaxdenoise.learn import Recipe

    options = {"task", "inputs", "targets", "add_noise", "sigma", "model", "through", "epochs",
               "seed", "monitor", "mode", "patience", "min_delta"}  # fmt: skip
    assert {*PARAMETERS} == {field.name for field in fields(Recipe)} - options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--task", "sing"], ["task", "segment"]),
        (["--model", "vit"], ["model", "unet"]),
        (["--monitor", "val_iou"], ["monitor", "val_dice", "'val_iou'"]),
        (["--param", "speed=3"], ["--param speed", "width"]),
        (["--param", "width=wide"], ["--param width", "whole number"]),
        (["--add-noise", "30,10"], ["--add-noise", "rise"]),
        (["--through", "nlm"], ["through", "noise"]),
        (["--inputs", "photos"], ["photos", "no such folder"]),
    ],
)
def test_train_refuses(run, split, options, words):
    run("learn", "train", "split", "--out", "run", *options).failed_with(*words)
    assert not Path("run").exists()


def test_sweep_refuses(run, split):
    def refused(*words, **choices):
        given = [text for k, v in choices.items() for text in ("--try", f"{k}={v}")]
        run("learn", "sweep", "split", "--out", "all", *given).failed_with(*words)

    refused("--try speed", "width", speed="1,2")
    refused("--try learning_rate", "--random", learning_rate="1e-4:1e-2")
    refused("width", "positive", width="0,2")
    refused("--try monitor", "width", monitor="val_loss,val_dice")
    refused("--try width", "whole number", width="8,wide")
    assert not Path("all").exists()
