"""Scripts for the tool's first implementation: its keywords, star imports and files."""

from __future__ import annotations

import importlib
import inspect
import tomllib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import facebench
from support import runs
from support.pages import examples, text_of

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a script of that time has after its star imports."""
    monkeypatch.syspath_prepend(str(REPOSITORY))
    names: dict[str, Any] = {}
    for package in ("facesBenchmarkUtils", "models", "tasks"):
        exec(f"from {package} import *", names)
    return names


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    table = tmp_path / "pairs.csv"
    rows = {"img1": ["a", "b"], "img2": ["b", "c"], "truth": [0, 1], "distance": [1, 2]}
    rows |= {"condition": ["x", "y"], "group": ["x", "y"]}
    pd.DataFrame(rows).to_csv(table, index=False)
    return table


def test_star_imports_give_what_they_gave(old: dict[str, Any]) -> None:
    assert old["np"] is np
    assert old["pd"] is pd
    assert old["torch"] is torch
    assert old["os"].sep
    assert old["pairwise"].cosine_distances([[1, 0]], [[0, 1]])[0, 0] == 1
    assert old["BaseModel"] is facebench.BaseModel


def test_every_name_of_a_star_import_exists_and_others_do_not(old: dict[str, Any]) -> None:
    del old
    for package in map(importlib.import_module, ("facesBenchmarkUtils", "models", "tasks")):
        assert all(getattr(package, name) is not None for name in package.__all__)
        with pytest.raises(AttributeError, match=f"'{package.__name__}' has no attribute 'pb'"):
            _ = package.pb


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("AccuracyTask", {"true_label": "truth"}),
        ("CorrelationTask", {"correlation_function": np.corrcoef}),
        ("ConditionedAverageDistances", {"condition_column": "condition"}),
        ("RelativeDifferenceTask", {"group_column": "group"}),
    ],
)
def test_a_task_takes_the_old_keywords(
    old: dict[str, Any], pairs: Path, name: str, more: dict[str, Any]
) -> None:
    metric = old["pairwise"].euclidean_distances
    with pytest.warns(DeprecationWarning, match="is called") as told:
        task = old[name](
            task_name="t", pairs_file_path=pairs, images_folder_path=pairs.parent,
            distance_function=metric, **more,
        )  # fmt: skip
    messages = [str(one.message) for one in told]
    assert messages[0] == "'task_name' is called 'name' now. Please rename it."
    assert len(messages) == 3 + ("correlation_function" in more)
    assert {Path(one.filename) for one in told} == {Path(__file__)}
    assert (task.name, task.images_path) == ("t", pairs.parent)
    assert task.distance_metric_name == "euclidean_distances"


@pytest.mark.slow
def test_a_model_takes_the_old_keywords(old: dict[str, Any]) -> None:
    with pytest.warns(DeprecationWarning, match="is called"):
        model = old["Vgg16Model"](model_name="v", layers_to_extract="avgpool", pretrained=False)
    assert (model.name, model.extract_layers) == ("v", ["avgpool"])


def test_a_model_of_a_script_hands_them_on(old: dict[str, Any]) -> None:
    base: Any = old["BaseModel"]

    class Mine(base):
        def __init__(self, model_name: str, weights_file_path: Path | None = None) -> None:
            super().__init__(model_name=model_name, weights_file_path=weights_file_path)

        def _build_model(self) -> None:
            self.model = runs.make_model().model

        def _forward(self, batch: torch.Tensor) -> torch.Tensor:
            return self.model(batch)

    with pytest.warns(DeprecationWarning, match="is called"):
        model = Mine("mine")
    assert (model.name, model.weights_path) == ("mine", None)
    assert isinstance(model, facebench.BaseModel)


def test_both_keywords_at_once_are_an_error(old: dict[str, Any], pairs: Path) -> None:
    with pytest.raises(TypeError, match="got both 'task_name' and 'name', which are the same"):
        old["AccuracyTask"]("t", pairs, pairs.parent, name="t", task_name="t")


def test_new_keywords_give_no_warning(old: dict[str, Any], pairs: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        old["AccuracyTask"](name="t", pairs_file_path=pairs, images_path=pairs.parent)
    # Editors and the YAML reader still see the parameters.
    assert "true_label" in inspect.signature(old["AccuracyTask"]).parameters


def test_the_plot_helper_has_its_font_sizes(old: dict[str, Any]) -> None:
    del old
    module = importlib.import_module("facesBenchmarkUtils.plotHelper")
    assert module.SUPTITLE_SIZE >= module.SUBTITLE_SIZE > 0


@pytest.mark.slow
def test_the_example_of_the_page_runs(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY))
    pairs.write_text(pairs.read_text().replace("truth", "same"))
    (tmp_path / "images").mkdir()
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    (example,) = examples("migrating.md", "python")
    with pytest.warns(DeprecationWarning, match="is called"):
        exec(example, names)
    assert (names["model"].name, names["task"].name) == ("VGG16", "Same person")


def test_the_page_lists_every_keyword(old: dict[str, Any]) -> None:
    del old
    keywords = importlib.import_module("facesBenchmarkUtils.firstTool").OLD_KEYWORDS
    for before, now in keywords.items():
        assert f"| `{before}` | `{now}` |" in text_of("migrating.md")


def test_requirements_are_those_of_the_project() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    lines = (REPOSITORY / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == project["dependencies"]


@pytest.mark.parametrize("folder", ["tests_datasets", "results"])
def test_a_lab_s_folders_are_ignored_by_git(folder: str) -> None:
    assert f"/{folder}/" in (REPOSITORY / ".gitignore").read_text().splitlines()


def test_a_folder_that_does_not_exist_is_told_when_the_task_is_made(
    pairs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    facebench.AccuracyTask("t", pairs, pairs.parent / "nowhere")
    assert "nowhere of task 't' does not exist" in caplog.text
