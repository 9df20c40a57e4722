"""Training of a small network, and what ends it."""

import csv
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxdenoise as jd
from jaxdenoise import learn

KEY = jax.random.key(0)
LEARNED = {"loss": jd.mse, "optimizer": optax.adam(1e-2)}


@pytest.fixture(scope="module")
def pairs():
    """The target is the input, blurred and twice as large."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(16, 1, 6, 7)).astype(np.float32)
    return [(x, 2 * (x + np.roll(x, 1, 2))) for x in inputs]


@pytest.fixture
def network():
    with jax.enable_x64(False):
        return learn.DnCNN.initialise(KEY, width=6, depth=2)


def train(pairs, **given):
    return learn.Batches(pairs, 8, **given)


def close(a, b, atol=1e-5):
    equal = lambda x, y: np.testing.assert_allclose(x, y, atol=atol)  # noqa: E731
    jax.tree.map(equal, a.state.average, b.state.average)


def test_loss_falls_and_is_logged(pairs, network):
    val = learn.Batches(pairs[:5], 2, epochs=1, shuffle=False, keep_last=True)
    found = learn.fit(
        network, train(pairs), val, epochs=12, metrics={"error": learn.charbonnier}, **LEARNED
    )
    first, last = found.history[0], found.history[-1]
    assert first.keys() == {
        *("epoch", "loss", "error", "val_loss", "val_error", "seconds", "waiting")
    }
    assert last["epoch"] == len(found.history) == 12
    assert last["loss"] < 0.5 * first["loss"]
    own = [jd.mse(found.model(jnp.asarray(x)), y) for x, y in pairs[:5]]
    np.testing.assert_allclose(last["val_loss"], np.mean(own), rtol=1e-5)


def test_eight_devices_learn_what_one_does(pairs, network, monkeypatch):
    shared = learn.fit(network, train(pairs), epochs=2, **LEARNED)
    assert len(jax.tree.leaves(shared.state.parameters)[0].sharding.device_set) == 8
    of_six = learn.fit(network, learn.Batches(pairs, 6), epochs=1, **LEARNED)
    assert len(jax.tree.leaves(of_six.state.parameters)[0].sharding.device_set) == 6
    one = jax.devices()[:1]
    monkeypatch.setattr(jax, "local_devices", lambda: one)
    close(learn.fit(network, train(pairs), epochs=2, **LEARNED), shared)


def test_goes_on_where_it_was(pairs, network):
    whole = learn.fit(network, train(pairs), epochs=4, steps_per_epoch=3, average=0.9, **LEARNED)
    half = learn.fit(network, train(pairs), epochs=2, steps_per_epoch=3, average=0.9, **LEARNED)
    again = learn.fit(
        network, train(pairs), epochs=4, steps_per_epoch=3, average=0.9, state=half.state, **LEARNED
    )
    assert [logs["epoch"] for logs in again.history] == [3, 4]
    jax.tree.map(np.testing.assert_array_equal, whole.state, again.state)
    moved = jax.tree.leaves(jax.tree.map(jnp.subtract, whole.state.average, whole.state.parameters))
    assert max(np.abs(x).max() for x in moved) > 1e-4


def test_the_average_forgets_the_beginning(pairs, network):
    """The mean of what the decay says, which grows from 0."""
    seen = []

    class Listener(learn.Callback):
        def heard(self, logs, state):
            seen.append(jax.tree.leaves(state.parameters)[0])
            return False

    fitted = learn.fit(
        network, train(pairs), epochs=3, steps_per_epoch=1, average=0.9, callbacks=[Listener()],
        **LEARNED,
    )  # fmt: skip
    first, second, third = seen
    mean = second + (first - second) / 11
    expected = third + (mean - third) / 6
    np.testing.assert_allclose(jax.tree.leaves(fitted.state.average)[0], expected, rtol=1e-5)


def test_half_precision(pairs, network):
    whole = learn.fit(network, train(pairs), epochs=3, **LEARNED)
    half = learn.fit(network, train(pairs), epochs=3, half_precision=True, **LEARNED)
    assert jax.tree.leaves(half.model)[0].dtype == jnp.float32
    close(half, whole, atol=0.05)
    assert half.history[-1]["loss"] != whole.history[-1]["loss"]


@pytest.mark.parametrize(
    ("mode", "given", "values", "stops"),
    [
        # The last improvement by more than 0.1 is epoch 2; 3, 4 and 5 are patience.
        ("max", {}, [0.1, 0.5, 0.55, 0.59, 0.6, 0.9], 5),
        ("max", {}, [0.1, 0.5, 0.55, 0.61, 0.62, 0.63, 0.64], 7),
        ("min", {}, [1.0, 0.5, 0.45, 0.41, 0.45, 0.1], 5),
        ("min", {"patience": 1, "min_delta": 0.0}, [3.0, 2.0, 1.0, 1.0, 0.0], 4),
        ("max", {"patience": 0, "min_delta": 0.0}, [1.0, 2.0, 2.0, 3.0], 3),
        ("min", {"patience": 2}, [5.0, 4.0, 3.0, 2.0], None),
    ],
)
def test_early_stopping_means_what_keras_means(mode, given, values, stops):
    callback = learn.EarlyStopping("score", mode, **given)
    heard = [callback.heard({"score": value}, None) for value in values]
    assert (heard.index(True) + 1 if any(heard) else None) == stops


@pytest.mark.parametrize("name", ["h.csv", "h.json"])
def test_history_is_written_and_goes_on(tmp_path, name):
    path = tmp_path / name
    rows = [{"epoch": k, "loss": 1 / k, "dice": [0.5, 0.25]} for k in (1, 2, 3)]
    for row in rows[:2]:
        learn.History(path).heard(row, None)
    for row in rows[1:]:
        learn.History(path).heard(row, None)
    assert learn.History(path).read() == rows
    if name == "h.csv":
        with path.open() as file:
            assert next(csv.reader(file)) == ["epoch", "loss", "dice"]
    else:
        assert json.loads(path.read_text()) == rows
    assert [p.name for p in tmp_path.iterdir()] == [name]
    learn.History(path).heard({"epoch": 4, "accuracy": 0.5}, None)
    assert [row.get("accuracy") for row in learn.History(path).read()] == [None] * 3 + [0.5]


def test_what_is_not_finite_ends_it_before_anyone_hears(pairs, network):
    heard = []

    class Listener(learn.Callback):
        def heard(self, logs, state):
            heard.append(logs["epoch"])
            return False

    def rates(count):
        return jnp.where(count < 5, 1e-2, math.nan)

    with pytest.raises(FloatingPointError, match="loss or parameters are not finite in epoch 3"):
        learn.fit(
            network, train(pairs), epochs=5, loss=jd.mse, optimizer=optax.sgd(rates),
            callbacks=[Listener()],
        )  # fmt: skip
    assert heard == [1, 2]


def test_bad_input(pairs, network):
    with pytest.raises(ValueError, match="monitor must be one of loss, got 'val_dice'"):
        learn.fit(
            network, train(pairs), callbacks=[learn.EarlyStopping("val_dice", "max")], **LEARNED
        )
    with pytest.raises(ValueError, match="train must be Batches without end, got epochs=2"):
        learn.fit(network, train(pairs, epochs=2), **LEARNED)
    with pytest.raises(ValueError, match="val must be Batches of one epoch, got epochs=None"):
        learn.fit(network, train(pairs), train(pairs), **LEARNED)
    with pytest.raises(ValueError, match="metrics must have names of their own, got 'loss'"):
        learn.fit(network, train(pairs), metrics={"loss": jd.mse}, **LEARNED)
    with pytest.raises(ValueError, match="half_precision is too coarse for loss, a ModelLoss"):
        learn.fit(network, train(pairs), loss=learn.sure_loss, half_precision=True)
    with pytest.raises(ValueError, match="epochs must be a positive integer"):
        learn.fit(network, train(pairs), epochs=0, **LEARNED)
    with pytest.raises(ValueError, match="average must be below 1"):
        learn.fit(network, train(pairs), average=1.0, **LEARNED)
    with pytest.raises(ValueError, match="min_delta must be finite and not negative"):
        learn.EarlyStopping("loss", "min", min_delta=-0.1)
    with pytest.raises(ValueError, match=r"path must end in \.csv or \.json"):
        learn.History("history.txt")
