"""Centring, whitening, score normalisation and averaged scores in whole runs, against NumPy."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from sklearn.covariance import LedoitWolf
from sklearn.metrics.pairwise import cosine_distances, euclidean_distances

from facebench import EmbeddingsModel, EnsembleModel, MultiModelTaskManager, VerificationTask
from facebench.engine import embed
from facebench.errors import InputError, ModelError
from facebench.models.base import BaseModel
from facebench.run.embeddings_file import embed_folder
from facebench.tasks.identification import IdentificationTask
from facebench.testing.world import generated_image
from support.small_net import SmallNet, small_transform

LAYERS = ["3", "4"]
METRICS = {"cosine": cosine_distances, "euclidean": euclidean_distances}


def write_people(folder: Path, names: str, start: int, count: int = 3) -> list[Path]:
    paths = []
    for place, name in enumerate(names):
        for number in range(count):
            path = folder / f"person {name}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            generated_image(start + 10 * place + number, (32, 32)).save(path)
            paths.append(path)
    return paths


@pytest.fixture
def world(tmp_path: Path) -> Path:
    write_people(tmp_path / "images", "abcdef", 0)
    write_people(tmp_path / "others", "uvwxyz", 500)
    names = [f"person {p}/{n}.png" for p in "abcdef" for n in range(3)]
    rows = [
        (one, other, int(one[:8] == other[:8]))
        for i, one in enumerate(names)
        for other in names[:i]
    ]
    pd.DataFrame(rows, columns=["img1", "img2", "same"]).to_csv(tmp_path / "pairs.csv", index=False)
    return tmp_path


def net(layers: Any = LAYERS) -> BaseModel:
    return SmallNet("net", None, layers, small_transform, device="cpu")


def task(world: Path, metric: str = "euclidean", name: str = "task") -> VerificationTask:
    return VerificationTask(name, world / "pairs.csv", world / "images", METRICS[metric])


def run(model: BaseModel, world: Path, *tasks: Any, **options: Any) -> MultiModelTaskManager:
    manager = MultiModelTaskManager(model, list(tasks), num_workers=0, cache_dir=None, **options)
    manager.run_all_tasks_all_models(export_path=world / "out", print_log=False, plots=False)
    return manager


def distances(manager: MultiModelTaskManager, layer: str, name: str = "task") -> np.ndarray:
    frame = manager.model_task_distances_dfs[next(iter(manager.models))][name]
    return frame[frame["layer_name"] == layer]["model_computed_distance"].to_numpy()


def rows_of(world: Path, folder: str, layer: str, model: BaseModel | None = None) -> dict[str, Any]:
    paths = sorted((world / folder).rglob("*.png"))
    found = embed(model or net(), paths, num_workers=0).layers[layer].astype(np.float64)
    return dict(zip([p.relative_to(world / folder).as_posix() for p in paths], found, strict=True))


def pairs_of(world: Path, rows: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    pairs = pd.read_csv(world / "pairs.csv")
    return tuple(np.stack([rows[name] for name in pairs[side]]) for side in ("img1", "img2"))  # type: ignore[return-value]


def between(left: np.ndarray, right: np.ndarray, metric: str) -> np.ndarray:
    return np.array([cdist([a], [b], metric)[0, 0] for a, b in zip(left, right, strict=True)])


class TestFitting:
    @pytest.mark.slow
    @pytest.mark.parametrize("metric", METRICS)
    @pytest.mark.parametrize("kind", ["centre", "whiten"])
    @pytest.mark.parametrize("layer", LAYERS)
    def test_every_layer_against_numpy(
        self, layer: str, kind: str, metric: str, world: Path
    ) -> None:
        model = net().set_fitting(**{kind: world / "others"})
        manager = run(model, world, task(world, metric))
        others = np.stack(list(rows_of(world, "others", layer).values()))
        left, right = (
            side - others.mean(axis=0) for side in pairs_of(world, rows_of(world, "images", layer))
        )
        if kind == "whiten":
            values, vectors = np.linalg.eigh(LedoitWolf().fit(others).covariance_)
            root = vectors @ np.diag(values**-0.5) @ vectors.T
            left, right = left @ root, right @ root
        np.testing.assert_allclose(
            distances(manager, layer), between(left, right, metric), rtol=1e-4, atol=1e-5
        )
        record = manager.records["net"].wrappers[kind]
        assert record["n_images"] == 18
        assert len(record["images_digest"]) == 64
        assert set(record["layers"]) == set(LAYERS)
        assert (record["layers"][layer]["shrinkage"] is None) == (kind == "centre")

    @pytest.mark.slow
    def test_stored_rows_are_those_of_the_network(self, world: Path) -> None:
        plain = MultiModelTaskManager(net(), task(world), num_workers=0, cache_dir=world / "store")
        plain.run_all_tasks_all_models(world / "a", print_log=False, plots=False)
        model = net().set_fitting(whiten=world / "others")
        fitted = MultiModelTaskManager(model, task(world), num_workers=0, cache_dir=world / "store")
        fitted.run_all_tasks_all_models(world / "b", print_log=False, plots=False)
        again = run(net().set_fitting(whiten=world / "others"), world, task(world))
        for layer in LAYERS:
            np.testing.assert_allclose(distances(fitted, layer), distances(again, layer), rtol=1e-5)
            assert not np.allclose(distances(fitted, layer), distances(plain, layer))

    def test_wide_layers_are_kept_or_refused(self, world: Path) -> None:
        manager = run(net(["0", "4"]).set_fitting(centre=world / "others"), world, task(world))
        assert np.isfinite(distances(manager, "0")).all()
        with pytest.raises(ModelError, match="must be kept in memory"):
            run(
                net(["0"]).set_fitting(centre=world / "others"), world, task(world), max_memory=9000
            )

    def test_tasks_on_embeddings_get_them_too(self, world: Path) -> None:
        names = [f"person {p}/{n}.png" for p in "abcdef" for n in range(3)]
        table = pd.DataFrame({"image": names, "identity": [name[:8] for name in names]})
        table[::3].to_csv(world / "gallery.csv", index=False)
        table[1::3].to_csv(world / "probes.csv", index=False)
        question = IdentificationTask(
            "who", world / "gallery.csv", world / "probes.csv", world / "images",
            distance_metric=euclidean_distances,
        )  # fmt: skip
        plain = run(net(["4"]), world, question)
        moved = run(net(["4"]).set_fitting(whiten=world / "others"), world, question)
        assert not plain.model_task_distances_dfs["net"]["who"].equals(
            moved.model_task_distances_dfs["net"]["who"]
        )

    def test_a_file_of_embeddings_would_not_hold_it(self, world: Path) -> None:
        model = net().set_fitting(centre=world / "others")
        with pytest.raises(InputError, match="centred or whitened"):
            embed_folder(model, world, [], world / "x.npz")

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"centre": "x", "whiten": "y"}, "not both"),
            ({"centre": "x", "shrinkage": 0.5}, "together with 'whiten'"),
            ({"whiten": "x", "shrinkage": 2}, "from 0 to 1"),
            ({"whiten": 3}, "whiten"),
        ],
    )
    def test_other_values(self, options: dict[str, Any], said: str) -> None:
        with pytest.raises(InputError, match=said):
            net().set_fitting(**options)


class TestScoreNorm:
    @pytest.mark.slow
    @pytest.mark.parametrize("metric", METRICS)
    @pytest.mark.parametrize(("kind", "top"), [("z", None), ("t", None), ("s", None), ("as", 5)])
    def test_against_numpy(self, kind: str, top: int | None, metric: str, world: Path) -> None:
        question = task(world, metric).set_score_norm(f"{kind}-norm", world / "others", top)
        manager = run(net(), world, question)
        for layer in LAYERS:
            cohort = np.stack(list(rows_of(world, "others", layer).values()))
            left, right = pairs_of(world, rows_of(world, "images", layer))
            raw = between(left, right, metric)
            to_cohort = [
                np.sort(cdist(side, cohort, metric), axis=1)[:, :top] for side in (left, right)
            ]
            z, t = ((raw - c.mean(axis=1)) / c.std(axis=1) for c in to_cohort)
            expected = {"z": z, "t": t, "s": (z + t) / 2, "as": (z + t) / 2}[kind]
            np.testing.assert_allclose(distances(manager, layer), expected, rtol=1e-4, atol=1e-4)
        record = manager.records["net"].wrappers["score_norm"]["task"]
        assert (record["kind"], record["top"], record["n_images"]) == (kind, top, 18)
        performance = manager.tasks_performance_dfs["task"]
        assert manager.tasks["task"].distance_metric_name.endswith(f", {kind}-norm")
        assert performance["AUC"].between(0, 1).all()

    @pytest.mark.slow
    def test_other_tasks_of_the_run_are_as_they_were(self, world: Path) -> None:
        normed = task(world, name="normed").set_score_norm("s", world / "others")
        manager = run(net(), world, task(world), normed)
        alone = run(net(), world, task(world))
        for layer in LAYERS:
            np.testing.assert_allclose(
                distances(manager, layer), distances(alone, layer), rtol=1e-6
            )
            assert not np.allclose(distances(manager, layer, "normed"), distances(alone, layer))

    def test_on_whitened_embeddings(self, world: Path) -> None:
        write_people(world / "more", "mnop", 900)
        question = task(world).set_score_norm("z", world / "more")
        manager = run(net(["4"]).set_fitting(centre=world / "others"), world, question)
        others = np.stack(list(rows_of(world, "others", "4").values()))
        mean = others.mean(axis=0)
        cohort = np.stack(list(rows_of(world, "more", "4").values())) - mean
        left, right = (side - mean for side in pairs_of(world, rows_of(world, "images", "4")))
        c = cdist(left, cohort)
        expected = (between(left, right, "euclidean") - c.mean(axis=1)) / c.std(axis=1)
        np.testing.assert_allclose(distances(manager, "4"), expected, rtol=1e-4, atol=1e-4)

    def test_can_be_taken_back(self, world: Path) -> None:
        question = task(world).set_score_norm("s", world / "others").set_score_norm(None)
        assert question.distance_metric_name == "euclidean_distances"
        manager = run(net(["4"]), world, question)
        assert (distances(manager, "4") >= 0).all()

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"kind": "zt", "cohort": "x"}, "'z', 't', 's', 'as'"),
            ({"kind": "s"}, "needs a 'cohort'"),
            ({"kind": "s", "cohort": "x", "top": 5}, "together with kind 'as'"),
            ({"kind": "as", "cohort": "x", "top": 1}, "of at least 2"),
        ],
    )
    def test_other_values(self, options: dict[str, Any], said: str, world: Path) -> None:
        with pytest.raises(InputError, match=said):
            task(world).set_score_norm(**options)


class TestAveragedScores:
    @pytest.mark.slow
    @pytest.mark.parametrize("metric", METRICS)
    def test_mean_of_the_members_distances(self, metric: str, world: Path) -> None:
        members = [net("3"), net("4")]
        model = EnsembleModel("both", members, combine="scores")
        found = distances(run(model, world, task(world, metric)), "default")
        alone = [
            distances(run(net([layer]), world, task(world, metric)), layer) for layer in LAYERS
        ]
        np.testing.assert_allclose(found, np.mean(alone, axis=0), rtol=1e-5)
        # Of unit vectors, the cosine distance of the concatenation is the mean.
        if metric == "cosine":
            side_by_side = EnsembleModel("both", [net("3"), net("4")])
            same = distances(run(side_by_side, world, task(world, metric)), "default")
            np.testing.assert_allclose(same, found, atol=1e-6)

    def test_a_task_on_embeddings_is_refused(self, world: Path) -> None:
        names = ["person a/0.png", "person b/0.png"]
        table = pd.DataFrame({"image": names, "identity": ["a", "b"]})
        table.to_csv(world / "gallery.csv", index=False)
        question = IdentificationTask(
            "who", world / "gallery.csv", world / "gallery.csv", world / "images"
        )
        model = EnsembleModel("both", [net("3"), net("4")], combine="scores")
        with pytest.raises(InputError, match="combine: concat"):
            run(model, world, question)


class TestFilesOfResults:
    def test_have_no_cohort(self, world: Path) -> None:
        embed_folder(
            net(["4"]), world / "images", sorted((world / "images").rglob("*.png")), world / "x.npz"
        )
        model = EmbeddingsModel("file", world / "x.npz")
        run(model, world, task(world))
        question = task(world).set_score_norm("s", world / "others")
        with pytest.raises(InputError, match="model 'file', a file, does not give"):
            run(model, world, question)
        with pytest.raises(InputError, match="must be models"):
            EnsembleModel(members=[model, net(["4"])])


def test_a_plan_counts_the_other_images(world: Path) -> None:
    question = task(world).set_score_norm("s", world / "others")
    fitted = net(["4"]).set_fitting(centre=world / "others")
    plain = net(["4"])
    plain.name = "plain"
    n_others = len(list((world / "others").rglob("*.png")))
    for models, names in (
        ([fitted], ["net", "fitted on"]), ([plain], ["plain", "cohort"]),
    ):  # fmt: skip
        plan = MultiModelTaskManager(models, question, cache_dir=None).plan()
        evaluated, beside = plan.models
        assert evaluated.model == models[0].name
        assert beside.model.startswith(f"{models[0].name}, {names[1]} ")
        assert str(world / "others") in beside.model
        assert beside.n_images == beside.n_to_embed == n_others
    # Neither is asked for: no row.
    alone = MultiModelTaskManager(plain, task(world), cache_dir=None).plan()
    assert len(alone.models) == 1


class TestOverlap:
    def test_images_by_content(self, world: Path) -> None:
        target = world / "others" / "person q" / "renamed.png"
        target.parent.mkdir()
        shutil.copy(world / "images" / "person c" / "1.png", target)
        for options in ({"centre": world / "others"}, {"whiten": world / "others"}):
            model = net().set_fitting(**options)
            with pytest.raises(InputError, match=r"1 of 19 images .* by their content: .*renamed"):
                run(model, world, task(world))
        question = task(world).set_score_norm("s", world / "others")
        with pytest.raises(InputError, match="the cohort of task 'task' are evaluated"):
            run(net(), world, question)
        # Before anything is embedded, and when a run is only planned.
        model = net()
        with pytest.raises(InputError, match="evaluated in task 'task' too"):
            MultiModelTaskManager(model, question, cache_dir=None).plan()
        assert model.images_seen == 0  # type: ignore[attr-defined]

    def test_people_of_a_cohort(self, world: Path) -> None:
        write_people(world / "others", "ab", 700)
        question = task(world).set_score_norm("s", world / "others")
        with pytest.raises(InputError, match=r"2 of 8 people .* person a, person b"):
            run(net(), world, question)
        # What a network is fitted on may be other images of the same people.
        run(net(["4"]).set_fitting(centre=world / "others"), world, task(world))

    def test_people_that_are_not_known(self, world: Path, caplog: Any) -> None:
        flat = world / "flat"
        flat.mkdir()
        for number in range(4):
            generated_image(800 + number, (32, 32)).save(flat / f"{number}.png")
        with caplog.at_level(logging.WARNING):
            run(net(["4"]), world, task(world).set_score_norm("s", flat))
        assert "cannot be checked that the cohort shows other people" in caplog.text

    def test_a_cohort_that_is_too_small(self, world: Path) -> None:
        question = task(world).set_score_norm("as", world / "others", top=50)
        with pytest.raises(InputError, match="50 images or more"):
            run(net(), world, question)
