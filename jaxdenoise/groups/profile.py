"""The sizes that a denoiser of groups works with: by name, or the caller's own."""

from typing import Any, NamedTuple

from jaxdenoise._core.checks import check_choice, check_count, check_denoiser_input
from jaxdenoise._core.grid import GroupSizes, each_axis
from jaxdenoise._core.planes import spatial_shape


class Profile(NamedTuple):
    """The sizes of a denoiser of groups, instead of a profile's name.

    `first` are those of the first pass over the groups, which sees noise alone, `later` those of
    the `passes` that follow. `bm3d` has one.

    **Example:**

    ```python
    sizes = jd.GroupSizes(patch_size=8, group_size=16, stride=4, window_size=25)
    jd.bm3d(noisy, 0.1, profile=jd.Profile(sizes, sizes))
    ```
    """

    first: GroupSizes
    later: GroupSizes
    passes: int = 1

    def largest_patch(self, axes: int) -> tuple[int, ...]:
        """The larger of the patches' sizes along each axis."""
        both = (each_axis(sizes.patch_size, axes) for sizes in (self.first, self.later))
        return tuple(map(max, *both))


def check_group_input(
    image: Any, sigma: Any, profile: Any, named: dict[str, Profile], channel_axis: int | None
) -> tuple[Any, Any, Profile]:
    """The input of a denoiser of groups, checked. The profiles that have names are for images."""
    ndim = (2, 3) if isinstance(profile, Profile) else (2,)
    image, sigma = check_denoiser_input(image, sigma, channel_axis=channel_axis, ndim=ndim)
    if isinstance(profile, Profile):
        _check_profile(profile, len(spatial_shape(image, channel_axis)))
    else:
        check_choice(profile, tuple(named), name="profile")
        profile = named[profile]
    return image, sigma, profile


def _check_profile(profile: Profile, axes: int) -> None:
    check_count(profile.passes, name="passes of profile")
    for name in ("first", "later"):
        sizes = getattr(profile, name)
        if not isinstance(sizes, GroupSizes):
            raise TypeError(f"{name} of profile must be GroupSizes, got a {type(sizes).__name__}")
        for size, value in sizes._asdict().items():
            full_name = f"{size} of {name} of profile"
            given = (value,) if size == "group_size" else each_axis(value, axes)
            if len(given) not in (1, axes):
                raise ValueError(f"{full_name} must be one integer or {axes}, got {value}")
            for number in given:
                check_count(number, name=full_name)
