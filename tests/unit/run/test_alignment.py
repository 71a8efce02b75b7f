"""A model that aligns faces by default takes made stimuli as they are, and no others."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from facebench.data.made_stimuli import MadeFolder, MadeImages
from facebench.run.alignment import alignment_of, alignment_warnings, passes_of
from support.aligner import Aligner
from support.small_net import SmallNet, small_transform

FOLDER = MadeFolder(Path("set"), True, {"size": 32, "padding": 0.25}, frozenset())
MADE = {
    "made": MadeImages(4, 4, (FOLDER,)),
    "photographs": MadeImages(0, 4, ()),
    "both": MadeImages(1, 4, (FOLDER,)),
}
TASKS = [SimpleNamespace(name=name) for name in MADE]


def passes(model) -> list[tuple[list[str], bool]]:
    found = []
    for part in passes_of(model, TASKS, MADE):
        with part.alignment():
            found.append(([task.name for task in part.tasks], getattr(model, "align", False)))
    return found


def test_by_default_tasks_are_split_by_their_images() -> None:
    model = Aligner()
    assert passes(model) == [(["photographs", "both"], True), (["made"], False)]
    assert model.align
    with alignment_of(model, MADE["made"]):
        assert not model.align
    with alignment_of(model, MADE["both"]):
        assert model.align


@pytest.mark.parametrize("align", [True, False])
def test_what_was_said_holds_for_all_tasks(align: bool) -> None:
    assert passes(Aligner(align=align)) == [(list(MADE), align)]


def test_models_that_align_nothing_have_one_pass_and_no_warnings() -> None:
    plain = SmallNet("plain", preprocess_function=small_transform)
    assert passes(plain) == [(list(MADE), False)]
    assert alignment_warnings(plain, MADE) == []


def test_an_error_in_a_pass_leaves_the_model_as_it_was() -> None:
    model = Aligner()
    with pytest.raises(ValueError, match="x"), alignment_of(model, MADE["made"]):
        raise ValueError("x")
    assert model.align
    assert model.expected_notes == ("no face found",)


def test_warnings_name_tasks_and_reasons_once() -> None:
    (told,) = alignment_warnings(Aligner(), MADE)
    assert told.startswith("Model 'aligner', task 'both': 1 of 4 images are made stimuli")
    both = {"a": MADE["made"], "b": MADE["made"]}
    (told,) = alignment_warnings(Aligner(align=True), both)
    assert told.startswith("Model 'aligner', tasks 'a', 'b': align=True finds and aligns")
