"""Pairs from folders and batches of them."""

import jax
import numpy as np
import pytest
from PIL import Image

import jaxdenoise as jd
from jaxdenoise.files.errors import InputError
from jaxdenoise.learn import (
    AddNoise,
    Augment,
    Batches,
    Corrupt,
    FolderPairs,
    Generated,
    ToUnitNoise,
    chained,
    split_folders,
)

COUNT = 10


@pytest.fixture
def split(tmp_path, rng):
    """Ten pairs of 8 x 9 pixels; bright is what the mask is."""
    for kind in ("frame", "mask"):
        (tmp_path / f"{kind}s").mkdir()
    for k in range(COUNT):
        pixels = rng.integers(0, 256, (8, 9), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "frames" / f"frame_{k}.png")
        mask = np.where(pixels > 99, np.uint8(255), np.uint8(0))
        Image.fromarray(mask).save(tmp_path / "masks" / f"mask_{k}.png")
    split_folders(tmp_path, tmp_path / "split", ratios=(6, 2, 2))
    return tmp_path / "split"


@pytest.fixture
def numbered():
    """Pairs that are known by their number."""
    return [(np.full((1, 4, 5), k, np.float32), np.full((4, 5), k, np.int32)) for k in range(COUNT)]


def numbers(batches, how_many=None):
    found = []
    for number, (images, targets) in enumerate(batches):
        if number == how_many:
            break
        np.testing.assert_array_equal(images[:, 0], targets)
        found.append(targets[:, 0, 0].tolist())
    return found


def test_pairs_of_a_folder(split):
    pairs = FolderPairs(split, "train")
    assert [len(FolderPairs(split, part)) for part in ("train", "val", "test")] == [6, 2, 2]
    image, labels = pairs[3]
    assert (image.shape, image.dtype, labels.shape, labels.dtype) == (
        (1, 8, 9),
        np.float32,
        (8, 9),
        np.int32,
    )
    np.testing.assert_array_equal(labels, image[0] > 99.5 / 255)
    image, labels = FolderPairs(split, "train", shape=(16, 18), colour=True)[3]
    assert (image.shape, labels.shape) == ((3, 16, 18), (16, 18))
    assert set(np.unique(labels)) == {0, 1}
    clean, same = FolderPairs(split, "val", targets="frames", classes=None)[0]
    np.testing.assert_array_equal(clean, same)


def test_every_epoch_has_every_pair(numbered):
    first = numbers(Batches(numbered, 5, epochs=2))
    assert [len(batch) for batch in first] == [5] * 4
    one, two = (sorted(first[k] + first[k + 1]) for k in (0, 2))
    assert one == two == list(range(COUNT))
    assert first[:2] != first[2:]
    assert numbers(Batches(numbered, 5, epochs=2)) == first
    assert numbers(Batches(numbered, 5, epochs=2, seed=1)) != first
    last = Batches(numbered, 4, epochs=1, shuffle=False, keep_last=True)
    assert numbers(last) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(last) == 3
    assert len(Batches(numbered, 4)) == 2


def test_goes_on_from_a_state(numbered):
    transform = chained(Augment(shift=0.2, horizontal_flip=True), Corrupt(jd.Gaussian(0.1)))
    batches = Batches([(x, x) for x, _ in numbered], 3, transform=transform)
    it = iter(batches)
    for _ in range(4):
        next(it)
    state = it.get_state()
    expected = [next(it) for _ in range(3)]
    again = iter(batches)
    again.set_state(state)
    for a, b in zip(expected, again, strict=False):
        jax.tree.map(np.testing.assert_array_equal, a, b)
    noise = np.asarray(expected[0][0] - expected[0][1])
    assert 0.05 < noise.std() < 0.2
    assert it.waited > 0


def test_hosts_share_the_pairs(numbered):
    (first,), (second,) = (numbers(Batches(numbered, 5, epochs=1, shard=(k, 2))) for k in (0, 1))
    assert sorted(first + second) == list(range(COUNT))
    dark = [(np.zeros((1, 4, 5), np.float32), np.zeros((4, 5), np.int32))] * COUNT
    noise = Corrupt(jd.Gaussian(0.1))
    (one,), (two,) = (Batches(dark, 5, epochs=1, shard=(k, 2), transform=noise) for k in (0, 1))
    assert np.abs(one[0] - two[0]).min() > 0


def test_bad_input(split, numbered):
    with pytest.raises(ValueError, match="part must be one of train, val, test"):
        FolderPairs(split, "training")
    with pytest.raises(InputError, match="no such folder"):
        FolderPairs(split, "val", targets="labels")
    with pytest.raises(ValueError, match="batch_size must be a positive integer"):
        Batches(numbered, 0)
    with pytest.raises(ValueError, match="pairs must be at least 11, got 10"):
        Batches(numbered, 11)
    with pytest.raises(ValueError, match="pairs must be at least 1, got 0"):
        Batches([], 4, keep_last=True)
    with pytest.raises(ValueError, match="shard must be a number below"):
        Batches(numbered, 2, shard=(2, 2))
    with pytest.raises(InputError, match=r"mask_.*labels must be from 0 to 2"):
        FolderPairs(split, "train", classes=3)[0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 1, 0]], np.uint8), [0, 1, 0]),
        (np.array([[1, 1, 1]], np.uint8), [1, 1, 1]),
        (np.array([[0, 255, 0]], np.uint16), [0, 1, 0]),
        (np.array([[0, 3, 250]], np.uint8), [0, 0, 1]),
        (np.array([[0, 0, 0]], np.uint8), [0, 0, 0]),
        (np.array([[0.0, 1.0, 0.2]], np.float32), [0, 1, 0]),
    ],
)
def test_two_classes_by_any_two_levels(split, values, expected):
    pairs = FolderPairs(split, "train")
    image, mask = pairs.files[0]
    Image.fromarray(np.zeros((1, 3), np.uint8)).save(image)
    mask.unlink()
    if values.dtype == np.float32:
        mask = mask.with_suffix(".npy")
        np.save(mask, values)
    else:
        Image.fromarray(values).save(mask)
    assert FolderPairs(split, "train")[0][1].tolist() == [expected]


