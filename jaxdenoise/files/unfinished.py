"""Files that are not complete and folders that are empty, to be removed if the process ends."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_paths: list[Path] = []


@contextmanager
def unfinished(*paths: Path) -> Iterator[None]:
    """Until the block ends, `remove_unfinished` removes these; of folders those that are empty."""
    _paths.extend(paths)
    try:
        yield
    finally:
        for path in paths:
            _paths.remove(path)


def remove_unfinished() -> None:
    """For a process that ends without unwinding its stack."""
    remove(*_paths)


def remove(*paths: Path) -> None:
    """Remove files and empty folders, the last first, so that a folder may precede its files."""
    for path in reversed(paths):
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink()


def missing_folders(folder: Path) -> list[Path]:
    """The folders that `folder.mkdir(parents=True)` would create, the outermost first."""
    found = []
    while not folder.exists() and folder != folder.parent:
        found.append(folder)
        folder = folder.parent
    return found[::-1]
