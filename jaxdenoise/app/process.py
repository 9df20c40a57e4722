"""The command line as a process of its own: its signals, and a stdout that can fail."""

import io
import sys

from jaxdenoise.app import cli
from jaxdenoise.app.interrupts import ended_by_signals


def run() -> None:
    """Run the command line in this process."""
    sys.stdout = _named_output()
    with ended_by_signals():
        cli.main()


class _Output(io.FileIO):
    """Stdout with its name in errors. What follows the first error goes nowhere."""

    broken = False

    def write(self, data) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        if self.broken:  # Python flushes once more at its end, and would complain
            return len(data)
        try:
            return super().write(data)
        except OSError as error:
            self.broken = True
            raise type(error)(error.errno, error.strerror, "standard output") from None


def _named_output() -> io.TextIOWrapper:
    given = sys.stdout
    return io.TextIOWrapper(
        io.BufferedWriter(_Output(1, "w", closefd=False)),
        encoding=None if given is None else given.encoding,
        errors="backslashreplace",
        line_buffering=given is not None and given.isatty(),
    )
