"""The classifier of a network, and what enters it."""

from __future__ import annotations

import torch
from torch import nn

from facebench.errors import ModelError

__all__ = ["entering", "last_layer"]


def last_layer(network: nn.Module) -> str:
    """Name the layer that gives a classification network's classes: its last linear one.

    Where there is none, as in SqueezeNet, it is the last convolution.

    Examples
    --------
    >>> from torchvision.models import alexnet
    >>> last_layer(alexnet(weights=None))
    'classifier.6'
    """
    for kind in (nn.Linear, nn.Conv2d):
        names: list[str] = [
            name for name, module in network.named_modules() if isinstance(module, kind)
        ]
        if names:
            return names[-1]
    msg = f"{type(network).__name__} has neither a linear layer nor a convolution."
    raise ModelError(msg)


def entering(network: nn.Module, classifier: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """Run a batch and give what enters the classifier.

    The whole network runs, so that every layer can be read.

    Parameters
    ----------
    network, classifier : nn.Module
        The network, and the layer in it that gives classes.
    batch : Tensor, shape [N, 3, H, W]
        Preprocessed images.

    Returns
    -------
    Tensor, shape [N, …]

    Raises
    ------
    ModelError
        If the network does not call its classifier.
    """
    entered: list[torch.Tensor] = []

    def keep(_module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        entered.append(inputs[0])

    handle = classifier.register_forward_pre_hook(keep)
    try:
        network(batch)
    finally:
        handle.remove()
    if not entered:
        msg = f"{type(network).__name__} does not call its classifier in the forward pass."
        raise ModelError(msg)
    return entered[-1]
