"""What goes in comes out: bit depth, colour, alpha, pages."""

import numpy as np
import pytest
import tifffile
from PIL import Image

import jaxdenoise as jd
from jaxdenoise.files.pictures import read_picture


def _expected(image, sigma, channel_axis=None):
    values = np.asarray(
        jd.tv(image.astype(np.float32), sigma, channel_axis=channel_axis), np.float64
    )
    if image.dtype.kind == "f":
        return values.astype(image.dtype)
    return np.clip(np.rint(values), 0, np.iinfo(image.dtype).max).astype(image.dtype)


def _pixels(path):
    return read_picture(path).pages[0].pixels


def _samples(path):
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(20, 24), (20, 24, 3)])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_integers_keep_their_depth(denoise, noisy, tmp_path, dtype, shape, suffix):
    image = noisy(*shape, dtype=dtype)
    tifffile.imwrite("in.tif", image, photometric="rgb" if image.ndim == 3 else "minisblack")
    assert denoise("in.tif", "-o", f"first.{suffix}", "--sigma", 0).status == 0
    assert np.array_equal(_pixels(tmp_path / f"first.{suffix}"), image)
    sigma = 0.06 * np.iinfo(dtype).max
    done = denoise(f"first.{suffix}", "-o", f"out.{suffix}", "--sigma", sigma)
    assert done.status == 0, done.err
    result = _pixels(tmp_path / f"out.{suffix}")
    assert result.dtype == dtype
    axis = -1 if image.ndim == 3 else None
    difference = np.abs(result.astype(int) - _expected(image, sigma, axis).astype(int))
    assert difference.max() <= 1
    assert not np.array_equal(result, image)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("suffix", ["tif", "npy"])
def test_floats_are_not_rescaled(denoise, noisy, tmp_path, dtype, suffix):
    image = (500 * noisy(20, 24, dtype=np.float64) - 100).astype(dtype)
    if suffix == "tif":
        tifffile.imwrite("in.tif", image)
    else:
        np.save("in.npy", image)
    done = denoise(f"in.{suffix}", "-o", f"out.{suffix}", "--sigma", 30)
    assert done.status == 0, done.err
    result = _pixels(tmp_path / f"out.{suffix}")
    assert result.dtype == dtype
    expected = np.asarray(jd.tv(image.astype(np.float32), 30.0))
    np.testing.assert_allclose(result, expected, atol=0.3 if dtype == np.float16 else 1e-3)


@pytest.mark.parametrize(("mode", "channels"), [("LA", 2), ("RGBA", 4)])
def test_alpha_is_kept(denoise, noisy, mode, channels):
    image = noisy(20, 24, channels)
    Image.fromarray(image).save("in.png")
    assert denoise("in.png", "-o", "out.png", "--sigma", 15).status == 0
    with Image.open("out.png") as result:
        assert result.mode == mode
        samples = np.asarray(result)
    assert np.array_equal(samples[..., -1], image[..., -1])
    colours = image[..., 0] if mode == "LA" else image[..., :3]
    expected = _expected(colours, 15.0, None if mode == "LA" else -1)
    got = samples[..., 0] if mode == "LA" else samples[..., :3]
    assert np.abs(got.astype(int) - expected.astype(int)).max() <= 1


def test_alpha_of_16_bit_tiff_and_png_is_kept(denoise, noisy, tmp_path):
    image = noisy(20, 24, 4, dtype=np.uint16)
    tifffile.imwrite("in.tif", image, photometric="rgb", extrasamples=["unassalpha"])
    assert denoise("in.tif", "-o", "mid.png", "--sigma", 4000).status == 0
    assert denoise("mid.png", "-o", "out.tif", "--sigma", 4000).status == 0
    with tifffile.TiffFile("out.tif") as file:
        page = file.pages[0]
        assert page.photometric.name == "RGB"
        assert tuple(page.extrasamples) == (2,)
        assert np.array_equal(page.asarray()[..., 3], image[..., 3])


def test_palette_becomes_rgb_and_one_bit_becomes_grey(denoise, noisy):
    Image.fromarray(noisy(20, 24, 3)).quantize(16).save("palette.png")
    Image.fromarray(noisy(20, 24) > 127).save("bits.png")
    assert denoise("palette.png", "bits.png", "-o", "out").status == 0
    with Image.open("out/palette.png") as palette, Image.open("out/bits.png") as bits:
        assert palette.mode == "RGB"
        assert bits.mode == "L"
        assert np.asarray(bits).max() > 200


