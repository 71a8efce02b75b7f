"""Ratings, RSA and odd-one-out choices in whole runs, with generated and with real images."""

from __future__ import annotations

import dlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.stats import spearmanr
from sklearn.metrics.pairwise import euclidean_distances

from facebench import (
    DlibResNetModel,
    MultiModelTaskManager,
    OddOneOutTask,
    RsaTask,
    SimilarityTask,
    rdm_similarity,
)
from facebench.faces.dlib_data import dlib_data_file
from support.data import data_folder
from support.small_net import SmallNet, small_transform

FACES = data_folder() / "human_similarity_24_faces"


@pytest.fixture
def tables(image_folder, tmp_path):
    """Ratings in long form and odd-one-out choices of seven images, the first of them broken."""
    paths = image_folder(7)
    generator = np.random.default_rng(0)
    names = np.array([path.name for path in paths])
    first, second = np.triu_indices(7, 1)
    wide = pd.DataFrame({"img1": names[first], "img2": names[second]}).assign(
        **{name: generator.normal(size=21).round(1) for name in ("ann", "bob", "cyd")}
    )
    wide.melt(["img1", "img2"], var_name="rater", value_name="rating").to_csv(
        tmp_path / "ratings.csv", index=False
    )
    rows = [generator.choice(names, 3, replace=False) for _ in range(12)] * 2
    triplets = pd.DataFrame(rows, columns=["img1", "img2", "img3"])
    triplets.assign(odd=generator.integers(1, 4, 24)).to_csv(tmp_path / "odd.csv", index=False)
    return tmp_path, paths


def test_all_three_tasks_run_draw_and_export(tables) -> None:
    folder, paths = tables
    images = paths[0].parent
    paths[0].write_bytes(b"no image")
    some = {"n_resamples": 40, "n_permutations": 39}
    tasks = [
        SimilarityTask("ratings", folder / "ratings.csv", images, euclidean_distances, **some),
        RsaTask("rsa", images, reference=folder / "ratings.csv", **some),
        RsaTask("layers", images, [path.name for path in paths[1:]]),
        OddOneOutTask("odd", folder / "odd.csv", images),
    ]
    models = [
        SmallNet(name, extract_layers=["0", "2", "4"], preprocess_function=small_transform)
        for name in ("one", "two")
    ]
    manager = MultiModelTaskManager(models, tasks, on_bad_image="skip")
    manager.run_all_tasks_all_models(folder / "out")

    results = manager.tasks_performance_dfs
    assert results["ratings"]["Pairs"].tolist() == [15] * 6
    assert results["rsa"]["Failed"].tolist() == [1] * 6
    np.testing.assert_allclose(
        results["rsa"]["Spearman"], results["ratings"]["Spearman"], atol=1e-5
    )
    np.testing.assert_allclose(
        results["rsa"]["Share of Ceiling"], results["ratings"]["Share of Ceiling"], atol=1e-5
    )
    assert (results["odd"]["Choices"] + results["odd"]["Failed"] == 24).all()
    table = manager.model_task_distances_dfs["one"]["ratings"]
    rows = table[(table["layer_name"] == "4") & table["model_computed_distance"].notna()]
    means = rows.groupby(["img1", "img2"], sort=False).mean(numeric_only=True)
    expected = spearmanr(means["rating"].round(9), means["model_computed_distance"]).statistic
    assert results["ratings"]["Spearman"].iloc[2] == pytest.approx(expected, abs=1e-5)

    likeness = rdm_similarity(manager.model_task_distances_dfs, "layers")
    assert likeness.shape == (6, 6)
    np.testing.assert_allclose(np.diag(likeness.iloc[3:, :3]), 1, atol=1e-9)

    drawn = {
        path.relative_to(folder / "out").as_posix() for path in (folder / "out").rglob("*.png")
    }
    assert drawn >= {
        "SimilarityTask Plots/ratings_correlation.png",
        "SimilarityTask Plots/ratings_share_of_ceiling.png",
        "SimilarityTask Plots/ratings_scatters.png",
        "RsaTask Plots/rsa_rdms.png",
        "RsaTask Plots/layers_maps.png",
        "RsaTask Plots/layers_likeness.png",
        "OddOneOutTask Plots/odd_agreement.png",
    }
    for path in drawn:
        with Image.open(folder / "out" / path) as picture:
            assert min(picture.size) > 100
    summary = manager.unified_summary()
    assert "ratings: Share of Ceiling" in summary.columns


