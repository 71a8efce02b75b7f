"""Names of models, tasks and metrics; the documented path of `facebench.experiment.registry`."""

from facebench.experiment.registry import *  # noqa: F403
from facebench.experiment.registry import __all__ as __all__
