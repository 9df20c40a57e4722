"""Missing pixels, offsets, white and skipped files, from the command line."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from jaxdenoise.app import arrays

NODATA = -3.4028234663852886e38


@pytest.fixture
def seen(monkeypatch):
    """A method that takes away nothing but missing pixels, and remembers what it was given."""
    images = []

    def fill(image, sigma, *, method, **given):
        images.append(np.asarray(image))
        return np.where(np.isnan(image), np.nanmean(image), image).astype(np.float32)

    monkeypatch.setattr(arrays, "denoise_on_every_device", lambda name: fill)
    return images


def _raster(noisy, path, number=NODATA, tag="-3.4028234663852886e+38"):
    image = noisy(20, 24, dtype=np.float32)
    image[5:9, 6:10] = number
    extra = [] if tag is None else [(42113, 2, 0, tag, False)]
    tifffile.imwrite(path, image, photometric="minisblack", extratags=extra)
    return image


@pytest.mark.parametrize(("number", "tag"), [(NODATA, f"{NODATA!r}"), (np.nan, "nan")])
def test_no_data_stays_and_touches_nothing(denoise, noisy, seen, number, tag):
    image = _raster(noisy, "in.tif", number, tag)
    done = denoise("in.tif", "-o", "out.tif")
    assert done.status == 0, done.err
    assert np.isnan(seen[0]).sum() == 16
    with tifffile.TiffFile("out.tif") as file:
        assert file.pages[0].tags.valueof(42113) == tag
        np.testing.assert_array_equal(file.asarray(), image)


def test_no_data_that_the_file_does_not_name_is_asked_about(denoise, noisy, seen):
    image = _raster(noisy, "in.tif", tag=None)
    words = ("in.tif", "over 10^7 times the noise", "--nodata -3.40282347e+38")
    denoise("in.tif", "-o", "out.tif").failed_with(*words)
    done = denoise("in.tif", "-o", "out.tif", "--nodata", "-3.40282347e+38")
    assert done.status == 0, done.err
    np.testing.assert_array_equal(tifffile.imread("out.tif"), image)
    _raster(noisy, "nan.tif", np.nan, None)
    denoise("nan.tif", "-o", "b.tif").failed_with("nan.tif", "16 non-finite", "--nodata nan")
    assert denoise("nan.tif", "-o", "b.tif", "--nodata", "nan").status == 0
    assert np.isnan(tifffile.imread("b.tif")).sum() == 16


def test_no_data_of_integers(denoise, noisy, seen):
    image = noisy(20, 24)
    image[image == 40], image[3, 4] = 41, 40
    tifffile.imwrite("in.tif", image, extratags=[(42113, 2, 0, "40", False)])
    assert denoise("in.tif", "-o", "out.tif").status == 0
    result = tifffile.imread("out.tif")
    assert np.argwhere(result == 40).tolist() == [[3, 4]]
    tifffile.imwrite("in.tif", image, extratags=[(42113, 2, 0, "300", False)])
    assert denoise("in.tif", "-o", "deep.tif", "--bit-depth", 16).status == 0
    image = noisy(20, 24, dtype=np.uint16)
    tifffile.imwrite("in.tif", image, extratags=[(42113, 2, 0, "65535", False)])
    denoise("in.tif", "-o", "c.tif", "--bit-depth", 8).failed_with("65535", "--bit-depth 8")


def test_masked_pixels_are_filled(denoise, noisy, seen):
    image, mask = noisy(20, 24, 3), np.zeros((20, 24), np.uint8)
    mask[:, 7] = 255
    Image.fromarray(image).save("in.png")
    Image.fromarray(mask).save("mask.png")
    assert denoise("in.png", "-o", "out.png", "--mask", "mask.png").status == 0
    assert np.isnan(seen[0]).all(axis=-1).sum() == 20
    with Image.open("out.png") as result:
        changed = (np.asarray(result) != image).any(axis=(0, 2))
    assert np.flatnonzero(changed).tolist() == [7]
    Image.fromarray(mask[:10]).save("small.png")
    words = ("in.png", "--mask small.png", "10 x 24", "20 x 24")
    denoise("in.png", "-o", "b.png", "--mask", "small.png").failed_with(*words)
    denoise("in.png", "-o", "b.png", "--mask", "none.png").failed_with("none.png")
    words = ("in.png", "cannot fill missing pixels")
    arguments = ("in.png", "-o", "b.png", "--mask", "mask.png", "--method", "map", "--sigma", 9)
    denoise(*arguments).failed_with(*words)


def test_a_mask_for_every_page_or_for_all(denoise, noisy, seen):
    stack = np.stack([noisy(20, 24, seed=s) for s in range(2)])
    tifffile.imwrite("in.tif", stack, photometric="minisblack")
    masks = np.zeros((2, 20, 24), np.uint8)
    masks[0, 3], masks[1, 5] = 1, 1
    tifffile.imwrite("masks.tif", masks, photometric="minisblack")
    assert denoise("in.tif", "-o", "out.tif", "--mask", "masks.tif", "--volume").status == 0
    assert np.argwhere(np.isnan(seen[0][:, :, 0, 0])).tolist() == [[0, 3], [1, 5]]
    tifffile.imwrite("one.tif", masks[0], photometric="minisblack")
    assert denoise("in.tif", "-o", "b.tif", "--mask", "one.tif").status == 0
    assert [np.isnan(x).sum() for x in seen[1:]] == [24, 24]
    tifffile.imwrite("three.tif", masks[[0, 0, 0]], photometric="minisblack")
    words = ("--mask three.tif", "3 pages", "has 2")
    denoise("in.tif", "-o", "c.tif", "--mask", "three.tif").failed_with(*words)


@pytest.mark.parametrize("offset", [0, 4_000_000_000])
def test_offsets_leave_the_result_as_it_is(denoise, noisy, offset):
    small = noisy(20, 24, dtype=np.uint16).astype(np.uint32) // 64
    np.save("in.npy", small + np.uint32(offset))
    np.save("plain.npy", small)
    assert denoise("in.npy", "-o", "out.npy").status == 0
    assert denoise("plain.npy", "-o", "plain_out.npy").status == 0
    result = np.load("out.npy").astype(np.int64) - offset
    assert len(np.unique(result)) > 100
    assert np.abs(result - np.load("plain_out.npy")).max() <= 1


def test_axes_of_a_hyperstack(denoise, noisy):
    stack = np.stack([noisy(16, 20, seed=s) for s in range(10)]).reshape(5, 2, 16, 20)
    tifffile.imwrite("in.tif", stack, imagej=True, metadata={"axes": "ZCYX"})
    assert denoise("in.tif", "-o", "out.tif", "--volume", "--sigma", 15).status == 0
    for channel in range(2):
        alone = stack[:, channel]
        tifffile.imwrite("one.tif", alone, photometric="minisblack")
        arguments = ("one.tif", "-o", "one_out.tif", "--volume", "--sigma", 15, "--force")
        assert denoise(*arguments).status == 0
        with tifffile.TiffFile("out.tif") as file:
            assert file.series[0].axes == "ZCYX"
            assert np.array_equal(file.asarray()[:, channel], tifffile.imread("one_out.tif"))
    tifffile.imwrite("times.tif", stack[:, 0], imagej=True, metadata={"axes": "TYX"})
    denoise("times.tif", "-o", "b.tif", "--volume").failed_with("times.tif", "5 times", "(Z)")


def test_white_of_12_bits(denoise, noisy):
    image = noisy(20, 24, dtype=np.uint16) // 16
    image[0, 0] = 4095
    tifffile.imwrite("in.tif", image)
    done = denoise("in.tif", "-o", "dark.png", "--bit-depth", 8, "--sigma", 0)
    assert done.status == 0
    assert "brightest sample is 4095 of 65535" in done.err
    assert "--white 4095" in done.err
    done = denoise("in.tif", "-o", "out.png", "--bit-depth", 8, "--sigma", 0, "--white", 4095)
    assert (done.status, done.err) == (0, "")
    with Image.open("out.png") as result:
        expected = np.rint(image * (255 / 4095))
        assert np.abs(np.asarray(result) - expected).max() <= 1
        assert np.asarray(result).max() == 255
    tifffile.imwrite("full.tif", noisy(20, 24, dtype=np.uint16))
    assert denoise("full.tif", "-o", "full.png", "--bit-depth", 8, "--sigma", 0).err == ""
    denoise("in.tif", "-o", "b.png", "--white", 0).failed_with("--white")


def test_what_a_folder_holds_beside_images_is_said(denoise, noisy, tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("a.png", "b.bmp", "c.webp"):
        Image.fromarray(noisy(20, 24)).save(tmp_path / "in" / name)
    for name in ("d.fits", "e.fits", "f.gif", ".hidden"):
        (tmp_path / "in" / name).write_text("something")
    done = denoise("in", "-o", "out", "--sigma", 15)
    assert done.status == 0, done.err
    assert done.out.splitlines()[0] == "in: skipped 2 .fits, 1 .gif, the folder deep/"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.png", "b.png", "c.png"]
    assert "skipped 2 .fits, 1 .gif" in denoise("in/*", "-o", "all", "--sigma", 15).out
    denoise("in/f.gif", "-o", "g.png").failed_with("f.gif", "not a PNG")
    (tmp_path / "in" / "d.fits").write_text("SIMPLE  =                    T")
    denoise("in/d.fits", "-o", "g.png").failed_with("d.fits", "but FITS")
