"""Effects by name, and the experiment that a set of stimuli is printed with."""

from pathlib import Path

import pytest
import yaml

from facebench.errors import StimulusError, UnknownNameError
from facebench.experiment.building import build_experiment
from facebench.experiment.config import load_config
from facebench.experiment.starters.effects import (
    EFFECTS,
    conditions_of,
    needs_both_classes,
    stimuli_experiment,
)
from facebench.stimuli.catalogue import CONDITIONS
from support.made_set import embeddings_of, made_set


class TestNames:
    def test_effects_tasks_and_conditions(self):
        names = ["inversion", "Thatcher-effect", "Low-pass_8", "other-race", "inversion"]
        assert conditions_of(names) == (["inverted", "thatcherised", "low-pass_8"], ["other-race"])
        assert set().union(*EFFECTS.values()) <= {*CONDITIONS}

    @pytest.mark.parametrize(
        ("name", "hint"),
        [("inverson", "'inversion'"), ("thatcer", "'thatcher'"), ("mask", "'masked'")],
    )
    def test_a_misspelt_one_is_told(self, name, hint):
        with pytest.raises(UnknownNameError, match=f"no effect {name!r}. Did you mean {hint}"):
            conditions_of([name])

    def test_a_level_that_there_is_not(self):
        with pytest.raises(StimulusError, match="'grey' has no level"):
            conditions_of(["grey_30"])

    def test_which_need_two_photographs_of_a_person(self):
        names = ["thatcherised", "composite", "eyes-replaced", "morph"]
        # Thatcherised faces bring inverted ones along, which nobody asked for.
        assert needs_both_classes(names) == []
        assert needs_both_classes(["negated", "average", "thatcherised"]) == ["negated", "average"]


def written(tmp_path, conditions, **options):
    made = made_set(tmp_path / "st", conditions, **options)
    text, problems = stimuli_experiment(made, conditions, tmp_path)
    (tmp_path / "x.yaml").write_text(text)
    return made, text, problems


class TestExperiment:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("conditions", "tasks"),
        [
            (["inverted", "thatcherised"],
             {"inversion": "inversion-effect", "thatcher": "thatcher-effect"}),
            (["thatcherised"], {"thatcher": "thatcher-effect"}),
            (["composite", "negated"], {"composite": "composite-effect", "negated": "effect"}),
            (["rotated_30"], {"rotated_30": "effect"}),
            (["rotated_30", "rotated_60", "rotated_90", "morph_0.2", "morph_0.5", "morph_0.8"],
             {"rotated-series": "series", "morph-series": "series"}),
            (["low-pass_4", "low-pass_8"], {"low-pass_4": "effect", "low-pass_8": "effect"}),
            (EFFECTS["critical-features"], {"critical-features": "critical-features-effect"}),
            (["eyes-replaced", "mouth-replaced"], {"critical-features": "conditioned-average"}),
            (["eye-distance", "average"],
             {"eye-distance": "conditioned-average", "average": "effect"}),
        ],
    )  # fmt: skip
    def test_what_is_printed_is_an_experiment_that_can_be_built(self, tmp_path, conditions, tasks):
        made, text, problems = written(tmp_path, conditions)
        assert not problems
        said = yaml.safe_load(text)["tasks"]
        assert {name: entry["task"] for name, entry in said.items()} == tasks
        vectors = embeddings_of(made.tables.values(), tmp_path / "v.npz")
        overrides = [f"models={{m: {{model: embeddings, file: {vectors}}}}}"]
        built = build_experiment(load_config(tmp_path / "x.yaml", overrides))
        assert {task.name for task in built.tasks} == {*tasks}

    def test_every_condition_has_a_task(self, tmp_path):
        _, text, problems = written(tmp_path, [*CONDITIONS])
        assert not problems
        n_features = sum(kind.design == "feature" for kind in CONDITIONS.values())
        assert len(yaml.safe_load(text)["tasks"]) == len(CONDITIONS) - n_features + 1

    def test_rotation_is_compared_with_rotation_by_nothing(self, tmp_path):
        _, text, _ = written(tmp_path, ["rotated_30"])
        assert yaml.safe_load(text)["tasks"]["rotated_30"]["contrast"] == [
            "rotated_0",
            "rotated_30",
        ]

    def test_one_photograph_of_each_gives_no_area(self, tmp_path):
        _, text, problems = written(tmp_path, ["inverted", "thatcherised"], n_images=1)
        assert [*yaml.safe_load(text)["tasks"]] == ["thatcher"]
        assert "no pairs of one person" in problems[0]

    def test_paths_are_those_of_the_experiment(self, tmp_path):
        made = made_set(tmp_path / "a $b" / "st", ["inverted"])
        text, _ = stimuli_experiment(made, ["inverted"], tmp_path)
        (tmp_path / "x.yaml").write_text(text)
        entry = load_config(tmp_path / "x.yaml").located("tasks", "inversion", "pairs")
        assert Path(tmp_path, entry.value) == made.tables["inverted"]
