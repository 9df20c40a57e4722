"""Every bad input: one clear line that names the culprit, and nothing written."""

import os
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image


def _cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


@pytest.fixture
def refused(denoise, tmp_path):
    """Runs `denoise`, expects one line with the words, and that no output or temporary exists."""

    def call(arguments, *words):
        before = sorted(tmp_path.rglob("*"))
        denoise(*arguments, *([] if "-o" in arguments else ["-o", "out.png"])).failed_with(*words)
        assert sorted(tmp_path.rglob("*")) == before

    return call


@pytest.fixture
def good(noisy, tmp_path):
    Image.fromarray(noisy(20, 24)).save(tmp_path / "good.png")
    return "good.png"


@pytest.mark.parametrize("share", [0.05, 0.4, 0.9])
@pytest.mark.parametrize("shape", [(40, 48), (40, 48, 3)])
def test_cut_png(refused, noisy, tmp_path, share, shape):
    Image.fromarray(noisy(*shape)).save(tmp_path / "cut.png")
    _cut(tmp_path / "cut.png", share)
    refused(["cut.png"], "cut.png")


def test_cut_jpeg(refused, noisy, tmp_path):
    Image.fromarray(noisy(40, 48, 3)).save(tmp_path / "cut.jpg")
    _cut(tmp_path / "cut.jpg", 0.6)
    refused(["cut.jpg"], "cut.jpg", "truncated")


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("share", [0.0005, 0.001, 0.01, 0.2, 0.5, 0.7, 0.99])
def test_cut_tiff_never_loses_pages_unseen(refused, noisy, tmp_path, compression, bigtiff, share):
    path = tmp_path / "cut.tif"
    stack = noisy(5, 60, 64, dtype=np.uint16)
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as file:
        for page in stack:
            file.write(page, compression=compression, contiguous=False)
    _cut(path, share)
    refused(["cut.tif", "-o", "out.tif"], "cut.tif")


def test_cut_tiff_with_its_directory_at_the_end(refused, noisy, tmp_path):
    Image.fromarray(noisy(40, 48)).save(tmp_path / "cut.tif")
    _cut(tmp_path / "cut.tif", 0.9)
    refused(["cut.tif"], "cut.tif", "truncated")


def test_cut_npy(refused, noisy, tmp_path):
    np.save(tmp_path / "cut.npy", noisy(40, 48))
    _cut(tmp_path / "cut.npy", 0.9)
    refused(["cut.npy"], "cut.npy")


