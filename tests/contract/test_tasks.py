"""What every shipped task has to do alike."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from facebench.registry import TASKS
from facebench.tasks.base import BaseTask
from facebench.testing import TASK_CHECKS, Check, TaskCase

# Those that take a pairs file and need no more than the generated columns.
NAMES = [name for name in TASKS.names() if issubclass(TASKS.get(name), BaseTask)]


@pytest.fixture(scope="module", params=NAMES)
def case(request: pytest.FixtureRequest) -> Iterator[TaskCase]:
    with TaskCase(TASKS.get(request.param)) as case:
        yield case


@pytest.mark.parametrize("check", TASK_CHECKS, ids=str)
def test_contract(case: TaskCase, check: Check[TaskCase]) -> None:
    check(case)
