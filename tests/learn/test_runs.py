"""Runs in folders: they go on, refuse what is not theirs, and know what they learned."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import equinox as eqx
import jax
import numpy as np
import pytest
from PIL import Image

import jaxdenoise as jd
from jaxdenoise import learn
from jaxdenoise.files.errors import InputError
from jaxdenoise.learn.building import model_of, optimizer_of
from jaxdenoise.learn.locks import locked

SMALL = {"model": "unet", "width": 2, "depth": 1, "batch_size": 3, "steps": 3, "crop": 12}
SEGMENT = learn.Recipe(**SMALL, epochs=4, rotation=10.0, patience=4)
DENOISE = learn.Recipe(
    **{**SMALL, "model": "dncnn"}, task="denoise", add_noise=(0.05, 0.2), epochs=2
)


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """Ten pairs; bright is what the mask is. One of them is larger than the others."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for kind in ("frame", "mask"):
        (root / f"{kind}s").mkdir()
    for k in range(10):
        waves = np.add.outer(np.sin(np.arange(16 + (k == 3)) / 2), np.cos(np.arange(18) / 3 + k))
        pixels = np.clip(128 + 50 * waves + 5 * rng.normal(size=waves.shape), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(root / "frames" / f"frame_{k}.png")
        mask = np.where(pixels > 128, np.uint8(255), np.uint8(0))
        Image.fromarray(mask).save(root / "masks" / f"mask_{k}.png")
    learn.split_folders(root, root / "split", ratios=(6, 2, 2))
    return root / "split"


@pytest.fixture(scope="module")
def segmenter(split, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return folder, learn.train_run(folder, split, SEGMENT)


def arrays(model):
    return jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))


class KilledInside(learn.Callback):
    """In the middle of an epoch."""

    def stepped(self, epoch, step, steps):
        if (epoch, step) == (3, 2):
            raise KeyboardInterrupt


def test_a_killed_run_ends_where_an_unbroken_one_does(split, segmenter, tmp_path):
    folder, whole = segmenter
    assert {p.name for p in folder.iterdir()} == {
        *("recipe.json", "history.csv", "curves.png", "last", "best")
    }
    with pytest.raises(KeyboardInterrupt):
        learn.train_run(tmp_path / "run", split, SEGMENT, callbacks=[KilledInside()])
    (tmp_path / "run" / ".jaxdenoise-12.csv").write_text("not whole")
    again = learn.train_run(tmp_path / "run", split, SEGMENT)
    jax.tree.map(np.testing.assert_array_equal, arrays(again.model), arrays(whole.model))
    for name in ("seconds", "waiting"):
        for row in (*again.history, *whole.history):
            row.pop(name, None)
    assert again.history == whole.history
    assert [row["epoch"] for row in whole.history] == [1, 2, 3, 4]
    # What has ended is only loaded.
    before = (tmp_path / "run" / "history.csv").stat().st_mtime_ns
    learn.train_run(tmp_path / "run", split, SEGMENT)
    assert (tmp_path / "run" / "history.csv").stat().st_mtime_ns == before


def test_figures_of_a_segmenter(split, segmenter):
    _, run = segmenter
    found = learn.evaluate_run(run, split)
    pairs = learn.FolderPairs(split, "test")
    masks = [(learn.segment(run, image), labels) for image, labels in pairs]
    assert found["images"] == 2
    own = [np.mean(np.asarray(mask) == labels) for mask, labels in masks]
    np.testing.assert_allclose(found["accuracy"], np.mean(own), rtol=1e-6)
    own = [jd.dice((m == 0).astype(np.float32), (t == 0).astype(np.float32)) for m, t in masks]
    np.testing.assert_allclose(found["dice_per_class"][0], np.mean(own), rtol=1e-6)
    np.testing.assert_allclose(found["dice"], np.mean(found["dice_per_class"]), rtol=1e-6)
    json.dumps(found)