def test_empty_and_not_an_image(refused, tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "words.png").write_text("These are words.")
    (tmp_path / "head.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 50)
    refused(["empty.png"], "empty.png", "empty")
    refused(["words.png"], "words.png", "not a PNG")
    refused(["head.png"], "head.png")


def test_unreadable(refused, good, tmp_path, monkeypatch):
    from jaxdenoise.files import pictures

    def deny(path, mode):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(pictures, "open", deny, raising=False)
    refused([good], "good.png", "Permission denied")


@pytest.mark.parametrize("bits", [8, 16])
def test_huge_png_is_refused_by_its_header(refused, tmp_path, bits):
    def chunk(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", 100_000, 100_000, bits, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    refused(["bomb.png"], "bomb.png", "100000 x 100000", "--max-megapixels")


def test_huge_tiff_and_npy_are_refused_by_their_headers(refused, tmp_path):
    tifffile.memmap(tmp_path / "one.tif", shape=(8, 8), dtype=np.uint8).flush()
    data = bytearray((tmp_path / "one.tif").read_bytes())
    for tag in (256, 257):  # width and height as 32-bit numbers
        at = data.find(struct.pack("<HHI", tag, 4, 1))
        if at < 0:
            at = data.find(struct.pack("<HHI", tag, 3, 1))
        data[at : at + 12] = struct.pack("<HHII", tag, 4, 1, 100_000)
    (tmp_path / "huge.tif").write_bytes(data)
    refused(["huge.tif"], "huge.tif", "--max-megapixels")

    with open(tmp_path / "huge.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": (100_000, 100_000)}
        )
        file.truncate(100_000 * 100_000 + 128)  # sparse: takes no room on the disk
    refused(["huge.npy"], "huge.npy", "--max-megapixels")


def test_limit_on_pixels_is_an_option(denoise, good):
    denoise(good, "-o", "out.png", "--max-megapixels", 0.0004).failed_with("good.png", "0.0004")
    assert denoise(good, "-o", "out.png", "--max-megapixels", 0.0005).status == 0


def test_arrays_that_are_no_images(refused, tmp_path):
    arrays = {
        "complex": (np.zeros((20, 20), complex), "complex"),
        "object": (np.array([[1, "a"]], dtype=object), "Python objects"),
        "text": (np.array([["a"]]), "not numbers"),
        "line": (np.zeros(20), "shape (20,)"),
        "four": (np.zeros((2, 2, 2, 2)), "shape (2, 2, 2, 2)"),
        "none": (np.zeros((0, 5)), "empty"),
    }
    for name, (array, words) in arrays.items():
        np.save(tmp_path / f"{name}.npy", array, allow_pickle=True)
        refused([f"{name}.npy", "-o", "out.npy"], f"{name}.npy", words)


def test_nonfinite_pixels(refused, denoise, noisy, tmp_path):
    image = noisy(20, 24, dtype=np.float32)
    image[3, 4], image[5, 6] = np.nan, np.inf
    np.save(tmp_path / "nan.npy", image)
    words = ("nan.npy", "2 non-finite", "(3, 4), (5, 6)", "--fill-nonfinite")
    refused(["nan.npy", "-o", "out.npy"], *words)
    refused(["nan.npy", "-o", "out.npy", "--fill-nonfinite", "zero"], "--fill-nonfinite", "median")
    assert denoise("nan.npy", "-o", "out.npy", "--fill-nonfinite", "median").status == 0
    assert np.isfinite(np.load("out.npy")).all()

    stack = np.stack([noisy(20, 24, dtype=np.float32), image])
    np.save(tmp_path / "pages.npy", stack)
    refused(["pages.npy", "-o", "b.npy", "--channel-axis", "none"], "page 2")


@pytest.mark.parametrize("sigma", ["-1", "nan", "inf", "loud", ""])
def test_bad_sigma(refused, good, sigma):
    refused([good, f"--sigma={sigma}"], "--sigma", repr(sigma))


def test_bad_options(refused, good):
    refused([good, "--method", "magic"], "--method", "'magic'", "tv")
    refused([good, "--noise", "loud"], "--noise", "poisson-gaussian")
    refused([good, "--noise", "impulse"], "--noise impulse", "robust_subspace")
    refused([good, "--outliers-map", "map.png"], "--outliers-map", "robust_subspace, not tv")
    refused([good, "--noise", "poisson"], "--peak")
    refused([good, "--noise", "poisson", "--peak", "-3"], "--peak", "positive")
    refused([good, "--noise", "poisson", "--peak", "9", "--gain", "1"], "--peak", "--gain")
    refused([good, "--noise", "poisson", "--peak", "9", "--sigma", "2"], "poisson-gaussian")
    refused([good, "--noise", "poisson-gaussian", "--gain", "2"], "--sigma NUMBER")
    refused([good, "--peak", "3"], "--peak")
    refused([good, "--bit-depth", "12"], "--bit-depth", "'12'")
    refused([good, "--channel-axis", "x"], "--channel-axis", "'x'")
    refused([good, "--param", "window=3"], "window", "iterations", "weight")
    refused([good, "--param", "iterations"], "NAME=VALUE")
    refused([good, "--param", "iterations=2.5"], "iterations", "whole number")
    refused([good, "--param", "weight=nan"], "weight", "finite")
    refused([good, "--param", "iterations=0"], "good.png", "iterations")
    refused([good, "--param", "iterations=1", "--param", "iterations=2"], "twice")
    refused([good, "--volume"], "good.png", "--volume")
    refused([good, "--no-such-option"], "--no-such-option")


def test_missing_inputs(refused, good, tmp_path):
    (tmp_path / "folder").mkdir()
    refused(["nope.png"], "nope.png", "no such file")
    refused(["nope/*.png"], "nope/*.png", "matches no image")
    refused(["folder"], "folder", "no image")


def test_names_that_are_none(refused, good):
    refused([""], "IN: is empty")
    refused([good, "-o", "", "--force"], "--out", "is empty")
    refused([good, "-o", ".png"], "--out .png", "no name")
    refused([good, "-o", "out/.TIF"], "--out out/.TIF", "no name")
    refused([good, "-o", "x.png", "--std-map", "", "--method", "hmc"], "--std-map", "is empty")


@pytest.mark.parametrize("name", ["", "-"])
@pytest.mark.parametrize(
    "line",
    ["tune good.png --out", "tune good.png --curve", "compare good.png --out", "demo --out",
     "learn split data", "learn train split --out", "learn evaluate run --data split --json"],
)  # fmt: skip
def test_names_of_other_outputs(run, good, tmp_path, line, name):
    before = sorted(tmp_path.rglob("*"))
    run(*line.split(), name).failed_with(f"{name!r} is no name of a file or a folder")
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_no_file(refused, good, tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    refused(["pipe.png"], "pipe.png: is a pipe that nothing writes to")
    refused([good, "-o", "pipe.png", "--force"], "pipe.png: is a device or a pipe")
    refused(["/dev/null"], "/dev/null: is a device")


def test_bad_outputs(refused, good, noisy, tmp_path):
    Image.fromarray(noisy(20, 24)).save(tmp_path / "other.png")
    refused([good, "-o", "other.png"], "other.png", "exists", "--force")
    refused([good, "-o", good], "good.png", "is the input", "--force")
    refused([good, "-o", "no/such/folder/out.png"], "no/such/folder/out.png", "does not exist")
    refused([good, "other.png", "-o", "out.png"], "out.png", "folder")
    refused([good, "other.png", "-o", "good.png/out"], "good.png/out", "cannot make the folder")


def test_unwritable_folder(refused, good, tmp_path, monkeypatch):
    (tmp_path / "locked").mkdir()
    monkeypatch.setattr("os.access", lambda path, mode: "locked" not in str(path))
    refused([good, "-o", "locked/out.png"], "locked/out.png", "not writable")


def test_two_inputs_to_one_output(refused, good, noisy, tmp_path):
    (tmp_path / "a").mkdir()
    Image.fromarray(noisy(20, 24)).save(tmp_path / "a" / "good.png")
    refused([good, "a/good.png", "-o", "out"], "a/good.png", "both", "out/good.png")
    Image.fromarray(noisy(20, 24)).save(tmp_path / "good.jpg")
    refused([good, "good.jpg", "-o", "out"], "good.jpg", "both", "out/good.png")
