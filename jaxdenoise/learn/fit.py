"""Training: one compiled step, over and over, on all devices of this host."""

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxdenoise._core.checks import check_count, check_positive, check_share
from jaxdenoise._core.foreign import standard_promotion
from jaxdenoise.learn.batches import Batches
from jaxdenoise.learn.callbacks import Callback, Logs, check_monitors
from jaxdenoise.learn.unsupervised import ModelLoss

Loss = Callable[[Array, Array], Array] | ModelLoss


class State(NamedTuple):
    """All that a run goes on from, at the end of an epoch."""

    parameters: Any
    average: Any  # of the parameters, which is evaluated and returned
    optimizer: Any
    epoch: int  # that ended
    data: dict[str, int]


class Fitted(NamedTuple):
    """What `fit` returns."""

    model: Any
    history: list[Logs]  # of every epoch
    state: State


def fit(
    model: eqx.Module,
    train: Batches,
    val: Batches | None = None,
    *,
    loss: Loss,
    metrics: Mapping[str, Loss] | None = None,
    optimizer: optax.GradientTransformation | None = None,
    epochs: int = 10,
    steps_per_epoch: int | None = None,
    callbacks: Sequence[Callback] = (),
    clip: float = 1.0,
    average: float = 0.0,
    half_precision: bool = False,
    state: State | None = None,
) -> Fitted:
    r"""Minimise the mean loss of a network over batches of pairs.

    $$\theta \leftarrow \theta - \mathrm{optimizer}\Big(\mathrm{clip}\;
    \nabla_\theta \tfrac1B \sum_b \mathrm{loss}\big(f_\theta(x_b), t_b\big)\Big)$$

    One step is compiled, and every batch is shared among as many local devices as divide it, which
    hold the same parameters: the result is that of one device, but for rounding.

    **Arguments:**

    - `model`: called on one input, returns what `loss` takes. Its floating-point arrays are
        trained.
    - `train`, `val`: `Batches`, of `train` without end (`epochs=None`), of `val` of one epoch.
    - `loss`, `metrics`: of one output and its target, such as `dice_loss` and
        `{"dice": dice_coefficient}`, or a `ModelLoss`, such as `sure_loss`; batches are averaged.
        Metrics are logged as `loss`, `dice`, `val_loss` and `val_dice`; beside them the `seconds`
        of an epoch, and of these the share spent `waiting` for data.
    - `optimizer`: of optax, with its schedule. Default: `optax.adam(1e-3)`.
    - `epochs`, `steps_per_epoch`: of these; a step takes a batch, an epoch by default `len(train)`.
    - `callbacks`: hear of every step and epoch, in order, such as `EarlyStopping`.
    - `clip`: the largest norm of a gradient.
    - `average`: decay of the moving average of the parameters, such as 0.999, which is then
        evaluated and returned; 0 for none. At step t = 0, 1, ... it is at most t / (t + 10), so
        that the beginning is soon forgotten.
    - `half_precision`: networks run in bfloat16, with parameters, losses and steps in float32.
    - `state`: of another run of the same model, to go on from.

    **Returns:** the trained `model`, the `history`, a list of the logs of every epoch, and the
    `state`.

    **Raises:** `ValueError` for `train` with an end, or `val` without or of several epochs; metrics
    of the names above; a callback that monitors what is not logged; a `ModelLoss` in half
    precision, which is too coarse for the differences in it; and on several hosts at once.
    `FloatingPointError` when the loss or a parameter is not finite at the end of an epoch, before
    any callback hears of it.

    **References:** Kingma & Ba, "Adam", ICLR 2015. Pascanu, Mikolov & Bengio, "On the difficulty of
    training recurrent neural networks", ICML 2013 (clipping). Polyak & Juditsky, "Acceleration of
    stochastic approximation by averaging", SIAM Journal on Control and Optimization 1992.
    """
    steps = len(train) if steps_per_epoch is None else steps_per_epoch
    for name, count in (("epochs", epochs), ("steps_per_epoch", steps)):
        check_count(count, name=name)
    check_positive(clip, name="clip")
    check_share(average, name="average")
    _check_given(train, val, metrics or {}, half_precision, loss)
    scores = {"loss": loss, **(metrics or {})}
    names = [*scores, *(f"val_{name}" for name in scores if val is not None)]
    check_monitors(callbacks, names)
    fixed = eqx.partition(model, eqx.is_inexact_array)[1]
    evaluate = _evaluation(fixed, scores, half_precision)
    step = _step(evaluate, _clipped(optimizer, clip))
    if state is None:
        state = initial_state(model, optimizer)
    batches = iter(train)
    if state.data:
        batches.set_state(state.data)
    devices = _devices(train.batch_size)
    learned = jax.device_put(tuple(state[:3]), NamedSharding(devices, PartitionSpec()))
    for callback in callbacks:
        callback.began(state)
    history: list[Logs] = []
    for epoch in range(state.epoch + 1, epochs + 1):
        start, waited = perf_counter(), batches.waited

        def train_step(learned: Any, decay: np.float32) -> Any:
            return step(learned, _placed(next(batches), devices), decay)

        learned, logs = _train_epoch(train_step, learned, epoch, steps, average, callbacks)
        seconds, waited = perf_counter() - start, batches.waited - waited
        if val is not None:
            logs |= {
                f"val_{k}": v for k, v in _validated(evaluate, learned[1], val, devices).items()
            }
        logs |= {"seconds": round(seconds, 3), "waiting": round(waited / seconds, 4)}
        history.append({"epoch": epoch, **logs})
        parameters, mean, memory = learned
        state = State(parameters, mean, memory, epoch, batches.get_state())
        # All of them hear of it, also when one has had enough.
        enough = [callback.heard(history[-1], state) for callback in callbacks]
        if any(enough):
            break
    return Fitted(eqx.combine(state.average, fixed), history, state)


