"""A model from the command line: its name, its layers, its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facebench.models.base import BaseModel
    from facebench.run.measurement import AnyModel

__all__ = ["layer_widths", "made_model"]


def made_model(
    model: str,
    layers: Sequence[str] | None,
    arguments: Sequence[str],
    *,
    without_weights: bool = False,
) -> AnyModel:
    """Make a model as a configuration would.

    Parameters
    ----------
    model : str
        A registered name, ``module:Class`` or a Python file.
    layers : sequence of str, optional
        Names and patterns.
    arguments : sequence of str
        As ``pretrained=false``.
    without_weights : bool, default False
        Whether random weights will do, which need no download.

    Returns
    -------
    BaseModel or RecordedModel

    Raises
    ------
    ConfigError, UnknownNameError
        If there is no such model, or it takes no such arguments.
    """
    from facebench.errors import ConfigError
    from facebench.experiment.arguments import ArgumentProblem, arguments_for
    from facebench.experiment.building import make_model
    from facebench.experiment.plugins import find_class
    from facebench.experiment.registry import MODELS
    from facebench.experiment.sources import read_arguments
    from facebench.experiment.wrappers import MODEL_OPTIONS, apply_options, options_of
    from facebench.models.base import BaseModel
    from facebench.models.recorded import RecordedModel
    from facebench.models.untrained import takes

    cls = find_class(model, MODELS, (BaseModel, RecordedModel), Path.cwd())
    given = read_arguments(arguments)
    # A checkpoint is read all the same: it decides the number of classes.
    if without_weights and "pretrained" not in given and takes(cls, "pretrained"):
        given |= read_arguments(["pretrained=false"])
    name = Path(model.partition(":")[0]).stem if ".py" in model else model
    options = options_of(cls, given, MODEL_OPTIONS)
    given = {key: value for key, value in given.items() if key not in options}
    try:
        made, _ = arguments_for(cls, given, {"name": name})
    except ArgumentProblem as error:
        raise ConfigError(str(error)) from error
    made.pop("name")
    network = make_model(cls, name, list(layers) if layers else None, made)
    wrapped: BaseModel = apply_options(network, options, MODEL_OPTIONS)
    return wrapped


def layer_widths(model: BaseModel) -> dict[str, int]:
    """Measure how many numbers each layer gives for an image, on a made one.

    Returns
    -------
    dict of str to int
        Layers that return a batch, as two images and three show; others are not there.
    """
    from facebench.models.trials import measure_layers

    return measure_layers(model)
