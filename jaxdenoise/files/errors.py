"""The one error that users are meant to read."""

# Characters of another library's message; some quote the whole file.
_LONGEST = 300


class InputError(Exception):
    """A problem with an argument or a file, said in one line that names it."""


def one_line(error: BaseException) -> str:
    """The message of an exception on one short line, or its type if it has none."""
    text = " ".join(str(error).split())
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + " ..."
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return "not enough memory"
    return text or type(error).__name__
