"""Random transforms, the same for image and target."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdenoise.learn import Augment

KEYS = jax.random.split(jax.random.key(3), 6)
ALL = {
    "horizontal_flip": True,
    "vertical_flip": True,
    "rotation": 40.0,
    "shear": 15.0,
    "shift": 0.1,
    "zoom": 0.3,
}


@pytest.fixture
def pair(photograph):
    """A smooth image, and which pixels are bright."""
    image = np.asarray(photograph[None, :40, :48], np.float32)
    y, x = np.mgrid[:40, :48]
    image = image * 0.02 + (np.sin(y / 6) * np.cos(x / 7 + 1) > 0)
    return jnp.asarray(image, jnp.float32), jnp.asarray(image[0] > 0.5, jnp.int32)


def augmented(augment, pair):
    batch = [jnp.broadcast_to(x, (len(KEYS), *x.shape)) for x in pair]
    return jax.jit(jax.vmap(augment))(KEYS, *batch)


def test_target_moves_with_the_image(pair):
    images, labels = augmented(Augment(**ALL, crop=(30, 31)), pair)
    assert images.shape == (6, 1, 30, 31)
    assert labels.shape == (6, 30, 31)
    assert labels.dtype == jnp.int32
    assert set(np.unique(labels)) == {0, 1}
    bright = np.asarray(images[:, 0]) > 0.5
    np.testing.assert_array_less(0.97, np.mean(bright == np.asarray(labels), axis=(1, 2)))
    assert len({x.tobytes() for x in np.asarray(images)}) == 6
    again = augmented(Augment(**ALL, crop=(30, 31)), pair)
    jax.tree.map(np.testing.assert_array_equal, (images, labels), again)


@pytest.mark.parametrize("name", ALL)
def test_each_alone_moves_and_nothing_is_lost(pair, name):
    image, _ = pair
    images, moved = augmented(Augment(**{name: ALL[name]}), (image, image))
    np.testing.assert_array_equal(images, moved)
    changed = np.any(images != image[None], axis=(1, 2, 3))
    assert changed.any()
    assert images.min() >= image.min()
    assert images.max() <= image.max()
    if name.endswith("flip"):
        assert not changed.all()
        axis = 2 if name == "horizontal_flip" else 1
        np.testing.assert_array_equal(images[changed][0], jnp.flip(image, axis))


def test_rotation_of_a_gradient():
    """The map goes around the centre by at most so many degrees."""
    y, x = jnp.asarray(np.mgrid[:41, :41] - 20, jnp.float32)
    out, _ = augmented(Augment(rotation=30.0), (jnp.stack([y, x]), jnp.zeros((41, 41), jnp.int32)))
    middle = np.asarray(out)[:, :, 15:26, 15:26]
    np.testing.assert_allclose(middle[:, :, 5, 5], 0, atol=1e-4)
    slopes = np.gradient(middle[:, 0], axis=(1, 2))
    angles = np.rad2deg(np.arctan2(slopes[1].mean(axis=(1, 2)), slopes[0].mean(axis=(1, 2))))
    assert np.abs(angles).max() <= 30
    assert np.ptp(angles) > 10


def test_brightness_is_of_images_alone(pair):
    image, labels = pair
    images, same = augmented(Augment(brightness=0.2), pair)
    np.testing.assert_array_equal(same, jnp.broadcast_to(labels, same.shape))
    added = np.asarray(images - image[None])
    np.testing.assert_allclose(np.ptp(added, axis=(1, 2, 3)), 0, atol=1e-6)
    assert 0 < np.abs(added).max() <= 0.2
    both, target = augmented(Augment(brightness=0.2), (image, image))
    np.testing.assert_array_equal(both, target)


def test_nothing_asked_nothing_changed(pair):
    out = Augment()(KEYS[0], *pair)
    jax.tree.map(np.testing.assert_array_equal, out, pair)


def test_bad_input(pair):
    with pytest.raises(ValueError, match="rotation must be finite and not negative"):
        Augment(rotation=-1.0)
    with pytest.raises(ValueError, match="crop must be a positive integer"):
        Augment(crop=(0, 4))
    with pytest.raises(ValueError, match="crop must be within the image"):
        Augment(crop=(41, 4))(KEYS[0], *pair)
    with pytest.raises(ValueError, match="target must have the height and width of image"):
        Augment()(KEYS[0], pair[0], pair[1][1:])