def test_transparent_palette_keeps_its_transparency(denoise, noisy):
    image = Image.fromarray(noisy(20, 24, 3)).quantize(4)
    image.info["transparency"] = 0
    image.save("in.png", transparency=0)
    with Image.open("in.png") as source:
        alpha = np.asarray(source.convert("RGBA"))[..., 3]
    assert denoise("in.png", "-o", "out.png").status == 0
    assert np.array_equal(_samples("out.png")[..., 3], alpha)


def test_jpeg_in_becomes_png_in_a_folder_and_jpeg_if_named(denoise, noisy):
    Image.fromarray(noisy(24, 32, 3)).save("in.jpg")
    assert denoise("in.jpg", "-o", "folder/").status == 0
    assert denoise("in.jpg", "-o", "out.jpeg").status == 0
    with Image.open("folder/in.png") as png, Image.open("out.jpeg") as jpeg:
        assert (png.format, jpeg.format) == ("PNG", "JPEG")


def test_photographs_stand_upright(denoise, noisy):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter
    Image.fromarray(noisy(16, 24, 3)).save("in.jpg", exif=exif)
    assert denoise("in.jpg", "-o", "out.png").status == 0
    assert _samples("out.png").shape == (24, 16, 3)


def test_colour_profile_is_kept(denoise, noisy, tmp_path):
    profile = b"profile" * 20
    Image.fromarray(noisy(16, 24, 3)).save("in.png", icc_profile=profile)
    assert denoise("in.png", "-o", "a.tif").status == 0
    assert denoise("a.tif", "-o", "b.png", "--bit-depth", 16).status == 0
    assert read_picture(tmp_path / "a.tif").icc_profile == profile
    assert read_picture(tmp_path / "b.png").icc_profile == profile


def test_pages_are_independent_images(denoise, noisy):
    stack = np.stack([noisy(20, 24, seed=s) for s in range(3)])
    tifffile.imwrite("in.tif", stack, photometric="minisblack")
    done = denoise("in.tif", "-o", "out.tif", "--sigma", 15)
    assert done.status == 0
    assert "3 pages" in done.out
    with tifffile.TiffFile("out.tif") as file:
        assert len(file.pages) == 3
        for page, image in zip(file.pages, stack, strict=True):
            expected = _expected(image, 15.0)
            assert np.abs(page.asarray().astype(int) - expected.astype(int)).max() <= 1


def test_pages_of_different_shapes_and_depths(denoise, noisy):
    with tifffile.TiffWriter("in.tif") as file:
        file.write(noisy(20, 24), photometric="minisblack")
        file.write(noisy(12, 16, 3, dtype=np.uint16), photometric="rgb")
    assert denoise("in.tif", "-o", "out.tif").status == 0
    with tifffile.TiffFile("out.tif") as file:
        assert [(p.shape, p.dtype.name) for p in file.pages] == [
            ((20, 24), "uint8"),
            ((12, 16, 3), "uint16"),
        ]


def test_volume_is_one_image(denoise, noisy):
    stack = np.stack([noisy(16, 20, seed=s) for s in range(5)])
    tifffile.imwrite("in.tif", stack, photometric="minisblack")
    assert denoise("in.tif", "-o", "out.tif", "--sigma", 15, "--volume").status == 0
    expected = _expected(stack, 15.0)
    result = tifffile.imread("out.tif")
    assert result.shape == stack.shape
    assert np.abs(result.astype(int) - expected.astype(int)).max() <= 1
    assert denoise("in.tif", "-o", "pages.tif", "--sigma", 15).status == 0
    assert not np.array_equal(tifffile.imread("pages.tif"), result)


def test_white_is_zero_and_planar_tiffs(denoise, noisy, tmp_path):
    grey, colour = noisy(20, 24), noisy(20, 24, 3)
    tifffile.imwrite("white.tif", 255 - grey, photometric="miniswhite")
    tifffile.imwrite(
        "planar.tif", np.moveaxis(colour, -1, 0), photometric="rgb", planarconfig="separate"
    )
    assert denoise("white.tif", "planar.tif", "-o", "out", "--sigma", 0).status == 0
    assert np.array_equal(_pixels(tmp_path / "out" / "white.tif"), grey)
    assert np.array_equal(_pixels(tmp_path / "out" / "planar.tif"), colour)