def test_figures_of_a_denoiser(split, tmp_path):
    run = learn.train_run(tmp_path / "run", split, DENOISE)
    assert {"val_gain", "val_loss"} <= run.history[0].keys()
    found = learn.evaluate_run(run, split)
    # The middle of the range.
    assert found["psnr_noisy"] == pytest.approx(-20 * np.log10(0.125), abs=0.5)
    assert 0 < found["ssim"] <= 1
    assert np.isfinite(found["psnr"])
    denoiser = learn.load_denoiser(tmp_path / "run")
    noisy = np.random.default_rng(0).normal(size=(8, 9)).astype(np.float32)
    restored = jd.denoise(noisy, np.float32(0.1), method=denoiser)
    np.testing.assert_array_equal(restored, run.model(noisy, np.float32(0.1)))


def test_noisy_images_alone_are_enough(split, tmp_path):
    recipe = learn.Recipe(**SMALL, task="denoise", loss="sure", epochs=1)
    run = learn.train_run(tmp_path / "run", split, recipe)
    assert np.isfinite(run.history[0]["val_loss"])
    with pytest.raises(ValueError, match="targets must name the folder of clean images"):
        learn.evaluate_run(run, split)
    found = learn.evaluate_run(run, split, targets="masks")
    assert 0 < found["psnr_noisy"] < 30


def test_classes_and_colours(split, tmp_path):
    """Masks of three numbers, and a network that takes colours."""
    shutil.copytree(split, tmp_path / "split")
    for path in (tmp_path / "split").rglob("mask*.png"):
        mask = np.asarray(Image.open(path)) // 255
        mask[:3, :4] = 2
        Image.fromarray(mask).save(path)
    recipe = learn.Recipe(**{**SMALL, "classes": 3, "colour": True, "loss": "focal"}, epochs=1)
    run = learn.train_run(tmp_path / "run", tmp_path / "split", recipe)
    assert len(learn.evaluate_run(run, tmp_path / "split")["dice_per_class"]) == 3


def test_weights_are_needed_once(split, tmp_path, monkeypatch):
    """A run of FCN-32s is read without the file that it began with."""

    def fit(model, train, val, *, optimizer, callbacks, **given):
        state = learn.initial_state(model, optimizer)._replace(epoch=1)
        for callback in callbacks:
            callback.began(state)
            callback.heard({"epoch": 1, "dice": 0.1, "val_dice": 0.2}, state)

    monkeypatch.setattr("jaxdenoise.learn.runs.fit", fit)
    from safetensors.numpy import save_file

    given = {"model": "fcn32s", "width": 1, "batch_size": 2, "steps": 1, "crop": 12, "epochs": 1}
    blocks, tensors, number = model_of(learn.Recipe(**given)).blocks, {}, 0
    for block in blocks:
        for layer in block.layers:
            tensors[f"features.{number}.weight"] = np.asarray(layer.weight)
            tensors[f"features.{number}.bias"] = np.asarray(layer.bias).ravel() + 1
            number += 2
        number += 1
    save_file(tensors, tmp_path / "vgg.safetensors")
    recipe = learn.Recipe(**given, weights=str(tmp_path / "vgg.safetensors"))
    assert float(model_of(recipe).blocks[0].layers[0].bias[0, 0, 0]) == 1
    learn.train_run(tmp_path / "run", split, recipe)
    (tmp_path / "vgg.safetensors").unlink()
    bias = learn.load_run(tmp_path / "run").model.blocks[0].layers[0].bias
    assert float(bias[0, 0, 0]) == 1


def test_through_a_denoiser():
    recipe = learn.Recipe(**SMALL, add_noise=(0.1, 0.3), through="bilateral", frozen=True)
    model = model_of(recipe)
    assert model.denoiser.frozen
    assert float(model.denoiser.parameters()["sigma"]) == pytest.approx(0.2)


