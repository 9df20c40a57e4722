"""A run that was killed goes on from its checkpoint."""

import equinox as eqx
import jax
import numpy as np
import optax
import pytest

import jaxdenoise as jd
from jaxdenoise import learn
from jaxdenoise.files.errors import InputError

KEY = jax.random.key(0)
OPTIMIZER = optax.adam(optax.cosine_decay_schedule(1e-2, 100))


@pytest.fixture(scope="module")
def pairs():
    inputs = np.random.default_rng(0).normal(size=(8, 1, 5, 6)).astype(np.float32)
    return [(x, 2 * x) for x in inputs]


def network(**given):
    with jax.enable_x64(False):
        return learn.DnCNN.initialise(KEY, **({"width": 3, "depth": 2} | given))


def trained(pairs, epochs, callbacks=(), state=None):
    return learn.fit(
        network(), learn.Batches(pairs, 4), loss=jd.mse, optimizer=OPTIMIZER, epochs=epochs,
        average=0.5, callbacks=callbacks, state=state,
    )  # fmt: skip


def test_a_killed_run_ends_where_an_unbroken_one_does(tmp_path, pairs, monkeypatch):
    """Killed once the best of epoch 3 is saved, and the last is not yet."""
    real = learn.ModelCheckpoint._save

    def save(self, which, logs, state):
        if (which, state.epoch) == ("last", 3):
            raise KeyboardInterrupt
        real(self, which, logs, state)

    whole = trained(pairs, 4, [learn.ModelCheckpoint(tmp_path / "whole", "loss", "min")])
    monkeypatch.setattr(learn.ModelCheckpoint, "_save", save)
    with pytest.raises(KeyboardInterrupt):
        trained(pairs, 4, [learn.ModelCheckpoint(tmp_path / "run", "loss", "min")])
    monkeypatch.undo()
    like = learn.initial_state(network(), OPTIMIZER)
    assert learn.load_state(tmp_path / "nowhere", like) is None
    state = learn.load_state(tmp_path / "run", like)
    assert state.epoch == 2
    assert learn.load_state(tmp_path / "run", like, which="best").epoch == 3
    again = trained(pairs, 4, [learn.ModelCheckpoint(tmp_path / "run", "loss", "min")], state)
    jax.tree.map(np.testing.assert_array_equal, again.state, whole.state)
    saved = [learn.load_state(tmp_path / name, like) for name in ("run", "whole")]
    jax.tree.map(np.testing.assert_array_equal, *saved)
    model = learn.load_model(tmp_path / "run", network(), which="last")
    arrays = (eqx.filter(x, eqx.is_inexact_array) for x in (model, whole.model))
    jax.tree.map(np.testing.assert_array_equal, *arrays)


def test_the_best_is_kept(tmp_path, pairs):
    checkpoint = learn.ModelCheckpoint(tmp_path, "score", "max", save_best_only=True)
    state = learn.initial_state(network(), OPTIMIZER)
    for epoch, score in enumerate([0.1, 0.7, 0.5], 1):
        checkpoint.heard({"score": score}, state._replace(epoch=epoch))
    like = learn.initial_state(network(), OPTIMIZER)
    assert learn.load_state(tmp_path, like, which="best").epoch == 2
    assert learn.load_state(tmp_path, like) is None
    # Another run in the same folder knows what was best.
    again = learn.ModelCheckpoint(tmp_path, "score", "max", save_best_only=True)
    again.heard({"score": 0.6}, state._replace(epoch=4))
    assert learn.load_state(tmp_path, like, which="best").epoch == 2
    again.heard({"score": 0.8}, state._replace(epoch=5))
    assert learn.load_state(tmp_path, like, which="best").epoch == 5


def test_bad_input(tmp_path):
    with pytest.raises(ValueError, match="monitor must be given for save_best_only"):
        learn.ModelCheckpoint(tmp_path, save_best_only=True)
    with pytest.raises(InputError, match="best: there is no checkpoint"):
        learn.load_model(tmp_path, network())
    state = learn.initial_state(network(), OPTIMIZER)
    learn.ModelCheckpoint(tmp_path).heard({}, state._replace(epoch=1))
    with pytest.raises(InputError, match="last: is the checkpoint of another model"):
        learn.load_model(tmp_path, network(width=4), which="last")
    with pytest.raises(InputError, match="last: is epoch 1 of another run; go on from it, or"):
        learn.ModelCheckpoint(tmp_path).began(state)
    learn.ModelCheckpoint(tmp_path).began(state._replace(epoch=1))
    learn.ModelCheckpoint(tmp_path, "loss").heard({"loss": 1.0}, state._replace(epoch=2))
    with pytest.raises(InputError, match="best: was not chosen by val_iou"):
        learn.ModelCheckpoint(tmp_path, "val_iou")
    with pytest.raises(InputError, match="last: is the checkpoint of another model or optimiser"):
        learn.load_state(tmp_path, learn.initial_state(network(), optax.sgd(0.1)))
