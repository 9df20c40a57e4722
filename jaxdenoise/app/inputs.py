"""Which files to read, and where each result goes."""

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jaxdenoise.app import pipes
from jaxdenoise.files.errors import InputError, one_line
from jaxdenoise.files.pictures import EXTENSIONS, JPEG, PNG, READ_ONLY, READABLE
from jaxdenoise.files.unfinished import missing_folders, remove, unfinished


@dataclass(frozen=True)
class Job:
    source: Path
    target: Path


@dataclass(frozen=True)
class Plan:
    """The output files of one command.

    - `folder`: the one that all outputs go to, `None` for an output that was named.
    - `to_stdout`: the one target is sent to standard output once it is whole.
    """

    jobs: list[Job]
    folder: Path | None = None
    to_stdout: bool = False


def expand_inputs(arguments: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Files named by files, folders and globs, each once, and what is wrong with the others."""
    found: dict[Path, Path] = {}
    problems: list[str] = []
    for argument in arguments:
        try:
            for path in _expand(argument):
                found.setdefault(path.resolve(), path)
        except (InputError, OSError) as problem:
            problems.append(one_line(problem))
    return list(found.values()), problems


def one_input(argument: str) -> Path:
    """A file that was named, or one with what the named pipe holds."""
    if not argument:
        raise InputError("IN: is empty; a file is needed")
    path = Path(argument)
    if argument == pipes.STANDARD or path.is_fifo():
        return pipes.read_pipe(argument)
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError(f"{argument}: is a device or a socket, not a file")
    return path


def _expand(argument: str) -> list[Path]:
    path = one_input(argument)
    if path.is_dir():
        images = _images(path.iterdir())
        if not images:
            raise InputError(f"{argument}: the folder holds no image ({', '.join(READABLE)})")
        return images
    if path.exists():
        return [path]
    if not glob.has_magic(argument):
        raise InputError(f"{argument}: no such file")
    images = _images(map(Path, glob.iglob(argument, recursive=True)))
    if not images:
        raise InputError(f"{argument}: matches no image ({', '.join(READABLE)})")
    return images


def _images(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if _is_image(path) and path.is_file())


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in READABLE and not path.name.startswith(".")


def skipped(arguments: Sequence[str]) -> list[str]:
    """Say in one line for each folder and glob what in it is not read."""
    lines = []
    for argument in arguments:
        path = Path(argument)
        if path.is_dir():
            inside = path.iterdir()
        elif not path.exists() and glob.has_magic(argument):
            inside = map(Path, glob.iglob(argument, recursive=True))
        else:
            continue
        others = [x for x in inside if not x.name.startswith(".") and not _is_image(x)]
        # A recursive glob lists folders that it goes through.
        folders = sorted(x.name for x in others if x.is_dir() and "**" not in argument)
        kinds = Counter(x.suffix.lower() or x.name for x in others if not x.is_dir())
        found = [f"{count} {kind}" for kind, count in sorted(kinds.items())]
        found += [f"the folder {name}/" for name in folders]
        if found:
            lines.append(f"{argument}: skipped {', '.join(found)}")
    return lines


def plan(
    sources: Sequence[Path],
    out: str,
    *,
    several: bool,
    bit_depth: str | None,
    option: str = "--out",
) -> Plan:
    """OUT is a file for one input and a folder for several, or where it looks like one."""
    if not out:
        raise InputError(f"{option}: is empty; a file or a folder is needed")
    if pipes.is_stdout(out):
        return _plan_stdout(sources, several=several, bit_depth=bit_depth, option=option)
    path = Path(out)
    extension = path.suffix.lower()
    if path.name.lower() in EXTENSIONS and not path.is_dir():
        raise InputError(f"{option} {out}: has no name before its extension")
    is_folder = path.is_dir() or out.endswith(("/", os.sep)) or not extension
    if not several and not is_folder:
        if extension not in EXTENSIONS:
            raise InputError(
                f"{option} {out}: cannot write {extension}; use {', '.join(EXTENSIONS)}"
            )
        return Plan([Job(sources[0], path)])
    if extension in EXTENSIONS and not path.is_dir():
        raise InputError(f"{option} {out}: must be a folder for several inputs")
    if path.exists() and not path.is_dir():
        raise InputError(f"{option} {out}: is a file, and a folder is needed")
    jobs = [Job(source, path / _target_name(source, bit_depth)) for source in sources]
    # Case-insensitive file systems would let two of them meet.
    taken: dict[str, Path] = {}
    for job in jobs:
        other = taken.setdefault(job.target.name.casefold(), job.source)
        if other != job.source:
            raise InputError(f"{other} and {job.source} would both be written to {job.target}")
    return Plan(jobs, path)


def _plan_stdout(
    sources: Sequence[Path], *, several: bool, bit_depth: str | None, option: str
) -> Plan:
    """One image, in the format of the input."""
    if option != "--out":
        raise InputError(f"{option} -: only --out can be standard output")
    if several:
        raise InputError(f"{option} -: standard output takes one image; name a folder for several")
    extension = pipes.format_of(sources[0])
    if extension in PNG + JPEG + READ_ONLY and bit_depth == "32f":
        extension = ".tif"
    target = pipes.spooled_stdout(extension if extension in EXTENSIONS else ".png")
    return Plan([Job(sources[0], target)], to_stdout=True)


def _target_name(source: Path, bit_depth: str | None) -> str:
    """The name of the input, unless its format would lose what was gained."""
    extension = source.suffix.lower()
    if extension in PNG + JPEG + READ_ONLY and bit_depth == "32f":
        return f"{source.stem}.tif"
    if extension in JPEG + READ_ONLY:
        return f"{source.stem}.png"
    return source.name


def check_target(source: Path, target: Path, *, force: bool) -> None:
    """Refuse a target that exists, cannot be written or has no format, before any work."""
    if target.suffix.lower() not in EXTENSIONS:
        raise InputError(f"{target}: cannot write {target.suffix or 'a file without an extension'}")
    check_writable(target, force=force, source=source)


def check_writable(target: Path, *, force: bool, source: Path | None = None) -> None:
    """Refuse what exists, unless it is to be overwritten, and what cannot be written."""
    if target.is_dir():
        raise InputError(f"{target}: is a folder")
    if target.exists() and not target.is_file():
        raise InputError(f"{target}: is a device or a pipe, not a file")
    # A symbolic link stays, and what it points to is written.
    final = Path(os.path.realpath(target))
    if final.is_symlink():
        raise InputError(f"{target}: is a symbolic link in a loop")
    if target.exists() and not force:
        same = source is not None and source.exists() and target.samefile(source)
        raise InputError(f"{target}: {'is the input' if same else 'exists'}; --force overwrites it")
    if target.is_symlink() and not force:
        raise InputError(f"{target}: is a symbolic link to {final}; --force writes there")
    if not final.parent.is_dir():
        raise InputError(f"{target}: its folder does not exist")
    if not os.access(final.parent, os.W_OK | os.X_OK):
        raise InputError(f"{target}: its folder is not writable")


@contextmanager
def output_folder(folder: Path | None) -> Iterator[None]:
    """The folder of the outputs, made if it is missing; gone again if nothing was written."""
    if folder is None:
        yield
        return
    made = missing_folders(folder)
    with unfinished(*made):
        try:
            _make(folder)
            yield
        finally:
            remove(*made)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot make the folder: {one_line(error)}") from error