def test_files_that_are_no_single_image(split):
    image = FolderPairs(split, "train").files[0].input
    image.unlink()
    pages = [Image.fromarray(np.zeros((8, 9), np.uint8))] * 2
    image = image.with_suffix(".tif")
    pages[0].save(image, save_all=True, append_images=pages[1:])
    with pytest.raises(InputError, match=f"{image.name}: has 2 pages, and a pair is of single"):
        FolderPairs(split, "train")[0]
    image.unlink()
    Image.fromarray(np.zeros((8, 9, 4), np.uint8), "CMYK").save(image)
    with pytest.raises(InputError, match=image.name):
        FolderPairs(split, "train")[0]


def test_generated_pairs(numbered):
    pairs = Generated(lambda k: numbered[k], 6)
    first, second = numbers(Batches(pairs, 3, epochs=1))
    assert sorted(first + second) == list(range(6))
    with pytest.raises(IndexError, match="index must be from 0 to 5"):
        pairs[6]


def test_a_file_that_is_no_image_ends_the_epoch_by_name(split):
    pairs = FolderPairs(split, "train")
    broken, other = pairs.files[2].input, pairs.files[4].target
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(other)
    with pytest.raises(InputError, match=f"{other.name}: is 3 x 4, and .* 8 x 9 pixels"):
        list(Batches(pairs, 2, epochs=1))
    broken.write_bytes(broken.read_bytes()[:50])
    with pytest.raises(InputError, match=broken.name):
        list(Batches(pairs, 2, epochs=1, shuffle=False))


def test_crops_are_the_same_part_of_both(rng):
    """Also of images of different sizes; what is too small is continued by reflection."""
    images = [rng.normal(size=(1, 6 + k, 9 - k)).astype(np.float32) for k in range(3)]
    batches = Batches([(x, x[0]) for x in images], 3, crop=(6, 8), epochs=30)
    found = list(batches)
    starts = set()
    for inputs, targets in found:
        assert inputs.shape == (3, 1, 6, 8)
        np.testing.assert_array_equal(inputs[:, 0], targets)
        starts |= {float(x[0, 0]) for x in targets}
    # Two corners of the first, two rows of the second, three of the third.
    assert starts == {float(x) for x in (*images[0][0, 0, :2], *images[1][0, :2, 0],
                                         *images[2][0, :3, 0])}  # fmt: skip
    narrow = next(t for _, targets in found for t in targets if t[0, 0] == images[2][0, 0, 0])
    np.testing.assert_array_equal(narrow[:, 7], narrow[:, 6])
    again = list(Batches([(x, x[0]) for x in images], 3, crop=(6, 8), epochs=30))
    jax.tree.map(np.testing.assert_array_equal, again, found)
    with pytest.raises(ValueError, match=r"inputs of one shape .*; a crop makes them equal"):
        list(Batches([(x, x[0]) for x in images], 3, epochs=1))
    with pytest.raises(ValueError, match="crop must be a positive integer"):
        Batches(images, 3, crop=(0, 4))


def test_units_of_the_noise(rng):
    clean = jax.numpy.asarray(rng.normal(size=(1, 40, 50)))
    noisy, target = AddNoise(0.1, 0.4, unit=True)(jax.random.key(1), clean, clean)
    assert abs(np.std(noisy - target) - 1) < 0.05
    sigmas = [float(clean[0, 0, 0] / AddNoise(0.1, 0.4, unit=True)(key, clean, clean)[1][0, 0, 0])
              for key in jax.random.split(jax.random.key(0), 20)]  # fmt: skip
    assert 0.1 <= min(sigmas) < 0.2 < 0.3 < max(sigmas) <= 0.4
    dark = jax.numpy.zeros_like(clean)
    noisy, same = AddNoise(0.3, 0.3)(jax.random.key(1), dark, dark)
    np.testing.assert_array_equal(same, dark)
    unit, _ = ToUnitNoise(0.3)(jax.random.key(0), noisy, same)
    np.testing.assert_allclose(unit, noisy / 0.3)
    unit, _ = ToUnitNoise()(jax.random.key(0), noisy, same)
    np.testing.assert_allclose(unit, noisy / jd.estimate_sigma(noisy, channel_axis=0))
    assert np.isfinite(ToUnitNoise()(jax.random.key(0), dark, dark)[0]).all()
    with pytest.raises(ValueError, match="low must be positive"):
        AddNoise(0.0, 1.0)


def test_inputs_alone(tmp_path, split):
    counts = split_folders(split.parent, tmp_path / "alone", targets=None, ratios=(6, 2, 2))
    assert counts == {"train": 6, "val": 2, "test": 2}
    assert not list((tmp_path / "alone").rglob("mask*"))
    clean, same = FolderPairs(tmp_path / "alone", "val", targets=None, classes=None)[0]
    np.testing.assert_array_equal(clean, same)
    with pytest.raises(ValueError, match="classes must be None without targets"):
        FolderPairs(tmp_path / "alone", "val", targets=None)
