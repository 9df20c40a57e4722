"""JPEG files whose data end early, with an end marker behind, and what is kept of whole ones."""

import io

import numpy as np
import pytest
from PIL import Image

from jaxdenoise.files.pictures import read_picture, write_picture

KINDS = [
    {},
    {"quality": 95, "subsampling": 0},
    {"progressive": True},
    {"optimize": True},
    {"restart_marker_blocks": 2},
    {"progressive": True, "restart_marker_rows": 1},
]


def _encoded(image, **how):
    memory = io.BytesIO()
    Image.fromarray(image).save(memory, "JPEG", **how)
    return memory.getvalue()


@pytest.mark.parametrize("how", KINDS, ids=str)
@pytest.mark.parametrize("shape", [(40, 56), (40, 56, 3), (1, 1), (17, 9, 3)])
def test_whole_files_are_read(noise, tmp_path, how, shape):
    data = _encoded(noise(*shape), **how)
    (tmp_path / "a.jpg").write_bytes(data + b"something behind the end")
    pixels = read_picture(tmp_path / "a.jpg").pages[0].pixels
    assert np.array_equal(pixels, np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("how", KINDS, ids=str)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.98])
def test_data_that_end_in_the_middle(noise, refused, how, share):
    data = _encoded(noise(40, 56, 3), **how)
    start = data.find(b"\xff\xda") + 14
    end = start + int(share * (len(data) - start))
    # A marker cut in two would be something else.
    end -= data[end - 1] == 0xFF
    refused("cut.jpg", data[:end] + b"\xff\xd9", "cut.jpg: damaged JPEG")


def test_more_rows_than_the_data_hold(noise, refused):
    data = bytearray(_encoded(noise(40, 56)))
    at = data.find(b"\xff\xc0")
    data[at + 5 : at + 7] = (400).to_bytes(2, "big")
    refused("tall.jpg", data, "damaged JPEG", "truncated")


def test_resolution_and_exif_are_kept(noise, tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    exif.get_ifd(0x8769).update({0xA002: 56, 0xA003: 40, 0x829A: 0.01})
    data = _encoded(noise(40, 56, 3), exif=exif, dpi=(300, 150))
    (tmp_path / "a.jpg").write_bytes(data)
    picture = read_picture(tmp_path / "a.jpg")
    assert picture.pages[0].pixels.shape == (56, 40, 3)
    for name in ("b.jpg", "b.png"):
        write_picture(tmp_path / name, picture)
        with Image.open(tmp_path / name) as copy:
            assert copy.size == (40, 56)
            np.testing.assert_allclose(copy.info["dpi"], (150, 300), atol=0.02)
            kept = copy.getexif()
            assert kept[0x010F] == "a camera"
            assert 0x0112 not in kept
            details = kept.get_ifd(0x8769)
            assert (details[0xA002], details[0xA003]) == (40, 56)
            assert float(details[0x829A]) == pytest.approx(0.01)


def test_pictures_of_a_sequence_are_pages(noise, tmp_path):
    first, second = Image.fromarray(noise(40, 56, 3)), Image.fromarray(255 - noise(40, 56, 3))
    first.save(tmp_path / "two.mpo", "MPO", save_all=True, append_images=[second])
    picture = read_picture(tmp_path / "two.mpo")
    data = (tmp_path / "two.mpo").read_bytes()
    at = data.find(b"\0\0\0\0", data.find(b"MPF\0"))
    assert at > 0
    # Pillow writes no kind for the second: it is not told to be of a sequence.
    assert len(picture.pages) == 1
    assert "1 preview or auxiliary picture" in picture.notes[0]
