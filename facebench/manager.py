"""The manager of a run; the documented path of `facebench.run.manager`."""

from facebench.run.manager import MultiModelTaskManager

__all__ = ["MultiModelTaskManager"]
