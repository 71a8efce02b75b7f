"""Layer profiles: where in a network a measure peaks, and which tables say so."""

from facebench.plotting.layer_table import REACHED, layer_profile

__all__ = ["REACHED", "layer_profile"]
