"""RSA of layers: RDMs, their likeness, and people's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import pdist

from facebench import RsaTask, rdm_similarity
from facebench.errors import InputError
from facebench.metrics.cka import linear_cka
from facebench.metrics.rsa import compare

NAMES = [f"{letter}.png" for letter in "abcdef"]
FIRST, SECOND = np.triu_indices(6, 1)
GENERATOR = np.random.default_rng(5)
LAYERS = {"conv": GENERATOR.normal(size=(6, 9)), "fc": GENERATOR.normal(size=(6, 4))}
RATINGS = GENERATOR.normal(size=(15, 3)).round(2) + pdist(LAYERS["fc"])[:, None]


@pytest.fixture
def reference(tmp_path):
    # Pairs in an order of their own, images turned round: the task puts them right.
    order = GENERATOR.permutation(15)
    table = pd.DataFrame(
        {"img1": np.array(NAMES)[SECOND], "img2": np.array(NAMES)[FIRST]}
        | {f"rater_{i}": RATINGS[:, i] for i in range(3)}
    ).iloc[order]
    table.to_csv(tmp_path / "ratings.csv", index=False)
    return tmp_path / "ratings.csv"


def items_of(task: RsaTask, layer: str = "fc", lost: int | None = None) -> pd.DataFrame:
    rows = LAYERS[layer].copy()
    if lost is not None:
        rows[lost] = np.nan
    order = [NAMES.index(image) for image in task.images]
    return task.compute_items(rows[order]).assign(layer_name=layer)


def test_every_measure_is_that_of_the_rdms(reference, tmp_path) -> None:
    task = RsaTask("rsa", tmp_path, NAMES, reference=reference, n_resamples=30, distance="cosine")
    items = items_of(task)
    assert_allclose(items["model_computed_distance"], pdist(LAYERS["fc"], "cosine"), atol=1e-9)
    mean = RATINGS.mean(axis=1)
    assert_allclose(items["distance"], mean)
    found = task.compute_task_performance(items).iloc[0]
    for column, measure in {
        "Pearson": "pearson", "Spearman": "spearman", "Kendall Tau-a": "tau-a", "Rho-a": "rho-a",
        "Cosine": "cosine", "Whitened Cosine": "cosine-whitened",
        "Whitened Pearson": "pearson-whitened",
    }.items():  # fmt: skip
        expected = compare(pdist(LAYERS["fc"], "cosine"), mean, measure)
        assert found[column] == pytest.approx(expected)
    assert found["Raters"] == 3
    assert found["Failed"] == 0


def test_images_come_from_the_reference(reference, tmp_path) -> None:
    task = RsaTask("rsa", tmp_path, reference=reference, n_resamples=0)
    assert sorted(task.images) == NAMES
    found = task.compute_task_performance(items_of(task)).iloc[0]
    assert found["Spearman"] == pytest.approx(
        compare(pdist(LAYERS["fc"]), RATINGS.mean(axis=1), "spearman")
    )


def test_a_lost_image_and_pairs_nobody_rated(reference, tmp_path, caplog) -> None:
    task = RsaTask("rsa", tmp_path, NAMES, reference=reference, n_resamples=0)
    found = task.compute_task_performance(items_of(task, lost=2)).iloc[0]
    assert (found["Failed"], found["Pairs"], found["Images"]) == (1, 10, 5)
    left = ~((FIRST == 2) | (SECOND == 2))
    expected = compare(
        pdist(np.delete(LAYERS["fc"], 2, axis=0)), RATINGS.mean(axis=1)[left], "cosine-whitened"
    )
    assert found["Whitened Cosine"] == pytest.approx(expected)
    fewer = RsaTask("rsa", tmp_path, [*NAMES[:4], "new.png"], reference=reference, n_resamples=0)
    assert "9 of 15 pairs" in caplog.text
    rows = fewer.compute_items(GENERATOR.normal(size=(5, 3))).assign(layer_name="fc")
    assert fewer.compute_task_performance(rows).iloc[0]["Pairs"] == 6


def test_without_people(tmp_path) -> None:
    task = RsaTask("rsa", tmp_path, NAMES)
    found = task.compute_task_performance(items_of(task, lost=0)).iloc[0]
    assert found["Mean Distance"] == pytest.approx(pdist(LAYERS["fc"][1:]).mean())
    assert (found["Pairs"], found["Images"], found["Failed"]) == (10, 5, 1)


def test_layers_are_compared_on_what_a_run_keeps(tmp_path) -> None:
    task = RsaTask("rsa", tmp_path, NAMES)
    kept = {
        "a": {"rsa": pd.concat([items_of(task, layer) for layer in LAYERS], ignore_index=True)},
        "b": {"rsa": items_of(task, "conv").sample(frac=1, random_state=0)},
        "c": {},
    }
    found = rdm_similarity(kept, "rsa")
    assert list(found.index) == [("a", "conv"), ("a", "fc"), ("b", "conv")]
    expected = compare(pdist(LAYERS["conv"]), pdist(LAYERS["fc"]), "spearman")
    assert found.loc[("a", "conv"), ("a", "fc")] == pytest.approx(expected)
    assert found.loc[("a", "conv"), ("b", "conv")] == pytest.approx(1)
    cka = rdm_similarity(kept, "rsa", "cka", distance="euclidean")
    assert cka.loc[("a", "conv"), ("a", "fc")] == pytest.approx(linear_cka(*LAYERS.values()))


def test_what_cannot_be_used_is_told(reference, tmp_path) -> None:
    with pytest.raises(InputError, match="images, a reference, or both"):
        RsaTask("rsa", tmp_path)
    with pytest.raises(InputError, match="two different images"):
        RsaTask("rsa", tmp_path, ["a.png", "a.png"])
    with pytest.raises(InputError, match=r"'distance'.*'chord'"):
        RsaTask("rsa", tmp_path, NAMES, distance="chord")
    with pytest.raises(InputError, match=r"'measure'.*'rho'"):
        RsaTask("rsa", tmp_path, NAMES, measure="rho")
    with pytest.raises(InputError, match="no pair of its images"):
        RsaTask("rsa", tmp_path, ["x.png", "y.png"], reference=reference)
    table = pd.DataFrame({"layer_name": ["fc"], "norm": [1.0]})
    with pytest.raises(InputError, match="no distances of pairs"):
        rdm_similarity({"a": {"norms": table}}, "norms")
    with pytest.raises(InputError, match="No model has distances of task 'rsa'"):
        rdm_similarity({"a": {}}, "rsa")
    with pytest.raises(InputError, match="'measure'"):
        rdm_similarity({"a": {"rsa": table}}, "rsa", "cca")
    with pytest.raises(InputError, match="'distance'"):
        rdm_similarity({"a": {"rsa": table}}, "rsa", "cka")
