"""Bars that tell how far a command is."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Bars on stderr while it is a terminal; what is printed meanwhile stays above them."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn())
    with Progress(
        *columns,
        MofNCompleteColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        # A pipe on stdout must get its lines, not the bars' console.
        redirect_stdout=sys.stdout.isatty(),
    ) as progress:
        yield progress