def _train_epoch(
    step: Callable[..., Any],
    learned: Any,
    epoch: int,
    steps: int,
    average: float,
    callbacks: Sequence[Callback],
) -> tuple[Any, Logs]:
    """One epoch: what is learned, and the means of the scores."""
    found = []
    for number in range(steps):
        before = (epoch - 1) * steps + number
        decay = np.float32(min(average, before / (before + 10)))
        learned, each = step(learned, decay)
        found.append(each)
        # One step is computed while the next batch is made; not more are in the queue.
        jax.block_until_ready(found[-2:][0])
        for callback in callbacks:
            callback.stepped(epoch, number + 1, steps)
    logs = _mean(found, [1] * steps)
    # The last step may have spoilt parameters that no loss has seen yet.
    if not (np.isfinite(logs["loss"]) and _all_finite(learned[0])):
        raise FloatingPointError(
            f"loss or parameters are not finite in epoch {epoch}; try a lower learning rate, "
            f"unless inputs are not finite either"
        )
    return learned, logs


def _check_given(
    train: Batches, val: Batches | None, metrics: Mapping[str, Loss], half: bool, loss: Loss
) -> None:
    if jax.process_count() > 1:
        raise ValueError("fit trains on the devices of one host")
    if train.epochs is not None:
        raise ValueError(f"train must be Batches without end, got epochs={train.epochs}")
    if val is not None and val.epochs != 1:
        raise ValueError(f"val must be Batches of one epoch, got epochs={val.epochs}")
    for name, score in (("loss", loss), *metrics.items()):
        if half and isinstance(score, ModelLoss):
            raise ValueError(f"half_precision is too coarse for {name}, a ModelLoss")
    for name in metrics:
        if name in ("loss", "epoch", "seconds", "waiting") or name.startswith("val_"):
            raise ValueError(f"metrics must have names of their own, got {name!r}")