def test_what_is_not_its_own_is_refused(split, segmenter, tmp_path):
    folder, _ = segmenter
    with pytest.raises(InputError, match="whole: is a run with seed 0, not 1"):
        learn.train_run(folder, split, replace(SEGMENT, seed=1))
    shutil.copytree(split, tmp_path / "split")
    for path in learn.FolderPairs(tmp_path / "split", "train").files[0]:
        path.rename(path.with_name("x_99.png"))
    with pytest.raises(InputError, match="whole: is a run with data"):
        learn.train_run(folder, tmp_path / "split", SEGMENT)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("friend")
    with pytest.raises(InputError, match="letters: is there, and is not a run"):
        learn.train_run(tmp_path / "letters", split, SEGMENT)
    with pytest.raises(InputError, match=r"letters: is not a run, it has no recipe\.json"):
        learn.load_run(tmp_path / "letters")
    with pytest.raises(InputError, match="whole: learned to segment, not to denoise"):
        learn.load_denoiser(folder)
    (tmp_path / "letters" / "recipe.json").write_text('{"loss": "of words"}')
    with pytest.raises(InputError, match=r"recipe\.json: loss must be one of 'dice"):
        learn.load_run(tmp_path / "letters")


def test_one_process_at_a_time(split, tmp_path):
    """A lock that its process gives back, however it ends."""
    folder = tmp_path / "deep" / "run"
    code = f"""
import pathlib, time
from jaxdenoise.learn.locks import locked
with locked(pathlib.Path({str(folder)!r})):
    print("locked", flush=True)
    time.sleep(600)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"locked\n"
    with pytest.raises(InputError, match="run: another process trains here"):
        learn.train_run(folder, split, SEGMENT)
    process.kill()
    process.communicate()
    assert list(folder.iterdir())  # what it left locks nothing
    with locked(folder):
        pass
    assert not list(folder.iterdir())
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "new" / "run"):
        raise ZeroDivisionError
    assert not (tmp_path / "new").exists()


@pytest.fixture
def damaged(segmenter, tmp_path):
    """A run of which one file is not what it was."""

    def spoil(pattern, change):
        shutil.copytree(segmenter[0], tmp_path / "run")
        for path in (tmp_path / "run").glob(pattern):
            path.write_bytes(change(path.read_bytes()))
        return tmp_path / "run"

    return spoil


HEAD = b"epoch,val_dice\n"


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: b"\xff" + data,
        lambda data: data.replace(b"val_dice", b"other"),
        lambda data: HEAD,
        lambda data: HEAD + b"1,0.1\n3,0.2\n2,0.2\n4,0.3\n",
        lambda data: HEAD + b'1,0.1\n2,"""x"""\n3,0.2\n4,0.3\n',
    ],
)
def test_a_damaged_history_is_named(split, damaged, change):
    folder = damaged("history.csv", change)
    with pytest.raises(InputError, match=r"^[^\n]*run/history\.csv: damaged[^\n]*$"):
        learn.train_run(folder, split, SEGMENT)


def one_bit(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize(
    ("pattern", "change", "named"),
    [
        ("last/*/optimizer/d/*", lambda data: data[: len(data) // 2], "last"),
        ("last/*/parameters/d/*", one_bit, "last"),
        ("last/*/told/*", lambda data: b"", "last"),
        ("last/checksum.json", lambda data: b"", "last"),
        ("best/*/average/manifest.ocdbt", lambda data: data[: len(data) // 2], "best"),
        ("best/*/_CHECKPOINT_METADATA", lambda data: b"", "best"),
    ],
)
def test_a_damaged_checkpoint_is_named(split, damaged, pattern, change, named, capfd):
    folder = damaged(pattern, change)
    with pytest.raises(InputError, match=rf"run/{named}: damaged$"):
        learn.train_run(folder, split, SEGMENT)
    assert capfd.readouterr().err == ""


def test_without_the_last_state_it_goes_on_from_the_best(split, segmenter, tmp_path, monkeypatch):
    heard = []
    monkeypatch.setattr("jaxdenoise.learn.runs.fit", lambda *_, state, **given: heard.append(state))
    folder, recipe = tmp_path / "run", SEGMENT.filled()
    shutil.copytree(segmenter[0], folder, ignore=shutil.ignore_patterns("last", "best"))
    state = learn.initial_state(model_of(recipe), optimizer_of(recipe, 3))._replace(epoch=2)
    learn.ModelCheckpoint(folder, "val_dice", "max").heard({"val_dice": 0.9}, state)
    shutil.rmtree(folder / "last")
    learn.train_run(folder, split, SEGMENT)
    assert [state.epoch for state in heard] == [2]


def test_nothing_is_begun_that_cannot_be(split, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(split, tmp_path / "split")
    for path in (tmp_path / "split" / "val_frames" / "val").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="val: holds no images"):
        learn.train_run(run, tmp_path / "split", SEGMENT)
    assert not run.exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": "dncnn"}, "model must be one that can segment"),
        ({"model": "fcn32s", "task": "denoise", "loss": "sure"}, "model must be one that can"),
        ({"task": "denoise"}, "targets must be given to denoise"),
        ({"loss": "mse"}, "loss must be one of 'dice"),
        ({"through": "nlm"}, "through needs the noise"),
        ({"weights": "vgg.safetensors"}, "weights are for the model fcn32s"),
        ({"add_noise": (0.2, 0.1)}, "low must be positive and at most high"),
        ({"crop": 0}, "crop must be a positive integer"),
        ({"steps": 0}, "steps must be a positive integer"),
        ({"monitor": "val_iou"}, "monitor must be one of 'val_loss', 'val_accuracy'"),
        ({"learning_rate": float("nan")}, "learning_rate must be finite and positive"),
        ({"average": 1.0}, "average must be below 1"),
        ({"rotation": -1.0}, "rotation must be finite and not negative"),
        ({"seed": -1}, "seed must be from 0"),
        ({"classes": 1}, "classes must be at least 2"),
        ({"through": "median", "sigma": 0.1}, "through must be one of 'bilateral'"),
        ({"task": "denoise", "loss": "sure", "rotation": 5.0}, "rotation would smooth the noise"),
        ({"task": "denoise", "loss": "sure", "half_precision": True}, "half_precision is too coar"),
        ({"model": "fcn32s", "depth": 3}, "depth is not for the model fcn32s"),
        ({"sigma": 0.0}, "sigma must be finite and positive"),
    ],
)
def test_settings_that_do_not_fit(given, message):
    with pytest.raises(ValueError, match=message):
        learn.Recipe(**given)


@pytest.mark.parametrize(
    ("task", "monitor", "mode"),
    [
        ("segment", None, "max"),
        ("segment", "val_loss", "min"),
        ("segment", "val_accuracy", "max"),
        ("denoise", None, "min"),
        ("denoise", "val_gain", "max"),
    ],
)
def test_what_is_better_follows_from_the_metric(task, monitor, mode):
    recipe = learn.Recipe(task=task, monitor=monitor, add_noise=(0.1, 0.1)).filled()
    assert recipe.mode == mode
    assert replace(recipe, mode="min").filled().mode == "min"


def test_rules_follow_what_is_changed():
    recipe = replace(learn.Recipe(task="denoise", add_noise=(0.1, 0.1)), model="unet")
    assert (recipe.filled().width, recipe.filled().depth) == (16, 4)


def test_recipes_are_written_and_read():
    for recipe in (SEGMENT, DENOISE):
        assert learn.Recipe.from_json(json.loads(json.dumps(recipe.as_json()))) == recipe
    with pytest.raises(ValueError, match="there is no setting speed"):
        learn.Recipe.from_json({"speed": 3})
