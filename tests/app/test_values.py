"""Samples as floats and back: offsets, missing pixels, digits that float32 has no room for."""

import numpy as np
import pytest

from jaxdenoise.app.values import check_range, equals, values_of
from jaxdenoise.files.errors import InputError


def _restored(pixels, change=0.0, **options):
    """The result of a method in float32 that adds `change` to every pixel."""
    values = values_of(pixels, None, **options)
    result = np.nan_to_num(values.array.astype(np.float32)) + np.float32(change)
    return values, values.restored(result)


@pytest.mark.parametrize(
    ("dtype", "offset"),
    [
        *(("u4", 4_000_000_000), ("i4", -2_000_000_000), ("i4", 2_000_000_000)),
        *(("i8", 2**62), ("i8", -(2**62)), ("u8", 2**64 - 5000), ("u8", 2**63 - 500)),
    ],
)
def test_integers_far_from_0_keep_every_level(dtype, offset):
    pixels = (offset + np.arange(1001, dtype=object)).astype(dtype).reshape(7, 143)
    values, same = _restored(pixels)
    assert np.ptp(values.array) == 1000
    assert np.array_equal(same, pixels)
    _, more = _restored(pixels, 2.3)
    assert more.dtype == pixels.dtype
    assert np.array_equal(more, pixels + pixels.dtype.type(2))


def test_integers_saturate():
    pixels = np.array([[2**32 - 3, 2**32 - 1, 2**32 - 9]], np.uint32)
    assert _restored(pixels, 5.0)[1].tolist() == [[2**32 - 1, 2**32 - 1, 2**32 - 4]]
    low = np.array([[-(2**63), -(2**63) + 7]])
    assert _restored(low, -4.0)[1].tolist() == [[-(2**63), -(2**63) + 3]]


@pytest.mark.parametrize("offset", [1e7, -1e7, 1e12])
def test_floats_far_from_0_keep_their_digits(offset):
    pixels = offset + np.linspace(0, 1, 77).reshape(7, 11)
    values, same = _restored(pixels)
    np.testing.assert_allclose(np.ptp(values.array), 1, rtol=1e-3)
    np.testing.assert_allclose(same, pixels, rtol=0, atol=4 * np.spacing(abs(offset)))


@pytest.mark.parametrize("dtype", ["i4", "f8"])
def test_digits_beyond_float32_are_kept(dtype):
    pixels = np.array([[0, 123_456_789, 987_654_321]], dtype)
    assert np.array_equal(_restored(pixels)[1], pixels)


def test_an_outlier_that_was_replaced_leaves_no_digits():
    pixels = np.array([[1.0, 2.0, 1e30]])
    values = values_of(pixels, None)
    assert values.restored(np.array([[1, 2, 3]], np.float32)).tolist() == [[1, 2, 3]]


def test_offsets_stay_where_they_count():
    pixels = np.full((4, 4), 1e7) + np.eye(4)
    values = values_of(pixels, None, takes_offset=False)
    assert values.offset == 0
    assert values.array.min() == 1e7


def test_no_data_and_masks_are_missing():
    pixels = np.array([[1, 2, -3.4028234663852886e38, 4]], np.float32)
    values = values_of(pixels, None, nodata=-3.4028234663852886e38, mask=np.eye(1, 4, dtype=bool))
    assert np.isnan(values.array).tolist() == [[True, False, True, False]]
    assert values.nodata.tolist() == [[False, False, True, False]]
    assert values.missing
    colour = np.ones((2, 2, 3), np.uint8)
    values = values_of(colour, -1, mask=np.eye(2, dtype=bool))
    assert np.isnan(values.array).sum(axis=(0, 1)).tolist() == [2, 2, 2]
    with pytest.raises(InputError, match="every pixel is missing"):
        values_of(colour, -1, nodata=1)


def test_other_pixels_that_are_not_finite_are_asked_about():
    pixels = np.array([[1.0, np.nan, np.inf, -9.0]])
    with pytest.raises(InputError, match=r"1 non-finite value, at index \(0, 2\)"):
        values_of(pixels, None, nodata=np.nan)
    filled = values_of(pixels, None, nodata=-9, fill=True)
    assert np.isnan(filled.array).tolist() == [[False, True, True, True]]
    assert filled.nodata.tolist() == [[False, False, False, True]]


def test_equals_is_exact_in_the_precision_of_the_pixels():
    assert equals(np.array([0.1], np.float32), 0.1).all()
    assert equals(np.array([np.nan, 1.0]), np.nan).tolist() == [True, False]
    assert not equals(np.array([1.0, 2.0], np.float32), 1e300).any()
    assert not equals(np.array([255], np.uint8), -1).any()
    assert not equals(np.array([255], np.uint8), 254.5).any()


def test_a_range_of_ten_million_sigma_is_asked_about():
    image = np.array([[0.0, 1.0, -3.4e38]])
    with pytest.raises(InputError, match=r"from -3\.4e\+38 to 1.*--nodata -3\.4e\+38"):
        check_range(image, 0.1)
    check_range(np.where(image < 0, np.nan, image), 0.1)
    check_range(image, 0.0)
