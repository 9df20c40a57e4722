"""Pairs of files, split into parts."""

import os

import pytest

from jaxdenoise.files.errors import InputError
from jaxdenoise.learn import split_folders

PARTS = {"train": 14, "val": 4, "test": 2}


@pytest.fixture
def data(tmp_path):
    """Twenty pairs, whose numbers are not written alike."""
    for kind, name in (("frames", "frame_{:03d}.png"), ("masks", "mask_{}.png")):
        (tmp_path / kind).mkdir()
        for k in range(20):
            (tmp_path / kind / name.format(k)).write_text(f"{kind} {k}")
    (tmp_path / "frames" / "notes.txt").write_text("passed over")
    return tmp_path


def files(folder):
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("link", ["copy", "hardlink", "symlink"])
def test_pairs_stay_together(data, link):
    told = []
    assert (
        split_folders(data, data / "out", link=link, progress=lambda *at: told.append(at)) == PARTS
    )
    assert told == [(k, 40) for k in range(41)]
    found = files(data / "out")
    numbers = {}
    for part, count in PARTS.items():
        frames = {v.split()[1] for k, v in found.items() if k.startswith(f"{part}_frames/{part}/")}
        masks = {v.split()[1] for k, v in found.items() if k.startswith(f"{part}_masks/{part}/")}
        assert frames == masks
        assert len(frames) == count
        numbers |= dict.fromkeys(frames, part)
    assert len(numbers) == 20
    assert len(found) == 40
    one = next((data / "out" / "val_masks" / "val").iterdir())
    assert one.is_symlink() == (link == "symlink")
    assert (one.stat().st_nlink > 1) == (link == "hardlink")


def test_seed_decides(data):
    for out, given in {
        "a": {},
        "b": {"seed": 230, "ratios": (0.7, 0.2, 0.1)},
        "c": {"seed": 1},
    }.items():
        split_folders(data, data / out, **given)
    assert files(data / "a") == files(data / "b") != files(data / "c")
    assert split_folders(data, data / "d", ratios=(1, 0, 0)) == {"train": 20, "val": 0, "test": 0}


def test_goes_on_where_it_was_interrupted(data, monkeypatch):
    real, out = os.replace, data / "out"

    def killed(source, target):
        if len(files(out)) == 8:  # seven, and one that is not whole
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        split_folders(data, out)
    monkeypatch.undo()
    assert len(files(out)) == 7
    (out / "train_masks" / "train" / ".jaxdenoise-0123.png").write_text("of a killed run")
    first = {path: path.stat().st_ino for path in out.rglob("*.png")}
    told = []
    assert split_folders(data, out, progress=lambda *at: told.append(at)) == PARTS
    assert told[0] == (7, 40)
    assert len(files(out)) == 40
    assert all(path.stat().st_ino == inode for path, inode in first.items() if path.exists())


def test_refuses_what_is_no_pair(data):
    def refused(message, **given):
        with pytest.raises(InputError, match=message):
            split_folders(data, data / "out", **given)
        assert not (data / "out").exists()

    refused("nowhere: there is no such folder", inputs="nowhere")
    refused("20 pairs are too few: .* leave none to val", ratios=(98, 1.9, 0.1))
    extra = data / "frames" / "frame_0003.png"
    extra.write_text("twice")
    refused("frame_003.png: has the number of frame_0003.png, 3")
    extra.rename(data / "frames" / "frame_99.png")
    refused("frame_99.png: .*masks has no file of the number 99")
    (data / "frames" / "frame_99.png").rename(data / "frames" / "frame.png")
    refused("frame.png: its name has no number")
    (data / "frames" / "frame.png").rename(data / "masks" / "mask_99.png")
    refused("mask_99.png: .*frames has no file of the number 99")
    (data / "empty").mkdir()
    refused("empty: holds no images", targets="empty")
    with pytest.raises(ValueError, match="ratios must be three, not negative"):
        split_folders(data, data / "out", ratios=(70, 30))


def test_nothing_of_another_split_is_lost(data):
    out = data / "out"
    split_folders(data, out)
    before = files(out)
    with pytest.raises(InputError, match="is not of this split; choose an empty folder"):
        split_folders(data, out, seed=1)
    one = next((out / "test_frames" / "test").iterdir())
    one.write_text("changed by hand")
    with pytest.raises(InputError, match=f"{one.name}: is there, and is not"):
        split_folders(data, out)
    assert files(out).keys() == before.keys()
