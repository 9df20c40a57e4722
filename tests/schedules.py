"""Schedules that make many small pieces of little work."""

from jaxdenoise._core.schedule import Schedule

# Images of a few pixels have many tiles, of several chunks.
TINY = Schedule(
    tile_pixels=80,
    tile_side=10,
    iterated_side=30,
    references=6,
    tiles=1,
    groups=4,
    offsets=1,
    channels=1,
)
# Several of everything at once, which leave a remainder.
SEVERAL = TINY._replace(tiles=3, offsets=7, channels=2)
