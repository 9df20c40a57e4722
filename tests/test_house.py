"""The plan of the house: data flows one way, one public door, nothing heavy behind it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import jaxdenoise

PACKAGE = Path(jaxdenoise.__file__).parent
# A room imports only from rooms before it.
ROOMS = [
    *("_core", "images", "noise", "filters", "groups", "metrics"),
    *("registry", "risk", "posterior", "sharding", "buckets"),
    *("files", "learn", "app", "launcher"),
]
FILES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> list[str]:
    modules = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            modules.append(node.module or "")
        elif isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
    return modules


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_flow_one_way(path):
    for module in imported(path):
        if module == "jaxdenoise":
            assert room(path) == "app", "only the command line comes in by the public door"
        elif module.startswith("jaxdenoise."):
            other = module.split(".")[1]
            assert ROOMS.index(other) <= ROOMS.index(room(path)), f"{path} imports {module}"
        assert not module.startswith("jax._src"), f"{path} imports a private part of JAX"
        # A process that is forked once JAX has computed hangs for ever.
        assert module.split(".")[0] not in {"multiprocessing", "subprocess"}, f"{path} may fork"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_fit_one_sitting(path):
    assert len(path.read_text().splitlines()) <= 300
    assert path.stem not in {"utils", "helpers", "common", "misc"}


def lines_of_code(function: ast.FunctionDef) -> int:
    """Without docstring, comments and blank lines."""
    body = function.body[ast.get_docstring(function) is not None :]
    nodes = [node for part in (function.args, *body) for node in ast.walk(part)]
    lines = {
        line
        for node in nodes
        if hasattr(node, "lineno")
        for line in range(node.lineno, node.end_lineno + 1)
    }
    return len(lines)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_functions_are_short(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            assert lines_of_code(node) <= 60, f"{path}: {node.name}"


def test_public_door_is_alphabetical_and_nothing_else():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    statements = tree.body[1:]
    assert all(isinstance(node, ast.ImportFrom) for node in statements)
    names = [alias.name for node in statements for alias in node.names]
    assert all(alias.asname == alias.name for node in statements for alias in node.names)
    assert sorted(n.module for n in statements) == [n.module for n in statements]
    public = {n for n in vars(jaxdenoise) if not n.startswith("_")}
    modules = {n for n in public if isinstance(vars(jaxdenoise)[n], type(sys))}
    assert public - modules == set(names)
    undocumented = [n for n in names if not getattr(jaxdenoise, n).__doc__]
    assert not undocumented


def test_import_is_light_and_changes_nothing():
    code = """
import sys, jax
before = {k: getattr(jax.config, k, None) for k in jax.config.values}
import jaxdenoise
assert before == {k: getattr(jax.config, k, None) for k in jax.config.values}
heavy = {"typer", "rich", "matplotlib", "skimage", "imageio", "tifffile", "optax", "blackjax",
         "scipy.signal", "equinox", "PIL"} & set(sys.modules)
assert not heavy, heavy
assert not jax._src.xla_bridge._backends, "the import started a device"
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
