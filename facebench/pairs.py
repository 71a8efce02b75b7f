"""Tables of image pairs; the documented path of `facebench.data.pairs`."""

from facebench.data.pairs import *  # noqa: F403
from facebench.data.pairs import __all__ as __all__
