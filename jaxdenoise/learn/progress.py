"""How far `fit` is, in the terminal."""

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

from jaxdenoise.learn.callbacks import Callback, Logs


class ProgressBar(Callback):
    """A bar of the steps of an epoch, and a line for each that ended.

    ```python
    with learn.ProgressBar() as bar:
        fitted = learn.fit(model, train, val, loss=loss, callbacks=[bar])
    ```

    The bar is on stderr while that is a terminal; lines are there in any case.

    **Arguments:**

    - `show`: what a line is given to; `print` by default.
    """

    def __init__(self, show: Callable[[str], object] = print):
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        console = Console(stderr=True)
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        self._bar = Progress(
            *columns,
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
            # A pipe on stdout must get its lines, not the bar's console.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._task = self._bar.add_task("compiling", total=None)
        self._show = show

    def __enter__(self) -> "ProgressBar":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def began(self, state: Any) -> None:
        if state.epoch:
            self._show(f"going on after epoch {state.epoch}")

    def stepped(self, epoch: int, step: int, steps: int) -> None:
        self._bar.update(self._task, description=f"epoch {epoch}", completed=step, total=steps)

    def heard(self, logs: Logs, state: Any) -> bool:
        told = [f"{k} {v:.4f}" for k, v in logs.items() if isinstance(v, float)]
        self._show(f"epoch {logs['epoch']}: {', '.join(told)}")
        return False
