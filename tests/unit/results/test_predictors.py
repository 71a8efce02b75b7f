"""Several models of a saved run explain ratings together, without running again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist

from facebench import (
    EmbeddingsModel,
    MultiModelTaskManager,
    PredictorsTask,
    RsaTask,
    SimilarityTask,
)
from facebench.data.rdms import write_rdms
from facebench.errors import InputError, UnknownNameError
from facebench.results.predictors import named_predictors, predictors_of_run

N = 10
NAMES = [f"{number}.png" for number in range(N)]
FIRST, SECOND = np.triu_indices(N, 1)
RNG = np.random.default_rng(3)
VECTORS = {name: RNG.normal(size=(N, 5)).astype("f4") for name in ("fc6", "fc7", "text")}
DISTANCES = {name: pdist(rows, "cosine") for name, rows in VECTORS.items()}
MEAN = DISTANCES["fc7"] + DISTANCES["text"]
RATINGS = MEAN[:, None] + RNG.normal(size=(MEAN.size, 4)) * 0.2


class FakeRun:
    """What `predictors_of_run` reads of a run."""

    def __init__(self, manager: MultiModelTaskManager) -> None:
        self.path = Path("run")
        self.models = list(manager.models)
        self.tasks = {name: task.facts() for name, task in manager.tasks.items()}
        self._frames = manager.model_task_distances_dfs

    def task_distances(self, model: str, task: str) -> pd.DataFrame:
        return self._frames[model][task]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FakeRun:
    folder = tmp_path_factory.mktemp("run")
    table = pd.DataFrame({"img1": np.array(NAMES)[FIRST], "img2": np.array(NAMES)[SECOND]})
    for rater in range(4):
        table[f"rater_{rater}"] = RATINGS[:, rater]
    table.to_csv(folder / "pairs.csv", index=False)
    write_rdms(folder / "extra.npz", NAMES, {"x": DISTANCES["fc6"] ** 2})
    np.savez(folder / "net.npz", images=np.array(NAMES), fc6=VECTORS["fc6"], fc7=VECTORS["fc7"])
    np.savez(folder / "text.npz", images=np.array(NAMES), text=VECTORS["text"])
    models = [EmbeddingsModel(name, folder / f"{name}.npz") for name in ("net", "text")]
    options = {"n_permutations": 0, "n_resamples": 0}
    tasks = [
        PredictorsTask("people", folder / "pairs.csv", folder, {"extra": folder / "extra.npz"},
                       n_resamples=0),
        SimilarityTask("pairs", folder / "pairs.csv", folder, **options),
        RsaTask("rsa", folder, reference=folder / "pairs.csv", distance="cosine",
                nuisance=folder / "extra.npz", **options),
    ]  # fmt: skip
    manager = MultiModelTaskManager(models, tasks)
    manager.run_all_tasks_all_models(folder / "out", plots=False)
    return FakeRun(manager)


def plain_r2(*x: np.ndarray) -> float:
    y = RATINGS.mean(axis=1)
    design = np.column_stack((np.ones(y.size), *x))
    left = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return float(1 - (left**2).sum() / ((y - y.mean()) ** 2).sum())


def value(table: pd.DataFrame, what: str, of: str, judged_on: str = "") -> float:
    rows = table[(table["what"] == what) & (table["predictors"] == of)]
    rows = rows[rows["judged_on"].str.contains(judged_on, regex=False)]
    assert len(rows) == 1
    return float(rows["value"].iloc[0])


@pytest.mark.parametrize("task", ["people", "pairs", "rsa"])
def test_numbers_are_those_of_least_squares(run: FakeRun, task: str) -> None:
    found = predictors_of_run(run, task, "vgg=net:fc7, text", nonnegative=True)
    assert value(found, "R2", "vgg + text", "in sample") == pytest.approx(
        plain_r2(DISTANCES["fc7"], DISTANCES["text"]), abs=1e-4
    )
    assert value(found, "unique R2", "text", "in sample") == pytest.approx(
        plain_r2(DISTANCES["fc7"], DISTANCES["text"]) - plain_r2(DISTANCES["fc7"]), abs=1e-4
    )
    assert value(found, "R2", "vgg + text", "other") < value(found, "R2", "vgg + text", "in sample")
    assert value(found, "re-weighted R2", "vgg + text") > 0.3
    # RsaTask keeps the mean rating only.
    assert ("noise ceiling R2" in set(found["what"])) == (task != "rsa")
    assert found.attrs["raters"] == (1 if task == "rsa" else 4)


def test_columns_of_the_task_are_predictors(run: FakeRun) -> None:
    found = predictors_of_run(run, "people", ["net:fc7", "extra"])
    assert value(found, "R2 alone", "extra", "in sample") == pytest.approx(
        plain_r2(DISTANCES["fc6"] ** 2), abs=1e-4
    )


@pytest.mark.parametrize(
    ("predictors", "told"),
    [
        ("net", "several layers: fc6, fc7. Say net:LAYER"),
        ("net:fc8", "no layer 'fc8' in the run.*Did you mean"),
        ("txt", "neither a model of the run .net, text. nor a column.*Did you mean 'text'"),
        ("text,text", "Got 'text' twice"),
        ("", "Got none"),
    ],
)
def test_refused(run: FakeRun, predictors: str, told: str) -> None:
    with pytest.raises((InputError, UnknownNameError), match=told):
        predictors_of_run(run, "people", predictors)


def test_names() -> None:
    assert named_predictors({"a": "net:fc7"}) == {"a": "net:fc7"}
    assert named_predictors(["b=text", "net:a=b"]) == {"b": "text", "net:a": "b"}


def test_an_rdm_is_partialled_out(run: FakeRun, tmp_path: Path) -> None:
    from facebench.metrics.correlation import partial_correlation

    frame = run.task_distances("net", "rsa")
    own = frame[frame["layer_name"] == "fc7"]["model_computed_distance"]
    table = run.task_distances("net", "people").iloc[: len(own)][["img1", "img2"]]
    table["distance"] = RATINGS.mean(axis=1)
    table.to_csv(tmp_path / "pairs.csv", index=False)
    write_rdms(tmp_path / "extra.npz", NAMES, {"x": DISTANCES["fc6"]})
    expected = partial_correlation(own, table["distance"], [DISTANCES["fc6"]], "spearman")
    task = SimilarityTask(
        "x", tmp_path / "pairs.csv", tmp_path, nuisance=str(tmp_path / "extra.npz"),
        n_permutations=0, n_resamples=0,
    )  # fmt: skip
    rows = task.pairs_df.assign(model_computed_distance=own.to_numpy())
    assert task.compute_task_performance(rows)["Partial Correlation"][0] == pytest.approx(
        expected, abs=1e-4
    )
    write_rdms(tmp_path / "mean.npz", NAMES, {"x": RATINGS.mean(axis=1)})
    rsa = RsaTask(
        "x", tmp_path, NAMES[::-1], reference=tmp_path / "mean.npz", distance="cosine",
        nuisance=tmp_path / "extra.npz", n_permutations=0, n_resamples=0,
    )  # fmt: skip
    items = rsa.compute_items(VECTORS["fc7"][::-1])
    assert rsa.compute_task_performance(items)["Partial Correlation"][0] == pytest.approx(
        expected, abs=1e-4
    )
