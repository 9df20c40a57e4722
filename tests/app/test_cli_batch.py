"""Many files: globs, folders, one bad file among good ones, and writes that are whole or absent."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxdenoise.files import pictures


@pytest.fixture
def photos(noisy, tmp_path):
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for number, name in enumerate(["a.png", "b.png", "deep/c.png"]):
        Image.fromarray(noisy(20, 24, seed=number)).save(folder / name)
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.png").write_text("no image")
    return folder


def _names(folder="out"):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))


def test_folder_and_globs(denoise, photos):
    done = denoise("photos", "-o", "out")
    assert done.status == 0
    assert _names() == ["a.png", "b.png"]
    for words in ("photos/a.png: tv", "estimated", " s -> out/a.png"):
        assert words in done.out
    assert denoise("photos/**/*.png", "-o", "all").status == 0
    assert _names("all") == ["a.png", "b.png", "c.png"]
    assert denoise("photos/a.png", "photos/[ab].png", "-o", "once").status == 0
    assert _names("once") == ["a.png", "b.png"]


def test_names_that_look_like_patterns(denoise, noisy):
    Image.fromarray(noisy(20, 24)).save("a[1].png")
    done = denoise("a[1].png", "-o", "[bold]out.png")
    assert done.status == 0, done.err
    assert "a[1].png" in done.out
    assert Path("[bold]out.png").exists()


def test_a_bad_file_does_not_take_the_others_along(denoise, photos):
    (photos / "b.png").write_text("not an image")
    done = denoise("photos", "nope.png", "-o", "out")
    assert done.status == 1
    assert _names() == ["a.png"]
    lines = done.err.strip().splitlines()
    assert len(lines) == 2
    assert "nope.png" in lines[0]
    assert "photos/b.png" in lines[1]
    assert "Traceback" not in done.err
    assert "Traceback" in denoise("photos", "-o", "other", "--debug").err


def test_a_defect_in_one_file_is_reported_too(denoise, photos, monkeypatch):
    real = pictures.read_picture

    def read(path, **options):
        if path.name == "a.png":
            raise RuntimeError("out of\nmemory")
        return real(path, **options)

    monkeypatch.setattr("jaxdenoise.app.job.read_picture", read)
    done = denoise("photos", "-o", "out")
    assert done.err == "jaxdenoise: error: photos/a.png: out of memory\n"
    assert _names() == ["b.png"]


def test_existing_outputs_stay_without_force(denoise, photos):
    Path("out").mkdir()
    Path("out/a.png").write_text("precious")
    done = denoise("photos", "-o", "out")
    assert done.status == 1
    assert "out/a.png: exists" in done.err
    assert Path("out/a.png").read_text() == "precious"
    assert _names() == ["a.png", "b.png"]
    assert denoise("photos", "-o", "out", "--force").status == 0
    with Image.open("out/a.png") as image:
        assert image.size == (24, 20)


def test_force_may_replace_the_input(denoise, photos):
    before = (photos / "a.png").read_bytes()
    assert denoise("photos/a.png", "-o", "photos/a.png", "--force").status == 0
    assert (photos / "a.png").read_bytes() != before


def test_a_symbolic_link_stays_and_what_it_points_to_is_written(denoise, photos):
    Path("link.png").symlink_to("deep.png")
    denoise("photos/a.png", "-o", "link.png").failed_with("link.png", "is a symbolic link to")
    assert not Path("deep.png").exists()
    for _ in range(2):  # at first it points to nothing
        assert denoise("photos/a.png", "-o", "link.png", "--force").status == 0
        assert os.readlink("link.png") == "deep.png"
        with Image.open("deep.png") as image:
            assert image.size == (24, 20)
        Path("deep.png").write_text("old")
    denoise("photos/a.png", "-o", "link.png").failed_with("link.png", "exists")
    Path("round.png").symlink_to("round.png")
    denoise("photos/a.png", "-o", "round.png", "--force").failed_with("round.png", "loop")


def test_names_that_are_no_lines(denoise, noisy):
    """Control characters neither make lines nor reach the terminal."""
    Image.fromarray(noisy(20, 24)).save("a\nb.png")
    Path("bad\x1b[31m\n.png").write_text("no image")
    done = denoise("a\nb.png", "bad\x1b[31m\n.png", "-o", "out")
    assert done.status == 1
    (line,) = done.out.splitlines()
    assert line.startswith(r"a\nb.png: tv")
    assert line.endswith(r"-> out/a\nb.png")
    (line,) = done.err.splitlines()
    assert (
        line
        == r"jaxdenoise: error: bad\x1b[31m\n.png: not a PNG, TIFF, JPEG, NPY, BMP or WebP file"
    )


def test_an_output_that_appears_meanwhile_stays(denoise, photos, monkeypatch):
    from jaxdenoise.app import job

    real = job.read_picture

    def read(path, **options):
        Path("out.png").write_text("precious")
        return real(path, **options)

    monkeypatch.setattr(job, "read_picture", read)
    denoise("photos/a.png", "-o", "out.png").failed_with("out.png", "exists")
    assert Path("out.png").read_text() == "precious"


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "npy"])
@pytest.mark.parametrize("failure", ["write", "rename", "without a reason"])
def test_a_failed_write_leaves_nothing(denoise, photos, tmp_path, monkeypatch, suffix, failure):
    def fail(*arguments, **options):
        if failure == "without a reason":  # NumPy says so of a full disk
            raise OSError("480 requested and 16 written")
        raise OSError(28, "No space left on device")

    def fail_half_way(path, *arguments, **options):
        getattr(path, "name", None)
        target = path if isinstance(path, str | Path) else path.name
        Path(target).write_bytes(b"half")
        fail()

    if failure == "rename":
        monkeypatch.setattr(os, "replace", fail)
    else:
        monkeypatch.setattr(np, "save", fail_half_way)
        monkeypatch.setattr(pictures, "write_tiff", fail_half_way)
        for name in ("write_png", "write_jpeg"):
            monkeypatch.setattr(pictures, name, fail_half_way)
    disk = shutil.disk_usage(tmp_path)._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: disk)
    before = sorted(tmp_path.rglob("*"))
    done = denoise("photos/a.png", "-o", f"out.{suffix}")
    done.failed_with(f"error: out.{suffix}: No space left")
    assert sorted(tmp_path.rglob("*")) == before
    Path(f"out.{suffix}").write_text("precious")
    assert denoise("photos/a.png", "-o", f"out.{suffix}", "--force").status == 1
    assert Path(f"out.{suffix}").read_text() == "precious"


def test_a_new_folder_goes_again_if_nothing_was_written(denoise, photos):
    for name in ("a.png", "b.png"):
        (photos / name).write_text("not an image")
    assert denoise("photos", "-o", "deep/er/out").status == 1
    assert not Path("deep").exists()


def test_outputs_have_usual_permissions(denoise, photos):
    mask = os.umask(0o022)
    try:
        assert denoise("photos/a.png", "-o", "out.png").status == 0
    finally:
        os.umask(mask)
    assert Path("out.png").stat().st_mode & 0o777 == 0o644


def test_32_bit_floats_of_a_folder_become_tiff(denoise, photos):
    assert denoise("photos", "-o", "out", "--bit-depth", "32f").status == 0
    assert _names() == ["a.tif", "b.tif"]