@pytest.mark.data
@pytest.mark.skipif(not FACES.is_dir(), reason=f"no faces at {FACES} (set FACEBENCH_DATA)")
def test_references_of_24_faces(tmp_path) -> None:
    pairs = pd.read_csv(FACES / "pairs.csv")
    humans = pairs[pairs["kind"] == "human-human"]
    humans.to_csv(tmp_path / "humans.csv", index=False)
    tasks = [
        SimilarityTask("all", FACES / "pairs.csv", FACES / "images", euclidean_distances),
        SimilarityTask("humans", tmp_path / "humans.csv", FACES / "images", euclidean_distances),
    ]
    manager = MultiModelTaskManager(DlibResNetModel(), tasks)
    manager.run_all_tasks_all_models(tmp_path / "out", plots=False)
    everything, among_humans = (
        manager.tasks_performance_dfs[name].iloc[0] for name in ("all", "humans")
    )
    assert (everything["Pairs"], among_humans["Pairs"]) == (276, 66)
    assert (everything["Raters"], everything["Images"]) == (16, 24)
    assert everything["Noise Ceiling Lower"] == pytest.approx(0.795, abs=0.0005)
    # Ratings are ranked within raters, as suits Spearman's correlation; of raw ratings it is .63.
    assert among_humans["Noise Ceiling Lower"] == pytest.approx(0.637, abs=0.0005)
    # With single people, as the ceilings are; with their mean rating, freer of noise, it is 0.51.
    # One of the human faces is not found (but one animal's is), and taken around its centre.
    assert among_humans["Single Rater Correlation"] == pytest.approx(0.354, abs=0.005)
    assert among_humans["Spearman"] == pytest.approx(0.513, abs=0.005)
    assert among_humans["P Value"] < 0.01
    assert manager.remarks["dlib-resnet"] == {
        "Images: no face found": 12,
        "all: Pairs Without Face": 210,
        "humans: Pairs Without Face": 11,
    }
    for name in ("Spearman", "Single Rater Correlation", "Noise Ceiling Lower", "Share of Ceiling"):
        low, high = (among_humans[f"{name} CI {side}"] for side in ("Low", "High"))
        assert low < among_humans[name] < high


@pytest.mark.data
@pytest.mark.skipif(not FACES.is_dir(), reason=f"no faces at {FACES} (set FACEBENCH_DATA)")
def test_reference_of_chips_whose_faces_are_looked_for_at_four_times_the_size(tmp_path) -> None:
    detector = dlib.get_frontal_face_detector()
    predictor = dlib.shape_predictor(str(dlib_data_file("shape_predictor_5_face_landmarks.dat")))
    without = []
    for path in sorted((FACES / "images").iterdir()):
        pixels = np.asarray(Image.open(path).convert("RGB"))
        found = detector(pixels, 2)
        if not found:
            without.append(path.stem)
            continue
        chip = dlib.get_face_chip(pixels, predictor(pixels, found[0]), size=150, padding=0.25)
        Image.fromarray(chip).save(tmp_path / path.name)
    # Upsampled twice, the detector finds every person and no animal.
    assert without == [f"animal_{number:02d}" for number in range(1, 13)]
    pairs = pd.read_csv(FACES / "pairs.csv")
    pairs[pairs["kind"] == "human-human"].to_csv(tmp_path / "humans.csv", index=False)
    task = SimilarityTask("humans", tmp_path / "humans.csv", tmp_path, euclidean_distances)
    manager = MultiModelTaskManager(DlibResNetModel(align=False), task)
    manager.run_all_tasks_all_models(tmp_path / "out")
    found = manager.tasks_performance_dfs["humans"].iloc[0]
    assert found["Pairs"] == 66
    assert found["Single Rater Correlation"] == pytest.approx(0.33, abs=0.005)
    assert found["Noise Ceiling Lower"] == pytest.approx(0.637, abs=0.0005)
