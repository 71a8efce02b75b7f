"""What every shipped task has to do alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from facebench.experiment.registry import TASKS
from facebench.tasks.classic_effects import (
    CompositeEffect,
    CriticalFeaturesEffect,
    FamiliarityEffect,
    InversionEffect,
    OtherRaceEffect,
    ThatcherEffect,
)
from facebench.tasks.effect import EffectTask
from facebench.tasks.group_errors import GroupErrorTask
from facebench.testing import TASK_CHECKS, Check, TaskCase


class FewImpostors(GroupErrorTask):
    """The generated pairs are too few for the usual rate."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, fmr=0.25, **options)


class NearAndFar:
    """Compares the conditions of the generated pairs, not those an effect is named for."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"contrast": ("near", "far"), **options})


class NearAndFarEffect(NearAndFar, EffectTask):
    pass


class NearAndFarInversion(NearAndFar, InversionEffect):
    pass


class NearAndFarThatcher(NearAndFar, ThatcherEffect):
    pass


class NearAndFarRace(NearAndFar, OtherRaceEffect):
    pass


class NearAndFarFamiliarity(NearAndFar, FamiliarityEffect):
    pass


class NearAndFarComposite(NearAndFar, CompositeEffect):
    pass


class NearAndFarFeatures(CriticalFeaturesEffect):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, critical=["near"], other=["far"], **options)


STAND_INS = {
    GroupErrorTask: FewImpostors,
    EffectTask: NearAndFarEffect,
    InversionEffect: NearAndFarInversion,
    ThatcherEffect: NearAndFarThatcher,
    OtherRaceEffect: NearAndFarRace,
    FamiliarityEffect: NearAndFarFamiliarity,
    CompositeEffect: NearAndFarComposite,
    CriticalFeaturesEffect: NearAndFarFeatures,
}


@pytest.fixture(scope="module", params=TASKS.names())
def case(request: pytest.FixtureRequest) -> Iterator[TaskCase]:
    cls = TASKS.get(request.param)
    with TaskCase(STAND_INS.get(cls, cls)) as case:
        yield case


@pytest.mark.parametrize("check", TASK_CHECKS, ids=str)
def test_contract(case: TaskCase, check: Check[TaskCase]) -> None:
    check(case)
