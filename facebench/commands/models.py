"""A model from the command line: its name, its layers, its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facebench.models.base import BaseModel

__all__ = ["layer_widths", "made_model"]


def made_model(model: str, layers: Sequence[str] | None, arguments: Sequence[str]) -> BaseModel:
    """Make a model as a configuration would.

    Parameters
    ----------
    model : str
        A registered name, ``module:Class`` or a Python file.
    layers : sequence of str, optional
        Names and patterns.
    arguments : sequence of str
        As ``pretrained=false``.

    Returns
    -------
    BaseModel

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
    from facebench.models.base import BaseModel

    cls = find_class(model, MODELS, (BaseModel,), Path.cwd())
    name = Path(model.partition(":")[0]).stem if ".py" in model else model
    try:
        made, _ = arguments_for(cls, read_arguments(arguments), {"name": name})
    except ArgumentProblem as error:
        raise ConfigError(str(error)) from error
    made.pop("name")
    return make_model(cls, name, list(layers) if layers else None, made)


def layer_widths(model: BaseModel) -> dict[str, int]:
    """Measure how many numbers each layer gives for an image, on a grey one.

    Parameters
    ----------
    model : BaseModel
        The model.

    Returns
    -------
    dict of str to int
        Layers that return a batch; others are not there.
    """
    from PIL import Image

    from facebench.models.layers import first_tensor

    grey = model.preprocess(Image.new("RGB", (250, 250), (128, 128, 128)))
    widths: dict[str, int] = {}

    def measure(name: str) -> Any:
        def note(_module: Any, _inputs: Any, output: Any) -> None:
            tensor = first_tensor(output)
            if tensor is not None and tensor.ndim and tensor.shape[0] == 1:
                widths[name] = tensor.numel()

        return note

    hooks = [
        module.register_forward_hook(measure(name))
        for name, module in model.model.named_modules()
        if name
    ]
    try:
        model.get_output(grey)
    finally:
        for hook in hooks:
            hook.remove()
    return widths
