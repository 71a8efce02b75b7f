"""facebench: how networks see faces, measured against identity and against people.

Public names load when first used, so that importing the package stays fast.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - a bare clone has no installer to refuse
    message = "facebench needs Python 3.11 or later. This is Python %d.%d (%s)."
    raise ImportError(message % (sys.version_info[0], sys.version_info[1], sys.executable))

from facebench._moved import follow_moves
from facebench.utils.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
__version__ = "0.1.0"

follow_moves()
