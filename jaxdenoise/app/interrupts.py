"""Signals end a command: nothing is left that is not whole, one line, and the usual status.

A handler does not raise an exception. JAX swallows those that come up inside of its callbacks, and
the interpreter's regular exit crashes while XLA computes. So whoever hears the signal removes what
is unfinished and ends the process on the spot.

Python runs handlers in the main thread, which does not hear them while XLA compiles, for seconds.
A second thread hears of the signal at once, and acts where the main thread does not.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from jaxdenoise.files.unfinished import remove_unfinished

_WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung up"}
# Seconds until the main thread counts as deep in compiled code, where it changes no files.
_PATIENCE = 0.2
# Seconds until an end that has begun counts as stuck, as in a pipe that nobody reads.
_STUCK = 1.0
# Erases the progress bars below the cursor's line, and shows the cursor that they hide.
_RESTORE_TERMINAL = "\r\x1b[J\x1b[?25h"


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """While the block runs, signals end the process. Those that the parent ignores stay ignored."""
    words = {int(getattr(signal, name)): said for name, said in _WORDS.items() if _exists(name)}
    before = {number: signal.getsignal(number) for number in words}
    taken = [number for number, handler in before.items() if handler != signal.SIG_IGN]
    end = _once(lambda number: _end(number, words[number]))

    def heard(number: int, frame: FrameType | None) -> None:
        end(number)

    def watch() -> None:
        if not (numbers := os.read(hears, 1)):
            return
        time.sleep(_PATIENCE)
        end(numbers[0])
        time.sleep(_STUCK)
        os._exit(128 + numbers[0])

    hears, tells = os.pipe()
    os.set_blocking(tells, False)
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    signal.set_wakeup_fd(tells, warn_on_full_buffer=False)
    for number in taken:
        signal.signal(number, heard)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])
        signal.set_wakeup_fd(-1)
        os.close(tells)
        thread.join()
        os.close(hears)


def _exists(name: str) -> bool:
    return hasattr(signal, name)


def _once(end: Callable[[int], None]) -> Callable[[int], None]:
    """`end` for the first thread that asks.

    The main thread waits for the other, as it must not go on writing; the other returns.
    """
    lock, owner = threading.Lock(), []

    def first(number: int) -> None:
        if lock.acquire(blocking=False):
            owner.append(threading.get_ident())
            end(number)
        elif threading.current_thread() is threading.main_thread():
            while owner != [threading.get_ident()]:  # not a second signal, during the end itself
                time.sleep(_STUCK)

    return first


def _end(number: int, said: str) -> None:
    remove_unfinished()
    terminal = os.isatty(2)
    line = f"{_RESTORE_TERMINAL if terminal else ''}jaxdenoise: error: {said}\n"
    with suppress(OSError):
        os.write(2, line.encode())
    with suppress(Exception):  # the stack may be inside of a write to it
        sys.stdout.flush()
    os._exit(128 + number)
