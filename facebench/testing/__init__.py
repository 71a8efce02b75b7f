"""The contracts of models and tasks as checks, for those who write their own.

::

    from facebench.testing import check_model, check_task

    def test_contract():
        check_model(MyModel)
        check_task(MyTask)

Or each check as a test of its own, with `MODEL_CHECKS` and `TASK_CHECKS`::

    @pytest.mark.parametrize("check", MODEL_CHECKS, ids=str)
    def test_contract(check):
        check(ModelCase(MyModel))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from facebench.errors import ContractError
from facebench.models.base import BaseModel
from facebench.tasks.base import BaseTask
from facebench.tasks.embedding import EmbeddingTask
from facebench.testing.cases import ModelCase, RecordedModelError, TaskCase, refuse_recorded
from facebench.testing.checks import Check
from facebench.testing.model_contract import MODEL_CHECKS
from facebench.testing.task_contract import TASK_CHECKS

__all__ = [
    "MODEL_CHECKS",
    "TASK_CHECKS",
    "Check",
    "ModelCase",
    "TaskCase",
    "check_model",
    "check_task",
]


def check_model(
    model: type[BaseModel] | Callable[..., BaseModel], layers: Iterable[str] | None = None
) -> None:
    """Check that a model does what facebench asks of one.

    Shapes and types of what it returns, the same twice and in any batch, hooked layers that give
    their own output, bad input refused with a clear error, preprocessing in worker processes.

    Parameters
    ----------
    model : type or callable
        A class that can be made with a name alone; or a function that takes `extract_layers`
        (None for the output) and returns a new model.
    layers : iterable of str, optional
        Layers to look at; None takes some that the forward pass reaches.

    Raises
    ------
    ContractError
        An AssertionError with a sentence for every check that failed. Embeddings and scores read
        from files are not networks, and refused with one.
    """
    refuse_recorded(model if isinstance(model, type) else type(model))
    if isinstance(model, BaseModel):
        name = type(model).__name__
        msg = (
            f"check_model makes models of its own: give it the class, check_model({name}), or a "
            f"function of layers, check_model(lambda layers: {name}(…, extract_layers=layers)). "
            f"Got an existing {name}."
        )
        raise ContractError(msg)
    case = ModelCase(model, layers=None if layers is None else list(layers))
    _run(MODEL_CHECKS, case, model)


def check_task(
    task: type[BaseTask | EmbeddingTask] | Callable[[], BaseTask | EmbeddingTask],
) -> None:
    """Check that a task does what facebench asks of one.

    It returns a table of numbers, the same twice, for any model; the measures it declares are among
    them, within their bounds, and one is its headline; it leaves its own pairs as they are; it
    refuses bad input; it runs and draws in a manager.

    Parameters
    ----------
    task : type or callable
        A subclass of BaseTask, made with a generated pairs file whose columns are ``truth``,
        ``same``, ``distance``, ``condition``, ``group``, ``group1`` and ``group2``. Or a subclass
        of EmbeddingTask, made with what is generated for parameters of these names:
        ``images_path``, ``images``, ``pairs``, ``pairs_file_path``, ``reference``, ``gallery``,
        ``probes``, ``templates``, ``triplets_file_path``, ``trials``, ``study`` and ``test``. Or a
        function without arguments that returns a new task, on pairs or images of its own.

    Raises
    ------
    ContractError
        An AssertionError with a sentence for every check that failed.
    """
    if isinstance(task, BaseTask | EmbeddingTask):
        name = type(task).__name__
        msg = (
            f"check_task makes tasks of its own: give it the class, check_task({name}), or a "
            f"function without arguments that makes one. Got an existing {name}."
        )
        raise ContractError(msg)
    with TaskCase(task) as case:
        _run(TASK_CHECKS, case, task)


def _run(checks: Iterable[Check[Any]], case: Any, subject: Any) -> None:
    problems = []
    for check in checks:
        try:
            check(case)
        except RecordedModelError:
            raise
        except ContractError as error:
            problems.append(f"- {check}: {error}")
    if problems:
        name = getattr(subject, "__name__", repr(subject))
        msg = f"{name} breaks its contract in {len(problems)} ways:\n" + "\n".join(problems)
        raise ContractError(msg)
