"""Intervals are made while a run measures; what saves the run calls no task."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from golden.test_golden_run import golden_manager
from sklearn.metrics.pairwise import euclidean_distances

from facebench import AccuracyTask, BaseTask, Measure, load_run
from facebench.metrics.uncertainty.jackknife import JackknifeReplicates
from facebench.results.run_folder import RunFolder
from facebench.results.task_facts import facts_of


class Counted(BaseTask):
    """A task of someone's own, which counts how often it is asked."""

    def __init__(self, *given, **options):
        super().__init__(*given, **options)
        # Copies that know a part of the pairs share it.
        self.asked = []

    def compute_task_performance(self, pairs_distances_df):
        self.asked.append(len(pairs_distances_df))
        return pd.DataFrame({"Mean": [pairs_distances_df["model_computed_distance"].mean()]})

    def plot(self, output_dir, performances, *optional):
        pass


class Top(BaseTask):
    """A task of someone's own, whose measure is a share."""

    measures = (Measure("Top-1 Accuracy", better="higher", headline=True, bounds=(0, 1)),)

    def compute_task_performance(self, pairs_distances_df):
        # Wrong with the pairs of one image.
        right = pairs_distances_df["img1"] != "p0_0.png"
        return pd.DataFrame({"Top-1 Accuracy": [right.mean()]})

    def plot(self, output_dir, performances, *optional):
        pass


class Stopped(Counted):
    """Whoever waits for it presses Ctrl-C."""

    def compute_task_performance(self, pairs_distances_df):
        raise KeyboardInterrupt


class Stricter(AccuracyTask):
    """A subclass that measures something else under the same names."""

    def compute_unrounded_performance(self, pairs_distances_df):
        return super().compute_unrounded_performance(pairs_distances_df) / 2


def made_of(kind, folder: Path, **options):
    # Some of these images give zeros only, which have no cosine distance.
    return kind(
        kind.__name__, folder / "pairs.csv", folder, distance_metric=euclidean_distances, **options
    )


@pytest.mark.slow
def test_saving_a_run_calls_no_task(tmp_path):
    manager = golden_manager(tmp_path)
    task = made_of(Counted, tmp_path)
    manager.add_tasks(task)
    path = RunFolder.create(tmp_path / "runs", "counted")
    manager.run_all_tasks_all_models(tmp_path / "results", plots=False)
    # Three layers, each once whole and once without each of twelve images.
    assert len(task.asked) == 3 * (1 + 12)
    path.save(manager)
    assert len(task.asked) == 3 * (1 + 12)
    run = load_run(path.path)
    row = run.headline().query("task == 'Counted'").iloc[0]
    assert row["ci_method"] == "jackknife by image, 12 groups"
    assert (row["ci_low"], row["ci_high"]) != (row["value"], row["value"])


@pytest.mark.slow
def test_intervals_of_a_share_end_between_its_bounds(tmp_path):
    manager = golden_manager(tmp_path)
    task = made_of(Top, tmp_path)
    manager.add_tasks(task)
    manager.run_all_tasks_all_models(tmp_path / "results", plots=False)
    for model, layers in manager.estimates["Top"].items():
        for layer, found in layers.items():
            [one] = found.estimates
            assert one.low is not None, one.method
            assert 0 <= one.low <= one.value <= one.high <= 1, (model, layer)
            assert one.high > one.low


@pytest.mark.slow
def test_nor_does_saving_a_run_that_was_interrupted(tmp_path):
    manager = golden_manager(tmp_path)
    task = made_of(Counted, tmp_path)
    manager.add_tasks([task, made_of(Stopped, tmp_path)])
    with pytest.raises(KeyboardInterrupt):
        manager.run_all_tasks_all_models(tmp_path / "results", plots=False)
    calls = len(task.asked)
    assert calls > 0
    folder = RunFolder.create(tmp_path / "runs", "stopped").save(manager, status="interrupted")
    assert len(task.asked) == calls
    assert "Counted" in set(load_run(folder).results["task"])


@pytest.mark.slow
def test_the_manager_keeps_what_a_run_folder_holds(tmp_path):
    manager = golden_manager(tmp_path)
    manager.add_tasks(made_of(Counted, tmp_path))
    manager.run_all_tasks_all_models(tmp_path / "results", plots=False)
    assert list(manager.estimates) == list(manager.tasks)
    assert {name: list(found) for name, found in manager.estimates["verify"].items()} == {
        "all": ["0", "1"],
        "end": ["default"],
    }
    run = load_run(RunFolder.create(tmp_path / "runs", "kept").save(manager))
    for row in run.results.itertuples():
        layer = manager.estimates[row.task][row.model][row.layer]
        condition = None if pd.isna(row.condition) else row.condition
        [kept] = [
            one
            for one in layer.estimates
            if (one.measure, one.condition) == (row.metric, condition)
        ]
        assert (kept.value, kept.n_pairs) == (row.value, row.n_pairs)
        assert np.array_equal(
            [np.nan if end is None else end for end in (kept.low, kept.high)],
            [row.ci_low, row.ci_high],
            equal_nan=True,
        )
    # A formula is known for what a built-in task measures: it is not asked again.
    assert manager.estimates["verify"]["end"]["default"].replicates is None
    assert isinstance(
        manager.estimates["Counted"]["end"]["default"].replicates, JackknifeReplicates
    )


def test_a_formula_is_not_inherited_by_a_task_that_measures_otherwise(tmp_path):
    golden_manager(tmp_path)
    usual = made_of(AccuracyTask, tmp_path, true_label="same")
    assert facts_of(usual, None).influences == {"AUC": "auc", "Accuracy": "accuracy"}
    assert facts_of(made_of(Stricter, tmp_path, true_label="same"), None).influences == {}
