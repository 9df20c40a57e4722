"""The one error that users are meant to read."""


class InputError(Exception):
    """A problem with an argument or a file, said in one line that names it."""


def one_line(error: BaseException) -> str:
    """What an exception says, on one line; its type where it says nothing."""
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return "not enough memory"
    return text or type(error).__name__
