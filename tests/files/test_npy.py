"""NPY files: axes that may be channels, and arrays that are no images."""

import numpy as np
import pytest

from jaxdenoise.files.errors import InputError
from jaxdenoise.files.pictures import read_picture


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        *(((20, 24, n), -1) for n in (1, 2, 3, 4)),
        *(((n, 20, 24), 0) for n in (1, 2, 3, 4)),
    ],
)
def test_few_slices_may_be_channels(tmp_path, shape, axis):
    path = tmp_path / "a.npy"
    np.save(path, np.zeros(shape, np.uint8))
    with pytest.raises(InputError, match=rf"a\.npy: shape .* give --channel-axis {axis} or"):
        read_picture(path)
    colour = read_picture(path, channel_axis=axis)
    assert [page.pixels.shape for page in colour.pages] == [(20, 24, shape[axis])]
    assert len(read_picture(path, channel_axis="none").pages) == shape[0]


def test_volumes_may_have_few_slices_but_not_few_columns(tmp_path):
    np.save(tmp_path / "flat.npy", np.zeros((3, 20, 24), np.uint8))
    assert len(read_picture(tmp_path / "flat.npy", volume=True).pages) == 3
    np.save(tmp_path / "narrow.npy", np.zeros((20, 24, 3), np.uint8))
    with pytest.raises(InputError, match="--channel-axis"):
        read_picture(tmp_path / "narrow.npy", volume=True)


def test_more_slices_are_pages(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((5, 20, 24), np.uint8))
    assert len(read_picture(tmp_path / "a.npy").pages) == 5


def test_masked_arrays_and_records_are_named(tmp_path):
    masked = np.ma.masked_array(np.zeros((4, 4)), mask=np.eye(4))
    np.save(tmp_path / "masked.npy", masked.toflex())
    np.save(tmp_path / "records.npy", np.zeros((4, 4), [("a", "f4"), ("b", "i2")]))
    masked.dump(tmp_path / "pickled.npy")
    for name, words in (
        ("masked", "masked array.*--mask"),
        ("records", "records of a, b"),
        ("pickled", "but pickle"),
    ):
        with pytest.raises(InputError, match=rf"{name}\.npy: .*{words}"):
            read_picture(tmp_path / f"{name}.npy")
