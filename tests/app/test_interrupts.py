"""Signals end a process at once, wherever it is, and leave nothing that is not whole."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

# Seconds: an end takes 0.3, more on a busy machine, and what is computed here minutes.
SOON = 10
COMPUTING = """
import time
from pathlib import Path
import jax, jax.numpy as jnp
from jaxdenoise.app.inputs import output_folder
from jaxdenoise.app.interrupts import ended_by_signals
from jaxdenoise.files.pictures import atomic_path

def compute():
    x = jnp.ones((300, 300)) / 300
    return jax.jit(lambda x: jax.lax.fori_loop(0, 100_000, lambda k, x: x @ x, x))(x)

def loop():
    while True:
        pass

where = {where}
with ended_by_signals(), output_folder(Path("deep/out")), atomic_path(Path("out.npy")) as path:
    path.write_text("half")
    print("ready", flush=True)
    jax.block_until_ready(where())
"""


def ended(process: subprocess.Popen, number: int) -> tuple[int, str, float]:
    start = time.perf_counter()
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors, time.perf_counter() - start


# A shell has its background jobs ignore Ctrl-C, and their children with them.
HEARS_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


@pytest.fixture
def python() -> Iterator[Callable[..., subprocess.Popen]]:
    """Start a process that runs some code, and does not outlive the test."""
    processes = []

    def start(code: str, **given) -> subprocess.Popen:
        command = [sys.executable, "-c", HEARS_CTRL_C + code]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        processes.append(subprocess.Popen(command, **pipes, **given))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("name", "where", "status", "word"),
    [
        ("SIGINT", "compute", 130, "interrupted"),
        ("SIGINT", "loop", 130, "interrupted"),
        ("SIGTERM", "compute", 143, "terminated"),
    ],
)
def test_a_signal_ends_the_process(python, tmp_path, name, where, status, word):
    process = python(COMPUTING.format(where=where), cwd=tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert list(tmp_path.glob(".jaxdenoise-*"))
    found, errors, seconds = ended(process, getattr(signal, name))
    assert (found, errors) == (status, f"jaxdenoise: error: {word}\n")
    assert seconds < SOON
    assert list(tmp_path.iterdir()) == []


def test_a_full_pipe_does_not_hold_it(python):
    code = """
import os, sys, time
from jaxdenoise.app.interrupts import ended_by_signals
with ended_by_signals():
    os.set_blocking(1, False)
    try:
        while os.write(1, bytes(4096)):
            pass
    except BlockingIOError:
        os.set_blocking(1, True)
    sys.stdout = open(1, "w", closefd=False)
    sys.stdout.write("more")
    print("ready", file=sys.stderr, flush=True)
    time.sleep(60)
"""
    process = python(code)
    assert process.stderr is not None
    assert process.stderr.readline() == "ready\n"
    start = time.perf_counter()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert time.perf_counter() - start < SOON
    process.communicate()


def test_during_imports_the_signal_itself_ends_it(python):
    code = """
import os, signal, sys, time
class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "jaxdenoise":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
sys.meta_path.insert(0, Interrupted())
import jaxdenoise_command
jaxdenoise_command.main()
"""
    process = python(code)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (-signal.SIGINT, "")


def test_what_the_parent_ignores_stays_ignored(python):
    code = """
import os, signal
signal.signal(signal.SIGHUP, signal.SIG_IGN)
from jaxdenoise.app.interrupts import ended_by_signals
before = signal.getsignal(signal.SIGINT)
with ended_by_signals():
    os.kill(os.getpid(), signal.SIGHUP)
assert signal.getsignal(signal.SIGINT) is before
print("alive")
"""
    assert python(code).communicate(timeout=60)[0] == "alive\n"
