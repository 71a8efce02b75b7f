"""Prompts for an assistant that is to write a model, a task or a plot."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from facebench.errors import UnknownNameError
from facebench.utils.suggestions import did_you_mean, listed

__all__ = ["KINDS", "prompt"]

_MODEL_WISH = (
    "a new model called ResNetModel that extends BaseModel and uses the pre-trained ResNet50 "
    "of torchvision.models. It should use the pretrained weights unless a weights_path is "
    "given, implement the abstract methods, and override preprocess_image only if necessary."
)
_TASK_WISH = (
    "a new task called MeanSquaredErrorTask that extends BaseTask and computes the mean "
    "squared error between 'model_computed_distance' and the column 'true_distance' of the "
    "pairs file. It should return a DataFrame with the column 'Mean Squared Error' and draw "
    "it with PlotHelper.bar_plot(performances, y, ylabel, title_prefix, output_dir, "
    "file_name), and declare the measure: `measures = (Measure('Mean Squared Error', "
    "better='lower', headline=True),)`."
)
_PLOT_WISH = (
    "a plot method that draws, for every model, the largest distance of each layer as bars, with "
    "PlotHelper where it can."
)
_RULES = (
    "Answer with one Python file. Import from facebench (`from facebench import BaseModel, "
    "BaseTask, Measure, PlotHelper`). "
)


def _model() -> tuple[Any, Any]:
    from facebench import BaseModel
    from facebench.models import dino

    return BaseModel, dino


def _task() -> tuple[Any, Any]:
    from facebench import BaseTask
    from facebench.tasks import accuracy

    return BaseTask, accuracy


def _plot() -> tuple[Any, Any]:
    from facebench import AccuracyTask, PlotHelper

    return PlotHelper, AccuracyTask.plot


KINDS: dict[str, tuple[Callable[[], tuple[Any, Any]], str]] = {
    "model": (_model, _MODEL_WISH),
    "task": (_task, _TASK_WISH),
    "plot": (_plot, _PLOT_WISH),
}


def prompt(kind: str, wish: str | None = None) -> str:
    """Write a prompt that holds the current base class, an example and the rules of an answer.

    Parameters
    ----------
    kind : {'model', 'task', 'plot'}
        What is to be written.
    wish : str, optional
        What it should do, such as 'a model that …'; None takes an example of a wish.

    Raises
    ------
    UnknownNameError
        If there is no such kind.
    """
    if kind not in KINDS:
        hint = did_you_mean(kind, KINDS)
        msg = f"There is no prompt for {kind!r}, only for: {listed(KINDS)}.{hint}"
        raise UnknownNameError(msg)
    sources, usual = KINDS[kind]
    base, shown = sources()
    return (
        "I work with facebench, a tool that compares networks on face tasks. "
        f"Its models and tasks extend base classes; this is {base.__name__}:\n\n"
        f"{_code(base)}\n\n"
        f"This is one that facebench has already:\n\n{_code(shown)}\n\n{_RULES}"
        f"Please write {wish or usual}\n"
    )


def _code(thing: Any) -> str:
    return f"```py\n{inspect.getsource(thing).rstrip()}\n```"
