"""The README tells the truth: its snippets run, its commands and tables match the package."""

import re
import subprocess
import sys
from pathlib import Path

import jaxdenoise as jd

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_python_snippets_run_in_order():
    """As a user runs them: without the strictness that the tests ask of the package itself."""
    subprocess.run([sys.executable, "-c", "\n".join(blocks("python"))], check=True)


def test_both_commands_stand_in_the_first_screen():
    first_screen = "\n".join(README.splitlines()[:25])
    for command in (
        'python3 -m venv .venv && .venv/bin/pip install ".[cli]" && .venv/bin/jaxdenoise demo',
        'python3 -m venv .venv && .venv/bin/pip install -e ".[dev]" && .venv/bin/pytest',
    ):
        assert command in first_screen


def test_every_method_is_described():
    table = README.split("## Methods")[1].split("##")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(jd.methods())


def test_shell_snippets_name_real_commands_and_options():
    from typer.main import get_command

    from jaxdenoise.app.cli import app

    commands = get_command(app).commands
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    for line in filter(lambda line: line.startswith("jaxdenoise"), lines):
        name, *words = line.partition("#")[0].split()[1:]
        command = commands[name]
        if hasattr(command, "commands"):  # a group of them
            name, *words = words
            command = command.commands[name]
        options = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
        assert {w for w in words if w.startswith("-")} <= options, line


def test_top_level_holds_nothing_else():
    import subprocess

    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    top = {path.split("/")[0] for path in tracked}
    allowed = {"pyproject.toml", "README.md", "LICENSE", "jaxdenoise", "tests", "examples"}
    assert {name for name in top if not name.startswith(".")} <= allowed | {"benchmarks"}
