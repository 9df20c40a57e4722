"""Pipes as files: `-`, `/dev/stdin` and FIFOs, which cannot be read twice, as decoders do."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from jaxdenoise.files.errors import InputError
from jaxdenoise.files.unfinished import unfinished

STANDARD = "-"
_STDOUT = (STANDARD, "/dev/stdout")
# How the files begin that are worth reading to their end.
_BEGINNINGS = {
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"II": ".tif",
    b"MM": ".tif",
    b"\x93NUMPY": ".npy",
    b"BM": ".bmp",
    b"RIFF": ".webp",
}
_HEAD = 8


class _Spool:
    """The files that stand for the pipes of one command."""

    def __init__(self, stack: ExitStack):
        self._stack = stack
        self.names: dict[Path, str] = {}
        self.read: dict[str, Path] = {}

    def new(self, stem: str, extension: str, name: str) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="jaxdenoise-"))
        path = folder / f"{stem}{extension}"
        self._stack.enter_context(unfinished(folder, path))
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        self.names[path] = name
        return path


_spool: _Spool | None = None


@contextmanager
def spooled_pipes() -> Iterator[None]:
    """For one command: the files that stand for its pipes are gone when the block ends."""
    global _spool
    with ExitStack() as stack:
        _spool = _Spool(stack)
        try:
            yield
        finally:
            _spool = None


def with_names_of_pipes(text: str) -> str:
    """A message about the files that stand for pipes, with what people call these."""
    for path, name in _spool.names.items() if _spool is not None else ():
        text = text.replace(str(path), name)
    return text


def is_stdout(out: str) -> bool:
    return out in _STDOUT


def read_pipe(argument: str) -> Path:
    """A file with what the pipe holds, read once for each command."""
    assert _spool is not None, "outside of spooled_pipes"
    if argument not in _spool.read:
        with _opened(argument) as pipe:
            head = pipe.read(_HEAD)
            if not head and argument != STANDARD:
                raise InputError(f"{argument}: is a pipe that nothing writes to")
            stem = "stdin" if argument == STANDARD else Path(argument).stem
            name = "standard input" if argument == STANDARD else argument
            path = _spool.new(stem, _extension(head), name)
            with open(path, "wb") as file:
                file.write(head)
                # A stream that is no image may be endless. It is refused by its first bytes.
                if _extension(head):
                    shutil.copyfileobj(pipe, file)
        _spool.read[argument] = path
    return _spool.read[argument]


def _opened(argument: str) -> BinaryIO:
    if argument != STANDARD:
        # Opened so, a pipe that nothing writes to is at its end, and does not hang.
        file = os.open(argument, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(file, True)
        return open(file, "rb")
    if os.isatty(0):
        raise InputError("-: standard input is a terminal; pipe an image to it")
    return open(0, "rb", closefd=False)


def format_of(path: Path) -> str:
    """The extension that fits the first bytes of a file; nothing for an unknown one."""
    with open(path, "rb") as file:
        return _extension(file.read(_HEAD))


def _extension(head: bytes) -> str:
    found = [extension for start, extension in _BEGINNINGS.items() if head.startswith(start)]
    return found[0] if found else ""


def spooled_stdout(extension: str) -> Path:
    """A file for what goes to standard output, once it is whole."""
    assert _spool is not None, "outside of spooled_pipes"
    if sys.stdout.isatty():
        raise InputError("-: standard output is a terminal; redirect it to a file or a pipe")
    return _spool.new("stdout", extension, "standard output")


def send(path: Path) -> None:
    """Write what is whole to standard output."""
    sys.stdout.flush()
    with open(path, "rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.flush()
