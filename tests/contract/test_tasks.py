"""What every shipped task has to do alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from facebench.registry import TASKS
from facebench.tasks.base import BaseTask
from facebench.tasks.group_errors import GroupErrorTask
from facebench.testing import TASK_CHECKS, Check, TaskCase


class FewImpostors(GroupErrorTask):
    """The generated pairs are too few for the usual rate."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, fmr=0.25, **options)


# Those that take a pairs file and need no more than the generated columns.
NAMES = [name for name in TASKS.names() if issubclass(TASKS.get(name), BaseTask)]


@pytest.fixture(scope="module", params=NAMES)
def case(request: pytest.FixtureRequest) -> Iterator[TaskCase]:
    cls = TASKS.get(request.param)
    with TaskCase(FewImpostors if cls is GroupErrorTask else cls) as case:
        yield case


@pytest.mark.parametrize("check", TASK_CHECKS, ids=str)
def test_contract(case: TaskCase, check: Check[TaskCase]) -> None:
    check(case)
