"""The program `jaxdenoise`.

It is installed beside the package, not in it: importing anything of the package imports JAX, for a
second in which Ctrl-C would end in a traceback.
"""

# Compiled into Python, where `signal` itself imports for some milliseconds.
import _signal  # pyright: ignore[reportMissingImports]
import os

# Python would turn Ctrl-C into a traceback of the imports. Until they are done, the signal itself
# ends the process, unless the parent has it ignored.
if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)


def main() -> None:
    """Run the command line."""
    _fill_closed_descriptors()

    from jaxdenoise.app import process

    process.run()


def _fill_closed_descriptors() -> None:
    """Without this, `>&-` would give the next file that is opened the number of stdout."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


if __name__ == "__main__":
    main()
