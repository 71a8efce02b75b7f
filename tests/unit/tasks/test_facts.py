"""What tasks say of themselves, and how it comes back from a run folder."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest

from facebench import (
    AccuracyTask,
    BaseTask,
    CorrelationTask,
    IdentificationTask,
    Measure,
    MultiModelTaskManager,
    RsaTask,
    SimilarityTask,
    load_run,
)
from facebench.errors import InputError
from facebench.results.headline import best_layers
from facebench.results.run_folder import RunFolder
from facebench.results.task_facts import facts_of
from facebench.tasks.facts import TaskFacts
from facebench.tasks.measures import headlines
from support.small_net import SmallNet
from support.small_run import draw_pairs, small_manager


@pytest.fixture
def world(tmp_path):
    return SimpleNamespace(pairs=draw_pairs(tmp_path), images=tmp_path)


class Grades(BaseTask):
    """How good is it?

    At length.
    """

    measures = (Measure("Grade", better="lower", headline=True), Measure("AUC", better="higher"))

    def compute_task_performance(self, pairs_distances_df):
        return pd.DataFrame({"Grade": [1.0], "AUC": [0.5], "Method": ["by hand"]})

    def plot(self, output_dir, performances, *optional):
        pass


def test_a_task_of_ones_own(world):
    task = Grades("grades", world.pairs, world.images)
    facts = facts_of(task, task.compute_task_performance(pd.DataFrame()))
    assert (facts.type, facts.question) == ("Grades", "How good is it?")
    assert facts.sampling_unit == "pairs"
    assert facts.measures == Grades.measures
    assert facts.remarks == {"Method": "by hand"}
    assert facts.label_column is None
    task.question, task.true_label = "Is it good?", "same"
    assert (task.facts().question, task.facts().label_column) == ("Is it good?", "same")
    # A column that the pairs file lacks is none.
    task.true_label = "truth"
    assert task.facts().label_column is None
    assert TaskFacts.from_dict(json.loads(json.dumps(facts.as_dict()))) == facts


def test_what_our_tasks_say(world):
    common = (world.pairs, world.images)
    accuracy = AccuracyTask("a", *common, true_label="same").facts()
    assert (accuracy.label_column, accuracy.distance) == ("same", "cosine_distances")
    assert CorrelationTask("c", *common).facts().correlation == "corrcoef"
    rated = SimilarityTask("s", *common, rating="similarity", ratings="distance").facts()
    assert (rated.rating_columns, rated.rates_similarity) == (["distance"], True)
    assert rated.sampling_unit == "images"


@pytest.mark.parametrize(
    ("measure", "name"), [("spearman", "Spearman"), ("pearson", "Pearson"), ("rho-a", "Rho-a")]
)
def test_ratings_are_stood_for_by_the_users_measure(world, measure, name):
    names = ["Pearson", "Spearman", "Kendall Tau-a", "Rho-a", "P Value"]
    similarity = SimilarityTask("s", world.pairs, world.images, measure=measure)
    rsa = RsaTask("r", world.images, reference=world.pairs, measure=measure)
    assert headlines(similarity, names) == headlines(rsa, names) == [name]


def test_names_that_depend_on_parameters():
    gallery = pd.DataFrame({"image": ["a.png", "b.png"], "identity": ["a", "b"]})
    probes = pd.DataFrame({"image": ["a2.png"], "identity": ["a"]})
    task = IdentificationTask("i", gallery, probes, ".", ranks=(2, 1), fpir=(0.5,))
    assert [measure.name for measure in task.measures] == ["Rank-2", "Rank-1"]
    assert headlines(task, ["Rank-2", "Rank-1"]) == ["Rank-1"]
    stranger = pd.DataFrame({"image": ["c.png"], "identity": ["c"]})
    open_set = IdentificationTask(
        "o", gallery, pd.concat([probes, stranger]), ".", ranks=(1,), fpir=(0.5,)
    )
    names = ["Rank-1", "TPIR@FPIR=0.5", "TPIR@FPIR=0.5 Threshold"]
    assert [measure.name for measure in open_set.measures] == names
    assert headlines(open_set, names) == names[:2]


def test_a_wrong_declaration_is_refused_before_a_run(world):
    task = Grades("grades", world.pairs, world.images)
    task.measures = ("Grade",)
    with pytest.raises(InputError, match="must be a sequence of facebench"):
        MultiModelTaskManager(SmallNet("small"), task)


@pytest.mark.slow
def test_a_run_keeps_declarations_and_older_runs_are_guessed(tmp_path):
    manager = small_manager(tmp_path)
    path = RunFolder.create(tmp_path / "runs", "kept").save(manager)
    run = load_run(path)
    task = next(name for name in run.tasks if name.startswith("verify"))
    assert run.tasks[task].measures == AccuracyTask.measures
    best = best_layers(run.results, task, run.tasks[task])
    # As saved before tasks declared anything.
    manifest = json.loads((path / "manifest.json").read_text())
    for facts in manifest["tasks"].values():
        del facts["measures"], facts["sampling_unit"]
    (path / "manifest.json").write_text(json.dumps(manifest))
    older = load_run(path)
    assert older.tasks[task].measures == ()
    # Between which bounds a measure lies is not guessed: ends that allow for the choice use it.
    by_bounds = ["ci_low", "ci_high"]
    pd.testing.assert_frame_equal(
        older.headline().drop(columns=by_bounds), run.headline().drop(columns=by_bounds)
    )
    # What stands for a task follows the declaration: here the threshold, which has no direction.
    manifest["tasks"][task]["measures"] = [{"name": "Optimal Threshold", "headline": True}]
    (path / "manifest.json").write_text(json.dumps(manifest))
    other = load_run(path)
    metrics = other.headline().query("task == @task")["metric"]
    assert set(metrics) == {"Optimal Threshold"}
    assert best_layers(other.results, task, older.tasks[task]) == best
