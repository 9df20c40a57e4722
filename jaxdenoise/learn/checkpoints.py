"""Checkpoints: the state of a run on the disk, by orbax, whole or not there."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from zlib import crc32

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxdenoise.files.errors import InputError
from jaxdenoise.files.pictures import atomic_path
from jaxdenoise.learn.callbacks import Best, Callback, Logs
from jaxdenoise.learn.fit import State

_ARRAYS = "parameters", "average", "optimizer"
_SEAL = "checksum.json"


class ModelCheckpoint(Callback):
    """Save the state after every epoch in `folder/last`, and that of the best one in `folder/best`.

    Of each there is one at a time; the one before goes when the new one is whole. A run that was
    killed goes on from the last, `load_state(folder, initial_state(model, optimizer))`, to the
    parameters of an unbroken one.

    **Arguments:**

    - `folder`: made if it is missing.
    - `monitor`, `mode`: of the best epoch: the name of a metric, and `"max"` if more is better, or
        `"min"`. Without a monitor only the last is saved.
    - `save_best_only`: not the last.

    **Raises:** `ValueError` for an unknown mode, or `save_best_only` without a monitor;
    `InputError`, which names the folder, where a run begins that is not the one saved there, or
    that is judged by another metric.
    """

    def __init__(
        self,
        folder: str | Path,
        monitor: str | None = None,
        mode: Literal["min", "max"] = "min",
        *,
        save_best_only: bool = False,
    ):
        if save_best_only and monitor is None:
            raise ValueError("monitor must be given for save_best_only, got None")
        self.folder, self.monitor, self.save_best_only = Path(folder), monitor, save_best_only
        self._best = Best(mode)
        if monitor is not None and (before := _told(self.folder, "best")) is not None:
            if monitor not in before["logs"]:
                raise InputError(f"{self.folder / 'best'}: was not chosen by {monitor}")
            self._best.improved(before["logs"][monitor])

    def began(self, state: State) -> None:
        # The best is saved before the last: a run that was killed between is one epoch behind it.
        for which, ahead in (("last", 0), ("best", 1)):
            told = _told(self.folder, which)
            if told is not None and told["epoch"] > state.epoch + ahead:
                raise InputError(
                    f"{self.folder / which}: is epoch {told['epoch']} of another run; go on from "
                    f"it, or choose another folder"
                )

    def heard(self, logs: Logs, state: State) -> bool:
        if self.monitor is not None and self._best.improved(float(logs[self.monitor])):
            self._save("best", logs, state)
        if not self.save_best_only:
            self._save("last", logs, state)
        return False

    def _save(self, which: str, logs: Logs, state: State) -> None:
        import orbax.checkpoint as ocp

        told = {"logs": logs, "epoch": state.epoch, "data": state.data}
        told["shapes"] = {name: _shapes(getattr(state, name)) for name in _ARRAYS}
        arrays = {name: _named(getattr(state, name)) for name in _ARRAYS}
        saved = {name: ocp.args.StandardSave(leaves) for name, leaves in arrays.items() if leaves}
        with _manager(self.folder / which, writes=True) as manager:
            # Orbax takes an epoch that it has for saved already.
            if state.epoch in manager.all_steps():
                return
            manager.save(
                state.epoch, args=ocp.args.Composite(told=ocp.args.JsonSave(told), **saved)
            )
        _seal(self.folder / which, state.epoch)


def load_state(
    folder: str | Path, like: State, *, which: Literal["last", "best"] = "last"
) -> State | None:
    """The state that `ModelCheckpoint` saved, or `None` if there is none yet.

    **Arguments:**

    - `folder`: of the checkpoints.
    - `like`: `initial_state(model, optimizer)` of the same model and optimiser.
    - `which`: the last, or the best by its monitor.

    **Raises:** `InputError`, which names the folder, for that of another model or optimiser.
    """
    told = _told(Path(folder), which)
    if told is None:
        return None
    parts = {
        name: _loaded(Path(folder), which, told, name, getattr(like, name)) for name in _ARRAYS
    }
    return State(**parts, epoch=told["epoch"], data=told["data"])


def load_model(
    folder: str | Path, model: eqx.Module, *, which: Literal["last", "best"] = "best"
) -> Any:
    """`model` with the parameters that `ModelCheckpoint` saved, averaged where they were.

    Of the model the shapes are enough, as `eqx.filter_eval_shape` gives them.

    **Raises:** `InputError`, which names the folder, where there is none, or one of another model.
    """
    told = _told(Path(folder), which)
    if told is None:
        raise InputError(f"{Path(folder) / which}: there is no checkpoint")
    parameters, fixed = eqx.partition(
        model, lambda x: isinstance(x, jax.ShapeDtypeStruct) or eqx.is_inexact_array(x)
    )
    return eqx.combine(_loaded(Path(folder), which, told, "average", parameters), fixed)


def _told(folder: Path, which: str) -> dict[str, Any] | None:
    import orbax.checkpoint as ocp

    if not (folder / which).is_dir():
        return None
    with _read(folder / which) as manager:
        epoch = manager.latest_step()
        if epoch is None:
            return None
        _check_seal(folder / which, epoch)
        wanted = ocp.args.Composite(told=ocp.args.JsonRestore())
        told = manager.restore(epoch, args=wanted).told
        return {name: told[name] for name in ("logs", "epoch", "data", "shapes")}


def _loaded(folder: Path, which: str, told: dict[str, Any], name: str, like: Any) -> Any:
    import orbax.checkpoint as ocp

    if told["shapes"][name] != _shapes(like):
        raise InputError(f"{folder / which}: is the checkpoint of another model or optimiser")
    leaves = _named(like)
    if not leaves:
        return like
    wanted = {name: ocp.args.StandardRestore(leaves)}
    with _read(folder / which) as manager:
        found = manager.restore(told["epoch"], args=ocp.args.Composite(**wanted))[name]
    # Through the host: what orbax puts on one device could not be shared among several.
    loaded = [jnp.asarray(np.asarray(found[k])) for k in leaves]
    return jax.tree.unflatten(jax.tree.structure(like), loaded)


@contextmanager
def _read(folder: Path) -> Iterator[Any]:
    """A manager that names the folder where orbax stumbles, on whatever damage did to it."""
    try:
        with _manager(folder) as manager:
            yield manager
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{folder}: damaged") from error


def _seal(folder: Path, epoch: int) -> None:
    """Write the checksum of a checkpoint that is whole."""
    told = {"epoch": epoch, "crc32": _checksum(folder / str(epoch))}
    with atomic_path(folder / _SEAL, overwrite=True) as temporary:
        temporary.write_text(json.dumps(told) + "\n")


def _check_seal(folder: Path, epoch: int) -> None:
    """Refuse what was damaged: of a few wrong bytes orbax makes wrong numbers, or a page of text.

    A run that was killed before it wrote the checksum has that of the checkpoint before.
    """
    if not (folder / _SEAL).exists():
        return
    told = json.loads((folder / _SEAL).read_text())
    if told["epoch"] == epoch and told["crc32"] != _checksum(folder / str(epoch)):
        raise InputError(f"{folder}: damaged")


def _checksum(folder: Path) -> int:
    found = 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        found = crc32(str(path.relative_to(folder)).encode(), found)
        with open(path, "rb") as file:
            while part := file.read(1 << 20):
                found = crc32(part, found)
    return found


def _named(tree: Any) -> dict[str, Any]:
    return {str(k): leaf for k, leaf in enumerate(jax.tree.leaves(tree))}


def _shapes(tree: Any) -> list[str]:
    return [f"{x.dtype} {np.shape(x)}" for x in jax.tree.leaves(tree)]


def _manager(folder: Path, *, writes: bool = False) -> Any:
    """What writes removes what a killed run left unfinished."""
    import orbax.checkpoint as ocp

    options = ocp.CheckpointManagerOptions(
        max_to_keep=1, cleanup_tmp_directories=writes, enable_async_checkpointing=False
    )
    return ocp.CheckpointManager(folder.resolve(), options=options)
