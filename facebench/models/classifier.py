"""The classifier of a network, and what enters it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import nn

from facebench.errors import ModelError

__all__ = ["classes_in", "entering", "last_layer"]


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


def classes_in(state: Mapping[str, torch.Tensor], classifiers: Iterable[str]) -> int | None:
    """Count the classes of a checkpoint by the weights of its classifier.

    Parameters
    ----------
    state : mapping of str to Tensor
        The checkpoint; a prefix may stand before its keys.
    classifiers : iterable of str
        Names of the layers that give classes.

    Returns
    -------
    int or None
        None where the checkpoint has no classifier.
    """
    for name in classifiers:
        for key, tensor in state.items():
            if f".{key}".endswith(f".{name}.weight"):
                return int(tensor.shape[0])
    return None


def entering(
    network: nn.Module, classifiers: Sequence[nn.Module], batch: torch.Tensor
) -> torch.Tensor:
    """Run a batch and give what enters the classifier.

    The whole network runs, so that every layer can be read.

    Parameters
    ----------
    network : nn.Module
        The network.
    classifiers : sequence of nn.Module
        The layers that give classes. Where there are several, as in distilled networks, the mean of
        what enters them is given; of what enters the parts of an ``nn.ModuleList``, all.
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
    entered: dict[nn.Module, torch.Tensor] = {}

    def keep(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        entered[module] = inputs[0]

    parts = [list(own) if isinstance(own, nn.ModuleList) else [own] for own in classifiers]
    handles = [module.register_forward_pre_hook(keep) for own in parts for module in own]
    try:
        network(batch)
    finally:
        for handle in handles:
            handle.remove()
    if len(entered) != len(handles):
        msg = f"{type(network).__name__} does not call its classifier in the forward pass."
        raise ModelError(msg)
    features = [
        entered[own[0]] if len(own) == 1 else torch.cat([entered[part] for part in own], dim=1)
        for own in parts
    ]
    return features[0] if len(features) == 1 else torch.stack(features).mean(dim=0)
