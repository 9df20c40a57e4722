"""Random transforms of an image and of its target, the same for both."""

from dataclasses import dataclass, fields

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import PRNGKeyArray

from jaxdenoise._core.checks import check_count, check_nonnegative
from jaxdenoise._core.foreign import standard_promotion


@dataclass(frozen=True)
class Augment:
    """Random flips, warps, crops and brightness, drawn anew for every key.

    Called as `augment(key, image, target)` on one pair, whose target is an image as well or labels:
    images, (channels, height, width), are interpolated linearly, labels, integers of (height,
    width), take the nearest. What lies outside is continued by reflection. For jit and vmap, by
    which a batch has a key for each of its pairs.

    **Arguments:**

    - `horizontal_flip`, `vertical_flip`: left to right, and upside down, each in half of the cases.
    - `rotation`, `shear`: degrees, up to which they are uniform, to both sides.
    - `shift`: along both axes, up to this share of their length.
    - `zoom`: in or out by a factor of up to 1 + zoom, uniform in its logarithm.
    - `crop`: height and width of a random part, or `None`.
    - `brightness`: what is added, up to this, to the image and to a target that is an image.

    **Returns:** the pair, in its dtypes.

    **Raises:** `ValueError` for numbers that are negative or not finite, a crop larger than the
    image, or a target of another height and width.
    """

    horizontal_flip: bool = False
    vertical_flip: bool = False
    rotation: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0
    crop: tuple[int, int] | None = None
    brightness: float = 0.0

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "crop":
                for size in value or ():
                    check_count(size, name="crop")
            else:
                check_nonnegative(value, name=field.name)

    def __call__(self, key: PRNGKeyArray, image: Array, target: Array) -> tuple[Array, Array]:
        if image.shape[-2:] != target.shape[-2:]:
            raise ValueError(
                f"target must have the height and width of image, {image.shape[-2:]}, "
                f"got shape {target.shape}"
            )
        flips, warp, corner, light = jax.random.split(key, 4)
        matrix, offset = self._map(warp, image.shape[-2:])
        added = self.brightness * jax.random.uniform(light, (), minval=-1)
        start = self._corner(corner, image.shape[-2:])

        def moved(x: Array) -> Array:
            is_image = jnp.issubdtype(x.dtype, jnp.floating)
            planes = x if is_image else x[None]
            for wanted, axis, key in zip(
                (self.vertical_flip, self.horizontal_flip),
                (1, 2),
                jax.random.split(flips),
                strict=True,
            ):
                if wanted:
                    planes = jnp.where(jax.random.bernoulli(key), jnp.flip(planes, axis), planes)
            if self.rotation or self.shear or self.shift or self.zoom:
                planes = _warped(planes, matrix, offset, order=1 if is_image else 0)
            if self.crop is not None:
                planes = lax.dynamic_slice(planes, start, (len(planes), *self.crop))
            return planes + added.astype(x.dtype) if is_image else planes[0]

        return moved(image), moved(target)

    def _map(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> tuple[Array, Array]:
        """From the pixels of the result to those of the image: x -> A (x - centre) + centre + b."""
        rotation, shear, zoom, *shift = jax.random.uniform(key, (5,), minval=-1)
        angle, slant = jnp.deg2rad(self.rotation) * rotation, jnp.deg2rad(self.shear) * shear
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        turn = jnp.stack([jnp.stack([cos, -sin]), jnp.stack([sin, cos])])
        one, zero = jnp.ones_like(slant), jnp.zeros_like(slant)
        slide = jnp.stack([jnp.stack([one, zero]), jnp.stack([jnp.tan(slant), one])])
        matrix = turn @ slide * jnp.exp(-jnp.log1p(self.zoom) * zoom)
        size = jnp.asarray(shape, matrix.dtype)
        centre = (size - 1) / 2
        return matrix, centre - matrix @ centre + self.shift * size * jnp.stack(shift)

    def _corner(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> tuple[Array, ...]:
        crop = shape if self.crop is None else self.crop
        if any(n > m for n, m in zip(crop, shape, strict=True)):
            raise ValueError(f"crop must be within the image, {shape}, got {crop}")
        room = jnp.asarray([m - n + 1 for n, m in zip(crop, shape, strict=True)])
        at = jax.random.randint(key, (2,), 0, room)
        return jnp.zeros_like(at[0]), at[0], at[1]


def _warped(planes: Array, matrix: Array, offset: Array, *, order: int) -> Array:
    import dm_pix

    dtype = planes.dtype
    # Of three axes, the first of which are the channels, that stay.
    whole = jnp.zeros((3, 4), matrix.dtype).at[0, 0].set(1)
    whole = whole.at[1:, 1:3].set(matrix).at[1:, 3].set(offset)
    with standard_promotion():
        x = planes.astype(matrix.dtype)
        warped = dm_pix.affine_transform(x, whole, order=order, mode="mirror")
    return jnp.asarray(warped).astype(dtype)
