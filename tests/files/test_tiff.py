"""TIFF files: damage that would be read as black, colours that are no RGB, pages that are none."""

import io
import struct

import numpy as np
import pytest
import tifffile

from jaxdenoise.files.pictures import read_picture

GREY = {"photometric": "minisblack"}


def _written(path, image, **how):
    tifffile.imwrite(path, image, **how)
    return bytearray(path.read_bytes())


def _set(data, code, value, place=0):
    """Set a number of a tag of the first page."""
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        tag = file.pages[0].tags[code]
        form = {3: "<H", 4: "<I"}[int(tag.dtype)]
        struct.pack_into(form, data, tag.valueoffset + struct.calcsize(form) * place, value)
    return data


def test_tiles_of_one_pixel_are_refused_before_anything_is_made(refused):
    """146 bytes that took 21 s and 12 GB."""
    entries = [
        *((256, 4, 1, 30_000), (257, 4, 1, 30_000), (258, 3, 1, 8), (259, 3, 1, 1)),
        *((262, 3, 1, 1), (277, 3, 1, 1), (322, 3, 1, 1), (323, 3, 1, 1)),
        *((324, 4, 1, 8), (325, 4, 1, 1)),
    ]
    data = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    data += b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    refused("bomb.tif", data, "needs 900000000 strips or tiles, has 1", max_pixels=1e9)


@pytest.mark.parametrize("code", [256, 257, 277, 322, 323])
def test_sizes_below_1(noise, tmp_path, refused, code):
    """Signed types make negative sizes; one of a file of 2 kB took 12 GB and never ended."""
    data = _written(tmp_path / "a.tif", noise(32, 48), tile=(16, 16), **GREY)
    at = next(at for at in range(10, 200, 12) if struct.unpack_from("<H", data, at)[0] == code)
    struct.pack_into("<HIi", data, at + 2, 9, 1, -1)  # SLONG
    refused("a.tif", data, "TIFF")


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits"])
@pytest.mark.parametrize("tag", [273, 279])
def test_strips_at_0_or_of_0_bytes(noise, tmp_path, refused, compression, tag):
    path = tmp_path / "a.tif"
    for place in (0, 2):
        data = _written(path, noise(32, 24), compression=compression, rowsperstrip=8, **GREY)
        refused("a.tif", _set(data, tag, 0, place), "damaged TIFF, page 1")


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits", "jpeg"])
def test_more_rows_than_the_data_hold(noise, tmp_path, refused, compression):
    path = tmp_path / "a.tif"
    for rows in (32, 8):
        data = _written(path, noise(32, 24), compression=compression, rowsperstrip=rows, **GREY)
        refused("a.tif", _set(data, 257, 56), "TIFF")


def test_jpeg_strips_that_end_early(noise, tmp_path, refused):
    path = tmp_path / "a.tif"
    data = _written(path, noise(32, 24), compression="jpeg", **GREY)
    assert read_picture(path).pages[0].pixels.shape == (32, 24)
    with tifffile.TiffFile(path) as file:
        start, size = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    data[start + size - 200 : start + size - 198] = b"\xff\xd9"
    refused("a.tif", data, "damaged JPEG")


@pytest.mark.parametrize("kinds", [3, 4])
def test_extra_samples_that_leave_no_colour(noise, tmp_path, refused, kinds):
    image = noise(16, 20, kinds)
    data = _written(tmp_path / "a.tif", image, extrasamples=[0] * (kinds - 1), **GREY)
    at = data.find(struct.pack("<HHI", 338, 3, kinds - 1))
    data[at + 4 : at + 8] = struct.pack("<I", kinds)
    refused("a.tif", data, "damaged")


@pytest.mark.parametrize(
    ("photometric", "words"),
    [(6, "YCbCr"), (8, "CIELab"), (5, "CMYK"), (32803, "mosaic"), (32845, "LogLuv"), (99, "99")],
)
def test_other_colours_are_refused_by_name(noise, tmp_path, refused, photometric, words):
    data = _written(tmp_path / "a.tif", noise(16, 20, 3), photometric="rgb")
    refused("a.tif", _set(data, 262, photometric), words)


def test_jpeg_of_ycbcr_is_rgb(tmp_path):
    image = np.full((32, 32, 3), (200, 50, 100), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", compression="jpeg")
    pixels = read_picture(tmp_path / "a.tif").pages[0].pixels
    assert np.abs(pixels.astype(int) - image).max() <= 3


def test_previews_and_masks_are_left_out_and_said(noise, tmp_path, refused):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(noise(16, 20), **GREY)
        file.write(noise(8, 10), subfiletype=1, **GREY)
        file.write(noise(16, 20) > 99, subfiletype=4, photometric="minisblack")
    picture = read_picture(path)
    assert [page.pixels.shape for page in picture.pages] == [(16, 20)]
    assert "2 page(s) that are previews or masks" in picture.notes[0]
    refused("b.tif", _written(path, noise(8, 10), subfiletype=1, **GREY), "previews")


def test_pyramids_inside_a_page_are_said(noise, tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(noise(32, 40), subifds=1, **GREY)
        file.write(noise(16, 20), subfiletype=1, **GREY)
    picture = read_picture(tmp_path / "a.tif")
    assert len(picture.pages) == 1
    assert "SubIFDs" in picture.notes[0]


def test_tags_that_cannot_be_read_are_damage(noise, tmp_path, refused):
    data = _written(tmp_path / "a.tif", noise(16, 20, 3), photometric="rgb")
    at = data.find(struct.pack("<HHI", 258, 3, 3))
    data[at + 8 : at + 12] = struct.pack("<I", 2)  # an offset inside the file's header
    refused("a.tif", data, "damaged")


@pytest.mark.parametrize(
    ("dtype", "number"), [(np.uint8, "255"), (np.float32, "-3.4028234663852886e+38")]
)
def test_tiles_that_gdal_left_out_are_no_data(noise, tmp_path, dtype, number):
    path = tmp_path / "a.tif"
    extra = [(42113, 2, 0, number, False)]
    image = (noise(32, 32) // 2).astype(dtype)
    data = _written(path, image, tile=(16, 16), extratags=extra, **GREY)
    path.write_bytes(_set(_set(data, 324, 0, 3), 325, 0, 3))
    page = read_picture(path).pages[0]
    assert page.nodata == float(number)
    assert (page.pixels[16:, 16:] == dtype(float(number))).all()
    assert np.array_equal(page.pixels[:16], image[:16])