def initial_state(
    model: eqx.Module, optimizer: optax.GradientTransformation | None = None
) -> State:
    """Where `fit` begins with a model and an optimiser, and what `load_state` loads is like."""
    parameters = eqx.filter(model, eqx.is_inexact_array)
    # Clipping has no memory: any bound begins alike.
    memory = _clipped(optimizer, 1.0).init(parameters)
    return State(parameters, parameters, memory, 0, {})


def _clipped(
    optimizer: optax.GradientTransformation | None, clip: float
) -> optax.GradientTransformation:
    optimizer = optax.adam(1e-3) if optimizer is None else optimizer
    return optax.chain(optax.clip_by_global_norm(clip), optimizer)


def _evaluation(fixed: Any, scores: Mapping[str, Loss], half: bool) -> Callable[..., dict]:
    """The means of all scores over a batch."""

    def in_half(tree: Any) -> Any:
        narrow = eqx.is_inexact_array
        return jax.tree.map(lambda x: x.astype(jnp.bfloat16) if narrow(x) else x, tree)

    def evaluate(parameters: Any, batch: tuple[Array, Array]) -> dict[str, Array]:
        inputs, targets = batch
        model = eqx.combine(parameters, fixed)
        if half:
            model, inputs = in_half(model), in_half(inputs)

        def of_one(x: Array, target: Array) -> dict[str, Array]:
            output = model(x)
            output = output.astype(jnp.float32) if half else output
            return {
                name: score.of(model, x, target)
                if isinstance(score, ModelLoss)
                else score(output, target)
                for name, score in scores.items()
            }

        each = jax.vmap(of_one)(inputs, targets)
        return jax.tree.map(lambda x: jnp.mean(x, axis=0), each)

    return jax.jit(evaluate)


def _step(
    evaluate: Callable[..., dict], optimizer: optax.GradientTransformation
) -> Callable[..., tuple]:
    def loss(parameters: Any, batch: tuple[Array, Array]) -> tuple[Array, dict[str, Array]]:
        found = evaluate(parameters, batch)
        return found["loss"], found

    def step(
        learned: tuple, batch: tuple[Array, Array], decay: Array
    ) -> tuple[tuple, dict[str, Array]]:
        parameters, average, memory = learned
        slope, found = jax.grad(loss, has_aux=True)(parameters, batch)
        with standard_promotion():
            change, memory = optimizer.update(slope, memory, parameters)
        parameters = optax.apply_updates(parameters, change)
        average = jax.tree.map(
            lambda a, p: p + decay.astype(p.dtype) * (a - p), average, parameters
        )
        return (parameters, average, memory), found

    return jax.jit(step)


def _validated(evaluate: Callable[..., dict], parameters: Any, val: Batches, devices: Mesh) -> Logs:
    """Batches that cannot be shared are evaluated on one device, not on each of them again."""
    one = devices.devices[0]
    alone = jax.device_put(parameters, one)
    found, sizes = [], []
    for batch in val:
        if len(batch[0]) % devices.size:
            found.append(evaluate(alone, jax.device_put(batch, one)))
        else:
            found.append(evaluate(parameters, _placed(batch, devices)))
        sizes.append(len(batch[0]))
    return _mean(found, sizes)


@jax.jit
def _all_finite(tree: Any) -> Array:
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(tree)]))


def _devices(size: int) -> Mesh:
    """As many as share a batch of this size without remainder."""
    devices = jax.local_devices()
    count = max(n for n in range(1, len(devices) + 1) if size % n == 0)
    return Mesh(np.asarray(devices[:count]), ("batch",))


def _placed(batch: tuple[Array, Array], devices: Mesh) -> Any:
    return jax.device_put(batch, NamedSharding(devices, PartitionSpec("batch")))


def _mean(found: list[dict[str, Array]], sizes: list[int]) -> Logs:
    """Of batches of these sizes, as NumPy's numbers."""
    found = jax.device_get(found)
    mean = {name: np.average([f[name] for f in found], axis=0, weights=sizes) for name in found[0]}
    return {
        name: float(x) if np.ndim(x) == 0 else np.asarray(x).tolist() for name, x in mean.items()
    }
