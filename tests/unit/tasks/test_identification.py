"""IdentificationTask: by hand, against all comparisons, and through a whole run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import euclidean_distances, manhattan_distances

from facebench import IdentificationTask, MultiModelTaskManager
from facebench.errors import InputError, MetricError, PairsError
from facebench.metrics.identification import rank_k, tpir_at_fpir
from support.small_net import SmallNet, small_transform


def table(rows: list[tuple[str, ...]], *columns: str) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["image", "identity", *columns])


GALLERY = table([("a1", "ann"), ("a2", "ann"), ("b1", "bea"), ("c1", "cyd")])
PROBES = table([("a3", "ann"), ("b2", "bea"), ("b3", "bea"), ("x1", "xue")])


def make(gallery: Any = GALLERY, probes: Any = PROBES, **options: Any) -> IdentificationTask:
    given = {"distance_metric": "euclidean", "n_resamples": 50, **options}
    return IdentificationTask("find", gallery, probes, "images", **given)


def measured(task: IdentificationTask, embeddings: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    items = task.compute_items(np.asarray(embeddings, dtype=np.float32)).assign(layer_name="l")
    return items, task.compute_task_performance(items)


def test_a_small_gallery_by_hand() -> None:
    # ann's template is at 1, bea's at 4, cyd's at 6.
    task = make(fpir=[0.5, 1.0], ranks=[1, 2])
    items, performance = measured(task, [[0], [2], [4], [6], [1.5], [5], [2], [9]])
    assert items["in_gallery"].tolist() == [True, True, True, False]
    # bea's second probe is as near to cyd as to bea, her third is nearer to ann.
    assert items["rank"].fillna(0).tolist() == [1, 2, 2, 0]
    assert items["mate_distance"].tolist()[:3] == [0.5, 1.0, 2.0]
    assert items[["identity_1", "distance_1"]].to_numpy().tolist()[1:] == [
        ["bea", 1.0],
        ["ann", 1.0],
        ["cyd", 3.0],
    ]
    row = performance.iloc[0]
    assert row["Rank-1"] == 0.33333
    assert row["Rank-2"] == 1
    assert row["TPIR@FPIR=0.5"] == row["TPIR@FPIR=1"] == 0.33333
    assert 0.5 < row["TPIR@FPIR=0.5 Threshold"] < 3
    counts = ["Probes", "Probes in Gallery", "Probes outside Gallery", "Gallery Templates"]
    assert row[counts].tolist() == [4, 3, 1, 3]
    assert row[["Images", "Identities", "Failed"]].tolist() == [8, 3, 0]
    assert row["Distance Metric"] == "euclidean"
    assert "jackknife of people" in row["CI Method"]


@pytest.mark.parametrize("measure", ["cosine", "euclidean"])
def test_against_all_comparisons(measure: str) -> None:
    generator = np.random.default_rng(0)
    people = [f"p{number}" for number in range(30)]
    gallery = table([(f"g{person}", person) for person in people[:20]])
    probes = table([(f"{person}/{number}", person) for person in people for number in range(3)])
    centres = generator.normal(size=(30, 6))
    images = centres[:20] + generator.normal(size=(20, 6))
    seen = np.repeat(centres, 3, axis=0) + generator.normal(size=(90, 6))
    embeddings = np.concatenate((images, seen)).astype(np.float32)
    _, performance = measured(make(gallery, probes, distance_metric=measure), embeddings)
    wide = embeddings.astype(float)
    given = (cdist(wide[20:], wide[:20], measure), probes["identity"], gallery["identity"])
    row = performance.iloc[0]
    assert 0 < row["Rank-1 CI Low"] < row["Rank-1"] < row["Rank-1 CI High"] < 1
    for k in (1, 5, 20):
        expected = rank_k(*given, k=k, higher_is_better=False)
        assert performance[f"Rank-{k}"].iloc[0] == pytest.approx(expected, abs=1e-5)
    for found in tpir_at_fpir(*given, fpir=[0.1, 0.01], higher_is_better=False):
        name = f"TPIR@FPIR={found.target:g}"
        assert performance[name].iloc[0] == pytest.approx(found.tpir, abs=1e-5, nan_ok=True)
        assert performance[f"{name} Threshold"].iloc[0] == pytest.approx(
            found.threshold, abs=1e-5, nan_ok=True
        )


def test_what_cannot_be_read_fails_and_is_counted() -> None:
    nan = np.nan
    # One of ann's two gallery images, bea's only one, and the stranger's probe.
    items, performance = measured(make(), [[nan], [1], [nan], [6], [1], [5], [5], [nan]])
    assert items["rank"].fillna(0).tolist() == [1, 0, 0, 0]
    assert items["in_gallery"].tolist() == [True, True, True, False]
    assert performance["Rank-20"].iloc[0] == 0.33333
    assert performance["Failed"].iloc[0] == 3
    assert performance["Gallery Templates"].iloc[0] == 2
    with pytest.raises(InputError, match="No image of gallery"):
        make().compute_items(np.full((8, 1), nan))


def test_galleries_are_searched_apart_and_averaged() -> None:
    gallery = table([("a1", "ann", "one"), ("b1", "bea", "one"), ("c1", "cyd", "two")], "gallery")
    embeddings = [[0], [4], [6], [1], [5], [4], [6]]
    task = make(gallery, table([("a2", "ann"), ("b2", "bea"), ("b3", "bea"), ("c2", "cyd")]))
    items, performance = measured(task, embeddings)
    assert items.groupby("gallery")["image"].count().tolist() == [4, 4]
    assert performance["Condition"].tolist() == ["one", "two", "average of galleries"]
    assert performance["Rank-1"].tolist() == [1, 1, 1]
    assert performance["Probes outside Gallery"].tolist() == [1, 3, 4]
    # A probe table that names galleries too: each probe in its own.
    probes = table([("a2", "ann", "one"), ("c2", "cyd", "two")], "gallery")
    items, performance = measured(make(gallery, probes), [*embeddings[:3], [1], [6]])
    assert items[["image", "gallery"]].to_numpy().tolist() == [["a2", "one"], ["c2", "two"]]
    assert "TPIR@FPIR=0.1" not in performance


def test_lengths_matter_only_where_they_are_kept() -> None:
    gallery = table([("a1", "ann"), ("b1", "bea")])
    probes = table([("a2", "ann")])
    # Ann's probe points her way, but its end is nearer to bea's.
    embeddings = [[10, 0], [1, 1], [1, 0]]
    ranks = {
        normalise: measured(make(gallery, probes, normalise=normalise), embeddings)[0]["rank"][0]
        for normalise in ("none", "before", "after", "both")
    }
    assert ranks == {"none": 2, "before": 1, "after": 1, "both": 1}


@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_tables_are_files_too_and_names_stay_text(tmp_path: Path, separator: str) -> None:
    for name in ("gallery", "probes"):
        lines = ["photo;who", f"{name}.png;007"]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines).replace(";", separator))
    task = make(
        tmp_path / "gallery.csv",
        tmp_path / "probes.csv",
        image_column="photo",
        identity_column="who",
    )
    assert task.images == ["gallery.png", "probes.png"]
    assert measured(task, [[0], [1]])[0]["identity_1"].tolist() == ["007"]


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"gallery": "gone.csv"}, PairsError, "'gallery' table gone.csv .* does not exist"),
        ({"gallery": GALLERY.drop(columns="image")}, PairsError, "'image_column'.*'image'"),
        ({"probes": PROBES.assign(identity="")}, PairsError, "'identity'.*4 are empty"),
        ({"probes": PROBES.iloc[:0]}, PairsError, "Got none"),
        ({"probes": PROBES.iloc[3:]}, PairsError, "none match"),
        (
            {"gallery": GALLERY.assign(gallery="one"), "probes": PROBES.assign(gallery="two")},
            PairsError,
            r"\(one\)\. Got 'two'",
        ),
        ({"ranks": [0]}, InputError, "'ranks'.*positive whole"),
        ({"fpir": [0]}, InputError, "'fpir'"),
        ({"normalise": "yes"}, InputError, "'normalise'.*'yes'"),
        ({"distance_metric": manhattan_distances}, MetricError, "'manhattan_distances'"),
        ({"distance_metric": "cosinus"}, MetricError, "'cosinus'"),
    ],
)
def test_bad_input_gets_one_clear_error(options: Any, error: type, match: str) -> None:
    with pytest.raises(error, match=match):
        make(**options)


def test_a_whole_run(image_folder: Any, tmp_path: Path) -> None:
    names = [path.name for path in image_folder(9, 32)]
    folder = image_folder(1, 32, seed=1)[0].parent.parent / "images-0-32"
    gallery = table([(name, f"p{index % 3}") for index, name in enumerate(names[:4])])
    probes = table([(name, f"p{index % 4}") for index, name in enumerate(names[4:])])
    model = SmallNet("small", extract_layers=["0", "4"], preprocess_function=small_transform)
    task = IdentificationTask("who", gallery, probes, folder, euclidean_distances)
    manager = MultiModelTaskManager(model, task)
    manager.run_all_tasks_all_models(tmp_path / "out")
    results = manager.tasks_performance_dfs["who"]
    assert results["Layer Name"].tolist() == ["0", "4"]
    assert results["Distance Metric"].tolist() == ["euclidean_distances"] * 2
    items = manager.model_task_distances_dfs["small"]["who"]
    assert items.groupby("layer_name")["image"].apply(list).tolist() == [names[4:]] * 2
    assert (tmp_path / "out" / "IdentificationTask Plots" / "who_cmc.png").is_file()
    assert "who: Rank-1" in manager.unified_summary()
