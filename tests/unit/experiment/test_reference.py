"""What `facebench tasks NAME` tells is complete, and the YAML it shows is accepted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from facebench.experiment.arguments import arguments_for
from facebench.experiment.reference import reference_of
from facebench.experiment.registry import MODELS, TASKS
from facebench.experiment.wrappers import TASK_OPTIONS
from facebench.experiment.yaml_reader import read_yaml

NAMES = [("tasks", name) for name in TASKS.names()] + [("models", name) for name in MODELS.names()]


def the_reference(section: str, name: str) -> tuple[Any, Any]:
    cls = (TASKS if section == "tasks" else MODELS).get(name)
    return cls, reference_of(name, cls, section)


@pytest.mark.slow
@pytest.mark.parametrize(("section", "name"), NAMES)
def test_every_argument_has_a_type_and_a_meaning(section: str, name: str) -> None:
    _, found = the_reference(section, name)
    assert found.question
    assert [argument.key for argument in found.arguments if not argument.meaning] == []
    assert [argument.key for argument in found.arguments if not argument.type] == []
    assert not any("See `" in argument.meaning[:5] for argument in found.arguments)


@pytest.mark.slow
@pytest.mark.parametrize(("section", "name"), NAMES)
def test_the_snippet_is_accepted(section: str, name: str, tmp_path: Path) -> None:
    cls, found = the_reference(section, name)
    file = tmp_path / "x.yaml"
    file.write_text(found.snippet)
    entry = read_yaml(file).value[section].value[f"my-{name}"].value
    assert entry.pop(section.removesuffix("s")).value == name
    arguments, _ = arguments_for(cls, entry, {"name": name})
    required = {item.parameter for item in found.arguments if item.is_required}
    assert required | {"name"} == arguments.keys()


def test_arguments_of_other_classes_are_explained_where_they_are_taken() -> None:
    _, found = the_reference("tasks", "rsa")
    told = {argument.key: argument for argument in found.arguments}
    assert "raters are averaged" in told["pool"].meaning  # SimilarityTask has it
    _, found = the_reference("models", "vgg16")
    told = {argument.key: argument for argument in found.arguments}
    assert "named_modules" in told["layers"].meaning  # BaseModel has it
    assert told["align"].default == "True"  # set_alignment has it
    assert told["flip"].parameter == "flip"


def test_columns_name_the_argument_that_chooses_another() -> None:
    _, found = the_reference("tasks", "accuracy")
    assert found.columns == {"img1": "", "img2": "", "truth": "true_label"}
    assert {argument.key for argument in found.arguments} >= {"pairs", "images", *TASK_OPTIONS}
    _, found = the_reference("tasks", "correlation")
    assert found.columns == {"img1": "", "img2": "", "distance": ""}


def test_people_and_sources_are_told() -> None:
    _, found = the_reference("tasks", "inversion-effect")
    assert any("0.9753 (Kumar et al. 2009)" in line for line in found.people)
    assert found.sources.startswith("R. K. Yin")


def test_people_of_a_plug_in_may_be_a_number(tmp_path: Path) -> None:
    class Counts:
        def __init__(self, people: int, name: str = "") -> None:
            self.people = people

    file = tmp_path / "x.yaml"
    file.write_text("people: 20\n")
    arguments, _ = arguments_for(Counts, read_yaml(file).value, {})
    assert arguments == {"people": 20}
