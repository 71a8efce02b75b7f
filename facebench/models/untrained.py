"""Random networks of one architecture: what it sees before it has learned anything."""

from __future__ import annotations

from collections.abc import Callable

from facebench.errors import InputError
from facebench.models.base import BaseModel

__all__ = ["untrained_copies"]


def untrained_copies(
    model_factory: Callable[..., BaseModel], n_seeds: int, *, name: str = "untrained"
) -> list[BaseModel]:
    """Make several random networks, as controls for a trained one of the same architecture.

    What they show comes of architecture and images alone; `PlotHelper.plot_layer_profile` draws
    their range as a band (``controls``).

    Parameters
    ----------
    model_factory : callable
        Called as ``model_factory(name=…, pretrained=False, seed=…)``: `Vgg16Model` itself, or
        ``functools.partial(Vgg16Model, extract_layers=[…])``.
    n_seeds : int
        How many; their seeds are 0, 1, 2, …
    name : str, default 'untrained'
        They are called ``<name> 0``, ``<name> 1``, …

    Returns
    -------
    list of BaseModel

    Raises
    ------
    InputError
        If there are none, or the factory does not make models of the names it is given.

    References
    ----------
    G. Jacob, R. T. Pramod, H. Katti and S. P. Arun, "Qualitative similarities and differences in
    visual object representations between brains and deep networks", Nature Communications 12
    (2021) 1872, compare trained with randomly initialised networks.
    """
    if isinstance(n_seeds, bool) or not isinstance(n_seeds, int) or n_seeds < 1:
        msg = f"The 'n_seeds' parameter must be 1 or more. Got {n_seeds!r} instead."
        raise InputError(msg)
    models = []
    for seed in range(n_seeds):
        wanted = f"{name} {seed}"
        model = model_factory(name=wanted, pretrained=False, seed=seed)
        if not isinstance(model, BaseModel) or model.name != wanted:
            got = model.name if isinstance(model, BaseModel) else type(model).__name__
            msg = (
                "The 'model_factory' parameter must make models that are called as it is told. "
                f"Asked for {wanted!r}, it made {got!r}."
            )
            raise InputError(msg)
        models.append(model)
    return models
