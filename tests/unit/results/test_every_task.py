"""Every registered task, and tasks of one's own: intervals, counts, ties and paired differences."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, weightedtau

from facebench import BaseTask, CorrelationTask, EmbeddingTask, load_run
from facebench.experiment.registry import TASKS
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.metrics.uncertainty.spread import jackknife_error
from facebench.results.compare import compare_runs
from facebench.results.report.run_page import write_report
from facebench.results.report.task_section import task_section
from facebench.results.report.thumbnails import Thumbnails
from facebench.results.run_folder import RunFolder
from facebench.results.verdicts import verdicts
from support.every_task import N_PEOPLE, every_manager, frame_of, make_tasks, write_world

pytestmark = pytest.mark.slow


class Deviation(BaseTask):
    """How far are distances from the given ones? With columns that only a merge brings."""

    def compute_task_performance(self, pairs_distances_df):
        merged = self.pairs_df.merge(pairs_distances_df, on=["img1", "img2"])
        assert len(merged) == len(pairs_distances_df)
        error = merged["distance"] - merged["model_computed_distance"]
        return pd.DataFrame({"MSE": [(error**2).mean()], "Largest": [error.max()]})

    def plot(self, output_dir, performances, *optional):
        pass


class ByCondition(BaseTask):
    """A row per condition, in an order that depends on the pairs."""

    def compute_task_performance(self, pairs_distances_df):
        means = pairs_distances_df.groupby("condition", sort=False)["model_computed_distance"]
        return means.median().rename("Median").rename_axis("Condition").reset_index()

    def plot(self, output_dir, performances, *optional):
        pass


class Spread(EmbeddingTask):
    """How far apart are embeddings?"""

    def compute_items(self, embeddings):
        return pd.DataFrame({"image": self.images, "length": np.linalg.norm(embeddings, axis=1)})

    def compute_task_performance(self, items_df):
        return pd.DataFrame({"Length": [items_df["length"].mean()]})

    def plot(self, output_dir, performances, *optional):
        pass


class AllOrNothing(Deviation):
    """Refuses to work on a part of its pairs."""

    def compute_task_performance(self, pairs_distances_df):
        if len(pairs_distances_df) < 288:
            msg = "too few for me"
            raise RuntimeError(msg)
        return super().compute_task_performance(pairs_distances_df)


def own_correlation(x, y):
    return weightedtau(x, y).statistic


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("faces"))


def own_tasks(faces):
    common = (faces / "pairs.csv", faces)
    images = sorted(str(path.relative_to(faces)) for path in faces.glob("*/*.png"))
    tasks = [
        Deviation("mse", *common),
        ByCondition("medians", *common),
        AllOrNothing("fussy", *common),
        CorrelationTask("kendall", *common, correlation_metric=kendalltau),
        CorrelationTask("own", *common, correlation_metric=own_correlation),
        Spread("spread", images, faces),
    ]
    return {task.name: task for task in tasks}


@pytest.fixture(scope="module")
def saved(faces, tmp_path_factory):
    """A run of every task; and one on other embeddings, with one effect for all of them."""
    root = tmp_path_factory.mktemp("runs")
    every = {**make_tasks(faces), **own_tasks(faces)}
    fewer = {name: task for name, task in every.items() if not name.endswith("-effect")}
    return [
        RunFolder.create(root, f"run{seed}").save(every_manager(faces, tasks, seed))
        for seed, tasks in enumerate((every, fewer))
    ]


def test_every_headline_number_has_an_interval_and_counts(saved):
    headline = load_run(saved[0]).headline()
    assert set(TASKS.names()) < set(headline["task"])
    headline = headline[headline["task"] != "fussy"]
    assert headline["value"].notna().all()
    assert (headline["ci_low"] <= headline["value"]).all()
    assert (headline["value"] <= headline["ci_high"]).all()
    assert (headline["ci_low"] < headline["ci_high"]).all()
    assert headline["ci_method"].notna().all()
    for column in ("n_pairs", "n_images", "n_identities", "n_failed"):
        assert headline[column].notna().all(), column
    assert set(headline["n_identities"]) <= {N_PEOPLE, N_PEOPLE // 2}


def test_every_task_has_a_verdict(saved):
    run = load_run(saved[0])
    found = {one.task: one for one in verdicts(run)}
    assert list(found) == list(run.tasks)
    for task, verdict in found.items():
        assert {one.model for one in verdict.models} == set(run.models), task
        assert "nan" not in verdict.sentence, verdict.sentence
        assert all(one.numbers.shown() in verdict.sentence for one in verdict.models), task
    assert "above chance" in found["verification"].sentence
    assert found["similarity"].sentence.startswith(
        "Spearman's ρ with the mean rating (48 images, 288 pairs, 1 rater): "
    )
    assert "36 probes" in found["identification"].sentence
    assert "the opposite of a Thatcher effect" in found["thatcher-effect"].sentence


def test_why_there_is_no_interval(saved):
    row = load_run(saved[0]).headline().query("task == 'fussy'").iloc[0]
    assert row["ci_method"] == (
        "none: the task fails on parts of the pairs (RuntimeError: too few for me)"
    )


@pytest.mark.parametrize(
    ("task", "metric"), [("mse", "Largest"), ("own", "Correlation Score"), ("spread", "Length")]
)
def test_intervals_of_ones_own_measures_are_what_leaving_out_gives(saved, faces, task, metric):
    run = load_run(saved[0])
    row = run.headline().query("task == @task and metric == @metric and model == 'weak'").iloc[0]
    assert row["ci_method"] == f"jackknife by identity, {N_PEOPLE} groups"
    frame = run.task_distances("weak", task)
    columns = ["image"] if task == "spread" else ["img1", "img2"]
    people = frame[columns].apply(lambda names: names.str[:3])
    measure = {
        "mse": lambda rows: (rows["distance"] - rows["model_computed_distance"]).max(),
        "own": lambda rows: own_correlation(rows["model_computed_distance"], rows["distance"]),
        "spread": lambda rows: rows["length"].mean(),
    }[task]
    assert row["value"] == pytest.approx(measure(frame))
    left = [measure(frame[(people != f"p{p:02d}").all(axis=1)]) for p in range(N_PEOPLE)]
    error = np.sqrt((N_PEOPLE - 1) / N_PEOPLE * ((left - np.mean(left)) ** 2).sum())
    half = (row["ci_high"] - row["ci_low"]) / 2
    assert half == pytest.approx(2.200985 * error, rel=1e-4)


def test_what_tasks_leave_out_is_what_they_measure_on_the_rest(faces):
    tasks = make_tasks(faces)
    people = pd.read_csv(faces / "pairs.csv")
    groups = JackknifeGroups(people["img1"].str[:3], people["img2"].str[:3])
    for name in ("verification", "effect", "thatcher-effect", "group-errors"):
        frame = frame_of(tasks[name], 1.2, 5)
        found = tasks[name].left_out(frame)
        assert found.by == "identity"
        kept = groups.kept[:, 3]
        # A task made of the rest alone, with nothing to choose anew.
        rest = faces / f"{name}.csv"
        people[kept].to_csv(rest, index=False)
        options = {}
        if name == "group-errors":
            options["threshold"] = _threshold(tasks[name], frame)
        elif name != "verification":
            options = {"contrast": ("near", "far"), "n_permutations": 1}
        alone = TASKS.get(name)(name, rest, faces, n_resamples=2, **options)
        expected = alone.compute_unrounded_performance(frame[kept].reset_index(drop=True))
        for (condition, metric), values in found.values.items():
            if metric == "Accuracy":
                # Folds are made anew.
                continue
            row = expected if condition is None else expected[expected["Condition"] == condition]
            if row.empty or not np.isfinite(values[3]) or row[metric].isna().all():
                continue
            assert values[3] == pytest.approx(row[metric].item(), rel=1e-5), (name, metric)


def _threshold(task, frame):
    return float(task.compute_unrounded_performance(frame.copy())["Threshold"].iloc[0])


def test_errors_of_left_out_are_near_those_of_the_bootstrap(saved):
    run = load_run(saved[0])
    compared = 0
    for row in run.results.query("model == 'weak'").itertuples():
        found = run.left_out.get((row.task, row.model, row.layer))
        condition = None if pd.isna(row.condition) else row.condition
        values = None if found is None else found.values.get((condition, row.metric))
        own = ("bootstrap", "jackknife over")
        if values is None or not any(how in str(row.ci_method) for how in own):
            continue
        error, width = jackknife_error(values), row.ci_high - row.ci_low
        if row.metric in ("AUC", "Pearson", "Agreement", "Difference", "Rank-1") and width > 0:
            # Of few people, bootstraps have t quantiles and areas a least width.
            assert 0.4 < 4 * error / width < 2, (row.task, row.metric)
            compared += 1
    assert compared >= 8


def test_every_headline_measure_has_tie_groups(saved):
    run = load_run(saved[1])
    for number, task in enumerate(run.tasks):
        section = task_section(run, task, number, 4, Thumbnails(0, [run]), Thumbnails(0, [run]))
        for key, letters in section.ties.items():
            if task == "fussy" or key in {("GARBE", "all groups"), ("AUC", "a")}:
                continue
            assert set(letters) == {"strong", "weak"}, (task, key)
    section = task_section(run, "verification", 0, 4, Thumbnails(0, [run]), Thumbnails(0, [run]))
    assert section.ties["AUC", ""] == {"strong": "a", "weak": "b"}


def test_every_headline_difference_has_an_interval(saved):
    made = compare_runs(*saved)
    rows = made.to_frame()
    assert rows.equals(made.numbers)
    assert rows is not made.numbers
    named = set(load_run(saved[0]).headline()[["task", "metric"]].itertuples(index=False))
    chosen = [(row.task, row.metric) in named and row.task != "fussy" for row in rows.itertuples()]
    there = rows[chosen].query("model == 'weak'").dropna(subset="difference")
    there = there[there["task"] != "group-errors"]
    assert there["ci_low"].notna().all()
    assert (there["ci_low"] <= there["difference"]).all()
    assert (there["difference"] <= there["ci_high"]).all()
    for metric in ("EER", "d'", "Accuracy", "TAR@FAR=0.1"):
        row = rows.query(f'task == "verification" and metric == "{metric}" and model == "weak"')
        assert row["p_value"].notna().all()


def test_pages_of_every_task_are_written(saved, tmp_path):
    page = write_report(saved[1], tmp_path / "report.html").read_text(encoding="utf-8")
    assert "share a letter do not differ significantly" in page
    compared = compare_runs(*saved, tmp_path / "compare.html")
    assert compared.path.exists()


def test_a_slow_task_is_not_called_for_ever(saved, faces, tmp_path, monkeypatch):
    monkeypatch.setattr("facebench.run.estimates._PATIENCE", 0.0)
    tasks = {name: task for name, task in own_tasks(faces).items() if name in ("mse", "kendall")}
    path = RunFolder.create(tmp_path, "slow").save(every_manager(faces, tasks))
    methods = load_run(path).headline().groupby("task")["ci_method"].unique()
    assert list(methods["mse"]) == [
        "none: measuring parts of the pairs takes more than 0 s in all layers"
    ]
    assert list(methods["kendall"]) == ["jackknife by identity, 12 groups, t quantiles"]


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("identification", ["identity"]),
        ("template-verification", ["identity1", "identity2"]),
        ("odd-one-out", ["img1", "img2", "img3"]),
        ("probe", ["identity"]),
        ("similarity", ["img1", "img2"]),
    ],
)
def test_what_tasks_of_items_leave_out_is_what_they_measure_on_the_rest(faces, name, columns):
    task = make_tasks(faces, n_resamples=1)[name]
    frame = frame_of(task, 1.2, 5)
    found = task.left_out(frame)
    measure = getattr(task, "compute_unrounded_performance", task.compute_task_performance)
    for (_, metric), values in found.values.items():
        members = frame[columns].astype(str)
        # Rank-k rates are of people in the gallery only.
        some = frame["in_gallery"] if metric.startswith("Rank-") else np.ones(len(frame), bool)
        groups = JackknifeGroups(*(members.loc[some, column] for column in columns))
        assert values.size == groups.n_resamples
        for group in (0, groups.n_resamples - 1):
            kept = np.ones(len(frame), bool)
            kept[np.flatnonzero(some)] = groups.kept[:, group]
            rest = measure(frame[kept].reset_index(drop=True))
            if rest[metric].notna().all():
                # Those of the EER are from its influence function.
                near = 1e-3 if metric == "EER" else 6e-6
                assert values[group] == pytest.approx(rest[metric].item(), abs=near), metric
