"""One process at a time in a folder."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jaxdenoise.files.errors import InputError
from jaxdenoise.files.pictures import TEMPORARY
from jaxdenoise.files.unfinished import missing_folders, remove, unfinished

try:
    import fcntl
except ModuleNotFoundError:  # on Windows nothing is locked
    fcntl = None

LOCK = f"{TEMPORARY}lock"
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_READ_ONLY = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The folder, made if it is missing, for this process alone; gone again if it stays empty.

    The system gives the lock back when a process ends, however it ends. The file that a killed
    process leaves locks nothing.

    **Raises:** `InputError`, which names the folder, where another process has it.
    """
    made = missing_folders(folder)
    with unfinished(*made):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = _lock(folder / LOCK)
            try:
                yield
            finally:
                _unlock(folder / LOCK, file)
        finally:
            remove(*made)


def _lock(path: Path) -> int | None:
    """The lock's file; `None` where the file system has no locks, or nothing can be written."""
    if fcntl is None:
        return None
    while True:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            if error.errno in _READ_ONLY:
                return None
            raise
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had the lock may have removed its file in between.
            if path.exists() and os.path.samestat(os.fstat(file), path.stat()):
                return file
        except OSError as error:
            os.close(file)
            if error.errno in _NO_LOCKS:
                return None
            if isinstance(error, BlockingIOError):
                raise InputError(f"{path.parent}: another process trains here") from None
            raise
        os.close(file)


def _unlock(path: Path, file: int | None) -> None:
    if file is not None:
        # While it is locked: later it could be the file of the next process.
        path.unlink(missing_ok=True)
        os.close(file)
