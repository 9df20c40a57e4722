"""Pipes as inputs and outputs, and a standard output that is closed or full."""

import io
import os
import tempfile
from pathlib import Path

import pytest
from PIL import Image

from jaxdenoise.app.inputs import plan
from jaxdenoise.app.pipes import spooled_pipes


@pytest.fixture(autouse=True)
def photo(noisy, tmp_path, monkeypatch):
    """`in.png`, and a folder for temporary files that must be empty in the end."""
    Image.fromarray(noisy(20, 24)).save(tmp_path / "in.png")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield
    assert not list((tmp_path / "temporary").iterdir())


@pytest.fixture
def standard_input():
    """Give the process what a pipe holds as its standard input."""
    before = os.dup(0)

    def give(data: bytes) -> None:
        read, write = os.pipe()
        os.write(write, data)
        os.close(write)
        os.dup2(read, 0)
        os.close(read)

    yield give
    os.dup2(before, 0)
    os.close(before)


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_an_image_from_a_pipe(denoise, standard_input, name):
    assert denoise("in.png", "-o", "expected.png").status == 0
    standard_input(Path("in.png").read_bytes())
    done = denoise(name, "-o", "out.png")
    assert done.status == 0, done.err
    assert done.out.startswith("standard input: tv" if name == "-" else "/dev/stdin: tv")
    assert Path("out.png").read_bytes() == Path("expected.png").read_bytes()
    standard_input(Path("in.png").read_bytes())
    assert denoise(name, "-o", "folder/").status == 0
    assert [path.name for path in Path("folder").iterdir()] == ["stdin.png"]


def test_other_commands_read_pipes(run, standard_input):
    standard_input(Path("in.png").read_bytes())
    done = run("tune", "-", "--method", "tv", "--steps", 1)
    assert done.status == 0, done.err
    standard_input(Path("in.png").read_bytes())
    assert run("compare", "-", "--methods", "tv", "-o", "shown.png").status == 0


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "file is empty"), (b"words that are long enough", "not a PNG"), (b"\x89PNG", "PNG")],
)
def test_what_is_no_image(denoise, standard_input, data, words):
    standard_input(data)
    denoise("-", "-o", "out.png").failed_with("error: standard input: ", words)


def test_an_image_to_standard_output(shell):
    """In the format of the input; messages go to stderr."""
    done = shell("jaxdenoise denoise --method tv - -o - < in.png")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(b"standard input: tv")
    assert done.stderr.endswith(b"-> standard output\n")
    with Image.open(io.BytesIO(done.stdout)) as image:
        assert (image.format, image.size) == ("PNG", (24, 20))


@pytest.mark.parametrize(("depth", "extension"), [(None, ".png"), ("32f", ".tif")])
def test_the_format_of_standard_output(depth, extension, tmp_path):
    with spooled_pipes():
        planned = plan([tmp_path / "in.png"], "-", several=False, bit_depth=depth)
    assert planned.jobs[0].target.suffix == extension


def test_standard_output_takes_one_image(denoise):
    denoise("in.png", "in.png", "-o", "-").failed_with("--out -", "one image")
    denoise("in.png", "-o", "-", "--method", "hmc", "--std-map", "-").failed_with("--std-map -")
    denoise("in.png", "-o", "-", "--method", "hmc", "--quantiles", "5").failed_with("--quantiles")


def test_a_standard_output_that_is_full_or_closed(shell):
    done = shell("jaxdenoise methods > /dev/full")
    assert done.returncode == 1
    assert done.stderr == b"jaxdenoise: error: standard output: No space left on device\n"
    done = shell("jaxdenoise denoise --method tv in.png -o out.png >&- 2>&- <&-")
    assert done.returncode == 0
    assert Path("out.png").exists()