@pytest.mark.parametrize("mode", ["L", "RGB", "1", "I;16"])
def test_lzw_compressed_tiff(denoise, noisy, tmp_path, mode):
    image = noisy(20, 24, 3) if mode == "RGB" else noisy(20, 24)
    if mode == "1":
        image = image > 127
    if mode == "I;16":
        image = noisy(20, 24, dtype=np.uint16)
    Image.fromarray(image).save("in.tif", compression="tiff_lzw")
    assert denoise("in.tif", "-o", "out.tif", "--sigma", 0).status == 0
    expected = image.astype(np.uint8) * 255 if mode == "1" else image
    assert np.array_equal(_pixels(tmp_path / "out.tif"), expected)


def test_npy_layouts(denoise, noisy, tmp_path):
    np.save("planes.npy", np.moveaxis(noisy(20, 24, 3), -1, 0))
    assert denoise("planes.npy", "-o", "a.npy", "--channel-axis", 0, "--sigma", 15).status == 0
    result = np.moveaxis(np.load("a.npy"), 0, -1)
    expected = _expected(noisy(20, 24, 3), 15.0, -1)
    assert np.abs(result.astype(int) - expected.astype(int)).max() <= 1

    np.save("pages.npy", noisy(1, 20, 24))
    assert denoise("pages.npy", "-o", "b.npy", "--channel-axis", "none").status == 0
    assert np.load("b.npy").shape == (1, 20, 24)

    np.save("narrow.npy", noisy(20, 24, 3))
    denoise("narrow.npy", "-o", "c.npy").failed_with("narrow.npy", "--channel-axis")
    assert denoise("narrow.npy", "-o", "c.npy", "--channel-axis", "none").status == 0
    assert denoise("narrow.npy", "-o", "c.png", "--channel-axis", -1).status == 0
    assert _samples("c.png").shape == (20, 24, 3)


@pytest.mark.parametrize("dtype", [">u2", "<i4", "i8", "u8", "?"])
def test_unusual_npy_dtypes(denoise, tmp_path, dtype):
    image = (np.arange(20 * 24).reshape(20, 24) % 2).astype(dtype)
    np.save("in.npy", image)
    assert denoise("in.npy", "-o", "out.npy", "--sigma", 0).status == 0
    result = np.load("out.npy")
    assert result.dtype == (np.uint8 if dtype == "?" else np.dtype(dtype).newbyteorder("="))
    assert np.array_equal(result, image.astype(np.uint8) * 255 if dtype == "?" else image)


@pytest.mark.parametrize(
    ("depth", "dtype", "scale"),
    [("8", np.uint8, 1), ("16", np.uint16, 257), ("32f", np.float32, 1 / 255)],
)
def test_bit_depth_maps_full_scale_to_full_scale(denoise, noisy, depth, dtype, scale):
    image = noisy(20, 24, 2)
    tifffile.imwrite("in.tif", image, photometric="minisblack", extrasamples=["unassalpha"])
    assert denoise("in.tif", "-o", "out.tif", "--sigma", 0, "--bit-depth", depth).status == 0
    result = tifffile.imread("out.tif")
    assert result.dtype == dtype
    np.testing.assert_allclose(result, image * np.float64(scale), rtol=1e-6)


def test_16_to_8_bits_rounds(denoise):
    image = np.full((20, 24), 257 * 100 + 200, np.uint16)
    tifffile.imwrite("in.tif", image)
    assert denoise("in.tif", "-o", "out.png", "--sigma", 0, "--bit-depth", 8).status == 0
    assert (_samples("out.png") == 101).all()


def test_float_beyond_full_scale_is_clipped_and_said(denoise, noisy):
    np.save("in.npy", 3 * noisy(20, 24, dtype=np.float32))
    done = denoise("in.npy", "-o", "out.png", "--bit-depth", 8)
    assert done.status == 0
    assert "out.png" in done.err
    assert "clipped" in done.err


def test_formats_refuse_what_they_cannot_hold(denoise, noisy, tmp_path):
    np.save("float.npy", noisy(20, 24, dtype=np.float32))
    tifffile.imwrite("stack.tif", noisy(3, 20, 24), photometric="minisblack")
    Image.fromarray(noisy(20, 24, 4)).save("alpha.png")
    tifffile.imwrite("deep.tif", noisy(20, 24, dtype=np.uint16))
    denoise("float.npy", "-o", "out.png").failed_with("out.png", "float32", "--bit-depth")
    denoise("stack.tif", "-o", "out.png").failed_with("out.png", "3 pages")
    denoise("alpha.png", "-o", "out.jpg").failed_with("out.jpg", "alpha")
    denoise("deep.tif", "-o", "out.jpg").failed_with("out.jpg", "uint16")
    denoise("deep.tif", "-o", "out.webp").failed_with("out.webp", ".webp")
    assert not list(tmp_path.glob("out*"))
