"""Metadata of files: kept where they stay true, corrected where they do not."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from jaxdenoise.files.axes import volumes
from jaxdenoise.files.errors import InputError
from jaxdenoise.files.pages import Page, Picture, to_dtype
from jaxdenoise.files.pictures import read_picture, write_picture
from jaxdenoise.files.turning import upright

GREY = {"photometric": "minisblack"}


def _converted(picture, dtype):
    """As the command line writes another bit depth."""
    from dataclasses import replace

    pages = (
        replace(page, pixels=to_dtype(page.pixels, page.dtype, dtype), source_dtype=page.dtype)
        for page in picture.pages
    )
    return replace(picture, pages=tuple(pages))


@pytest.fixture
def copied(tmp_path):
    """Read a file and write it again, to be opened by tifffile."""

    def copy(source, dtype=None):
        picture = read_picture(source)
        target = tmp_path / "copy.tif"
        picture = picture if dtype is None else _converted(picture, dtype)
        write_picture(target, picture, overwrite=True)
        return tifffile.TiffFile(target)

    return copy


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_imagej_keeps_axes_spacing_and_unit(noise, tmp_path, copied, byteorder):
    facts = {"axes": "TZCYX", "spacing": 0.5, "unit": "um", "Labels": list("abcdefghijkl")}
    facts |= {"min": 3.0, "max": 4000.0}
    stack = noise(2, 3, 2, 16, 20, dtype=np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif",
        stack,
        imagej=True,
        metadata=facts,
        resolution=(2.5, 2.5),
        byteorder=byteorder,
    )
    with copied(tmp_path / "a.tif") as copy:
        assert copy.series[0].axes == "TZCYX"
        assert np.array_equal(copy.series[0].asarray(), stack)
        kept = copy.imagej_metadata
        assert all(kept[name] == fact for name, fact in facts.items() if name != "axes")
        assert copy.pages[0].tags.valueof(282) == (5, 2)
    with copied(tmp_path / "a.tif", np.dtype(np.uint8)) as copy:  # the old range is no longer true
        assert copy.series[0].axes == "TZCYX"
        assert copy.imagej_metadata["spacing"] == 0.5
        assert "max" not in copy.imagej_metadata


def test_ome_keeps_channels_and_sizes_and_tells_its_new_type(noise, tmp_path, copied):
    facts = {"axes": "ZCYX", "PhysicalSizeX": 0.1, "Channel": {"Name": ["DAPI", "µ-tubulin"]}}
    stack = noise(3, 2, 16, 20, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.ome.tif", stack, metadata=facts, **GREY)
    with copied(tmp_path / "a.ome.tif") as copy:
        assert copy.series[0].axes == "ZCYX"
        for words in ('PhysicalSizeX="0.1"', 'Name="µ-tubulin"', 'Type="uint16"'):
            assert words in copy.ome_metadata
    with copied(tmp_path / "a.ome.tif", np.dtype(np.float32)) as copy:
        assert 'Type="float"' in copy.ome_metadata
        assert copy.series[0].axes == "ZCYX"


@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
def test_shapes_of_tifffile_stay_true(noise, tmp_path, copied, planarconfig):
    stack = noise(4, 16, 20, 3) if planarconfig == "contig" else noise(4, 3, 16, 20)
    axes = "ZYXS" if planarconfig == "contig" else "ZSYX"
    how = {"photometric": "rgb", "planarconfig": planarconfig}
    tifffile.imwrite(tmp_path / "a.tif", stack, metadata={"axes": axes}, **how)
    with copied(tmp_path / "a.tif") as copy:
        assert copy.series[0].axes == "ZYXS"
        assert copy.series[0].shape == (4, 16, 20, 3)


def test_stacks_of_one_listed_page(noise, tmp_path, copied):
    stack = noise(4, 16, 20)
    tifffile.imwrite(tmp_path / "a.tif", stack, truncate=True, **GREY)
    with copied(tmp_path / "a.tif") as copy:
        assert len(copy.pages) == 4
        assert np.array_equal(copy.series[0].asarray(), stack)


def test_tags_are_kept(noise, tmp_path, copied):
    before, after = "<GDALMetadata>", '<Item name="a">b</Item></GDALMetadata>'
    statistics = f'{before}<Item name="STATISTICS_MEAN">4</Item>{after}'
    extra = [
        (33550, 12, 3, (10.0, 10.0, 0.0), False),
        (33432, 2, 0, "someone", False),
        (42112, 2, 0, statistics, False),
        (42113, 2, 0, "-9999", False),
    ]
    tifffile.imwrite(
        tmp_path / "a.tif",
        noise(16, 20).astype(np.float32),
        description="a description",
        resolution=(300, 150),
        resolutionunit=2,
        software="a program",
        extratags=extra,
        metadata=None,
        **GREY,
    )
    with copied(tmp_path / "a.tif") as copy:
        tags = copy.pages[0].tags
        assert tags.valueof(270) == "a description"
        assert tags.valueof(305) == "a program"
        assert tags.valueof(33550) == (10.0, 10.0, 0.0)
        assert tags.valueof(33432) == "someone"
        assert tags.valueof(42113) == "-9999"
        assert (tags.valueof(282), tags.valueof(283), tags.valueof(296)) == ((300, 1), (150, 1), 2)
        assert tags.valueof(42112) == before + after
    write_picture(tmp_path / "b.png", _converted(read_picture(tmp_path / "a.tif"), np.dtype("u1")))
    with Image.open(tmp_path / "b.png") as png:
        np.testing.assert_allclose(png.info["dpi"], (300, 150), atol=0.02)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_tiff(noise, tmp_path, copied, orientation):
    """TIFF keeps the tag and the pixels; PNG has no tag, so its pixels are turned."""
    image = noise(16, 20, 3)
    extra = [(274, 3, 1, orientation, False)]
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", extratags=extra)
    with copied(tmp_path / "a.tif") as copy:
        assert copy.pages[0].tags.valueof(274) == orientation
        assert np.array_equal(copy.pages[0].asarray(), image)
    write_picture(tmp_path / "a.png", read_picture(tmp_path / "a.tif"))
    with Image.open(tmp_path / "a.png") as png:
        assert np.array_equal(np.asarray(png), upright(image, orientation))


def test_png_keeps_text_gamma_and_resolution(noise, tmp_path):
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "someone")
    Image.fromarray(noise(16, 20)).save(tmp_path / "a.png", pnginfo=text, dpi=(300, 300))
    write_picture(tmp_path / "b.png", read_picture(tmp_path / "a.png"))
    write_picture(
        tmp_path / "c.png", _converted(read_picture(tmp_path / "a.png"), np.dtype(np.uint16))
    )
    for name in ("b.png", "c.png"):
        with Image.open(tmp_path / name) as copy:
            assert copy.text["Author"] == "someone"
            np.testing.assert_allclose(copy.info["dpi"], (300, 300), atol=0.02)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_stands_upright(noise, tmp_path, dtype):
    from jaxdenoise.files.png import describing_chunks, with_chunks

    image, exif = noise(16, 20, dtype=dtype), Image.Exif()
    exif[0x0112] = 6
    write_picture(tmp_path / "a.png", Picture((Page(image),)))
    chunks = describing_chunks(None, None, exif.tobytes())
    (tmp_path / "b.png").write_bytes(with_chunks((tmp_path / "a.png").read_bytes(), tuple(chunks)))
    assert np.array_equal(read_picture(tmp_path / "b.png").pages[0].pixels, np.rot90(image, -1))


def _animated(images, kind, **how):
    memory = io.BytesIO()
    first, *others = map(Image.fromarray, images)
    first.save(memory, kind, save_all=True, append_images=others, duration=50, **how)
    return memory.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_frames_are_pages(noise, tmp_path, kind):
    images = [noise(16, 20, 3), 255 - noise(16, 20, 3)]
    how = {"lossless": True} if kind == "WEBP" else {}
    (tmp_path / "a").write_bytes(_animated(images, kind, **how))
    pages = read_picture(tmp_path / "a").pages
    assert len(pages) == 2
    for page, image in zip(pages, images, strict=True):
        assert np.array_equal(page.pixels[..., :3], image)


@pytest.mark.parametrize("kind", ["BMP", "WEBP"])
def test_bmp_and_webp_are_read(noise, tmp_path, kind):
    how = {"lossless": True} if kind == "WEBP" else {}
    Image.fromarray(noise(16, 20, 3)).save(tmp_path / "a", kind, **how)
    assert np.array_equal(read_picture(tmp_path / "a").pages[0].pixels, noise(16, 20, 3))


def _stack(axes, lengths):
    page = Page(np.zeros((4, 4), np.uint8))
    return Picture((page,) * int(np.prod(lengths)), stacked=True, axes=axes, lengths=lengths)


@pytest.mark.parametrize(
    ("axes", "lengths", "expected"),
    [
        ("", (3,), [[0, 1, 2]]),
        ("I", (3,), [[0, 1, 2]]),
        ("Q", (3,), [[0, 1, 2]]),
        ("Z", (3,), [[0, 1, 2]]),
        ("ZC", (3, 2), [[0, 2, 4], [1, 3, 5]]),
        ("TZ", (2, 3), [[0, 1, 2], [3, 4, 5]]),
        ("CZ", (1, 3), [[0, 1, 2]]),
        ("TZC", (2, 2, 2), [[0, 2], [1, 3], [4, 6], [5, 7]]),
    ],
)
def test_one_volume_for_each_time_and_channel(axes, lengths, expected):
    assert volumes(_stack(axes, lengths)) == expected


@pytest.mark.parametrize(
    ("axes", "lengths", "words"),
    [("T", (3,), "3 times"), ("TC", (3, 2), "3 times x 2 channels"), ("QQ", (3, 2), "3 . x 2 .")],
)
def test_other_stacks_are_no_volume(axes, lengths, words):
    with pytest.raises(InputError, match=words):
        volumes(_stack(axes, lengths))


def test_axes_are_read(noise, tmp_path):
    stack = noise(3, 4, 2, 16, 20, dtype=np.uint16)
    path = tmp_path / "a.tif"
    for how in (
        {"imagej": True, "metadata": {"axes": "TZCYX"}},
        {"ome": True, "metadata": {"axes": "TZCYX"}},
        {"metadata": {"axes": "TZCYX"}, **GREY},
    ):
        tifffile.imwrite(path, stack, **how)
        picture = read_picture(path)
        assert (picture.axes, picture.lengths) == ("TZC", (3, 4, 2))
        numbers = volumes(picture)[3]  # the second time, the second channel
        slices = np.stack([picture.pages[n].pixels for n in numbers])
        assert np.array_equal(slices, stack[1, :, 1])
    with tifffile.TiffWriter(path) as file:
        for _ in range(2):
            file.write(stack[0, :, 0], **GREY)
    assert volumes(read_picture(path)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    with tifffile.TiffWriter(path) as file:
        file.write(stack[0, :, 0], **GREY)
        file.write(stack[0, :2, 0], **GREY)
    with pytest.raises(InputError, match="6 pages are 6 images"):
        volumes(read_picture(path))
