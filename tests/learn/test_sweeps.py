"""Searches over settings."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest

from jaxdenoise import learn
from jaxdenoise.learn import sweeps

CHOICES = {"width": [8, 16], "loss": ["dice", "focal"], "learning_rate": [1e-3, 1e-2]}


@pytest.fixture
def runs(monkeypatch):
    """No training: what a wider network does is known."""
    trained = []

    def train_run(folder, split, recipe, *, callbacks):
        trained.append((folder.name, recipe.width, *callbacks))
        if recipe.learning_rate > 1:
            raise FloatingPointError("loss is not finite")
        rows = [{"epoch": k, "val_dice": 0.1 * k * recipe.width / 16} for k in (1, 2, 3)]
        return SimpleNamespace(history=rows[: 3 if recipe.loss == "dice" else 2])

    monkeypatch.setattr(sweeps, "train_run", train_run)
    return trained


def test_grid():
    settings = learn.grid(CHOICES)
    assert len(settings) == 8
    assert settings[1] == {"width": 8, "loss": "dice", "learning_rate": 1e-2}


def test_draws():
    ranges = {
        "learning_rate": learn.Range(1e-4, 1e-2),
        "shift": learn.Range(0.0, 1.0),
        "depth": learn.Range(2, 4),
    }
    found = learn.draws(CHOICES | ranges, 400)
    assert found == learn.draws(CHOICES | ranges, 400)
    assert found != learn.draws(CHOICES | ranges, 400, seed=1)
    rates = np.log10([setting["learning_rate"] for setting in found])
    assert -4 <= rates.min() < -3.9
    assert -2.1 < rates.max() <= -2
    assert abs(rates.mean() + 3) < 0.1
    assert abs(np.mean([setting["shift"] for setting in found]) - 0.5) < 0.06
    assert {setting["width"] for setting in found} == {8, 16}
    assert {setting["depth"] for setting in found} == {2, 3, 4}
    # All that there are, if there are fewer.
    few = learn.draws({"width": [8, 16], "loss": ["dice", "focal"]}, 9)
    assert sorted(map(str, few)) == sorted(
        map(str, learn.grid({"width": [8, 16], "loss": ["dice", "focal"]}))
    )
    with pytest.raises(ValueError, match="low must be below high"):
        learn.Range(3, 3)


def test_table_and_picture(tmp_path, runs):
    rows = learn.sweep(
        tmp_path, "split", learn.Recipe(), learn.grid(CHOICES),
        callbacks=lambda number, setting: [(number, setting["width"])],
    )  # fmt: skip
    assert runs[5] == ("005", 16, (5, 16))
    assert [row["epochs"] for row in rows[:4]] == [3, 3, 2, 2]
    assert rows[4] | {"val_dice": None} == {
        "run": "004", "width": 16, "loss": "dice", "learning_rate": 1e-3, "epochs": 3,
        "best_epoch": 3, "val_dice": None,
    }  # fmt: skip
    assert rows[4]["val_dice"] == pytest.approx(0.3)
    with (tmp_path / "sweep.csv").open() as file:
        table = list(csv.DictReader(file))
    assert table[2]["loss"] == "focal"
    assert [float(row["learning_rate"]) for row in table[:2]] == [1e-3, 1e-2]
    assert (tmp_path / "sweep.png").stat().st_size > 5000


def test_a_run_that_diverges_does_not_end_the_others(tmp_path, runs):
    rows = learn.sweep(
        tmp_path, "split", learn.Recipe(width=16), learn.grid({"learning_rate": [2.0, 1e-3]})
    )
    assert [row["val_dice"] for row in rows] == [None, pytest.approx(0.2)]
    with (tmp_path / "sweep.csv").open() as file:
        assert next(csv.DictReader(file))["val_dice"] == ""


def test_no_run_begins_before_all_settings_are_right(tmp_path, runs):
    with pytest.raises(ValueError, match="loss must be one of"):
        learn.sweep(tmp_path, "split", learn.Recipe(), learn.grid({"loss": ["dice", "mse"]}))
    with pytest.raises(ValueError, match="settings must be some, and none of task, monitor"):
        learn.sweep(tmp_path, "split", learn.Recipe(), learn.grid({"monitor": ["val_loss"]}))
    with pytest.raises(ValueError, match="average must be below 1"):
        learn.sweep(tmp_path, "split", learn.Recipe(), learn.grid({"average": [0.5, 1.0]}))
    assert runs == []
    with pytest.raises(ValueError, match="count must be a positive integer"):
        learn.draws(CHOICES, 0)
