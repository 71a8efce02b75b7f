"""Names of models, tasks and metrics."""

import importlib
import sys
import tomllib
from pathlib import Path

import pytest

import facebench
from facebench.errors import DuplicateNameError, FacebenchError, InputError, UnknownNameError
from facebench.experiment.registry import (
    CORRELATIONS,
    METRICS,
    MODELS,
    TASKS,
    Registry,
    register_metric,
)

REGISTRIES = [MODELS, TASKS, METRICS, CORRELATIONS]


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
class TestOurs:
    @pytest.mark.slow
    def test_every_name_leads_somewhere(self, registry):
        for entry in registry.entries():
            assert callable(registry.get(entry.name))
            assert entry.summary or entry.target.startswith("numpy"), entry

    def test_the_project_file_declares_the_same(self, registry):
        text = (Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8")
        declared = tomllib.loads(text)["project"]["entry-points"][registry.group]
        ours = {entry.name: entry.target for entry in registry.entries()}
        assert declared.items() <= ours.items()
        assert set(declared) == {e.name for e in registry.entries() if e.source == "facebench"}


def test_every_public_model_and_task_has_a_name():
    public = {name for name in facebench.__all__ if name.endswith(("Model", "Task"))}
    public -= {"BaseModel", "BaseTask", "EmbeddingTask"}
    named = {entry.target.partition(":")[2] for r in (MODELS, TASKS) for entry in r.entries()}
    assert public <= named


def test_a_class_is_found_by_its_own_name_too():
    assert MODELS.get("DlibResNetModel") is MODELS.get("dlib-resnet") is facebench.DlibResNetModel
    assert "DlibResNetModel" in MODELS
    assert "nothing" not in MODELS


@pytest.mark.parametrize(
    ("registry", "name", "meant"),
    [
        (MODELS, "dlib_resnet", "dlib-resnet"),
        (TASKS, "Acuracy", "accuracy"),
        (METRICS, "eucledian", "euclidean"),
        (CORRELATIONS, "Spearman's", "spearman"),
    ],
)
def test_did_you_mean(registry, name, meant):
    with pytest.raises(UnknownNameError) as caught:
        registry.get(name)
    assert f"Did you mean {meant!r}?" in str(caught.value)


class TestDecorator:
    @pytest.fixture
    def registry(self):
        return Registry(
            "model", "facebench.none", {"builtin": "facebench.utils.suggestions:closest"}
        )

    def test_gives_a_name_and_returns_the_thing(self, registry):
        @registry.register("mine")
        class Mine:
            """My own."""

        assert registry.get("mine") is Mine
        assert registry.names() == ["builtin", "mine"]
        assert [entry.source for entry in registry.entries()] == ["facebench", "registered"]

    def test_a_taken_name_is_refused(self, registry):
        with pytest.raises(
            DuplicateNameError, match=r"taken by facebench\.utils\.suggestions:closest"
        ):
            registry.register("builtin")(Registry)

    def test_a_module_may_be_loaded_again(self, registry):
        registry.register("mine")(Registry)
        registry.register("mine")(Registry)
        with pytest.raises(DuplicateNameError):
            registry.register("mine")(FacebenchError)

    @pytest.mark.parametrize("name", ["", " ", 3, None])
    def test_a_name_is_a_text(self, name):
        with pytest.raises(InputError):
            register_metric(name)


class TestPlugins:
    @pytest.fixture
    def plugin(self, tmp_path, monkeypatch):
        """Install a distribution by hand, as pip would lay it out."""
        (tmp_path / "other_lab.py").write_text('class Net:\n    """Their network."""\n')
        info = tmp_path / "other_lab-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-lab\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            "[facebench.models]\ntheir-net = other_lab:Net\nbroken = no_such_module:Net\n"
            "hollow = other_lab:Nothing\nvgg16 = other_lab:Net\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()

    @pytest.mark.usefixtures("plugin")
    def test_entry_points_of_others_are_found(self):
        [entry] = [entry for entry in MODELS.entries() if entry.name == "their-net"]
        assert entry.source == "other-lab"
        assert entry.summary == "Their network."
        assert "other_lab" not in sys.modules
        assert MODELS.get("their-net").__name__ == "Net"
        # Nobody takes a name of ours.
        assert MODELS.get("vgg16") is facebench.Vgg16Model

    @pytest.mark.usefixtures("plugin")
    def test_what_cannot_be_imported_is_told(self):
        with pytest.raises(InputError, match=r"no_such_module.*installed\?"):
            MODELS.get("broken")
        with pytest.raises(InputError, match="other_lab has no 'Nothing'"):
            MODELS.get("hollow")
