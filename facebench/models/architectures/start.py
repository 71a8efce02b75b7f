"""The random weights that a network's training would begin with."""

from __future__ import annotations

from torch import nn

__all__ = ["draw_weights"]


def draw_weights(network: nn.Module) -> None:
    """Draw weights whose outputs neither fade nor grow, as K. He et al. (ICCV 2015) derive them.

    Some published code draws convolutions from a normal distribution of SD 0.1 instead, which an
    untrained network of 100 layers turns into infinite values in evaluation mode.

    Parameters
    ----------
    network : nn.Module
        The network, changed in place.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
