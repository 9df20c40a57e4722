"""A real photograph to try the methods on, out of scikit-image's package: nothing is downloaded."""

from importlib.resources import as_file, files

from jaxdenoise.files.errors import InputError
from jaxdenoise.files.pages import Page
from jaxdenoise.files.pictures import read_picture

PHOTOGRAPH = "chelsea.png"
# The centre of the enlarged detail, as fractions of height and width: an eye, fur and whiskers.
DETAIL = (0.42, 0.35)


def load_photograph() -> Page:
    """A cat, 300 x 451 pixels in colour, 8 bits."""
    try:
        with as_file(files("skimage.data") / PHOTOGRAPH) as path:
            return read_picture(path).pages[0]
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise InputError(
            "the demo's photograph comes with scikit-image: pip install 'jaxdenoise[cli]'"
        ) from error
