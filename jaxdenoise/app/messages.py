"""Print messages of a command, one line each even if a file name holds a line break."""

import typer

from jaxdenoise.app.pipes import with_names_of_pipes


def tell(text: str, *, err: bool = False) -> None:
    """One line on stdout or stderr."""
    typer.echo(printable(with_names_of_pipes(text)), err=err)


def complain(message: str) -> None:
    tell(f"jaxdenoise: error: {message}", err=True)


def warn(message: str) -> None:
    tell(f"jaxdenoise: warning: {message}", err=True)


def printable(text: str) -> str:
    r"""Newlines, control characters and bytes that are no text as escapes: `\n`, `\x1b`."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
