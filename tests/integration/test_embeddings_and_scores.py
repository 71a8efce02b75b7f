"""Embeddings and scores of files run as networks do; so does docs/embeddings_and_scores.md."""

from __future__ import annotations

import logging
import re
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
from sklearn.metrics import roc_auc_score, roc_curve

from facebench import (
    AccuracyTask,
    ConditionedAverageDistances,
    EmbeddingsModel,
    IdentificationTask,
    MultiModelTaskManager,
    ScoresModel,
    VerificationTask,
    compare_models,
    load_run,
)
from facebench.data.made_stimuli import MadeFolder, MadeImages
from facebench.errors import ConfigError, InputError, MissingImageError, PairsError
from facebench.experiment.building import build_experiment, image_files
from facebench.experiment.config import load_config
from facebench.experiment.digest import experiment_digest
from facebench.experiment.execution import run_experiment
from facebench.results.report.run_page import write_report
from facebench.run import passes
from facebench.run.embeddings_file import embed_folder
from support import runs
from support.aligner import Aligner, write_images
from support.embedding_files import SUFFIXES, write_file
from support.pages import examples, text_of

PAGE = text_of("embeddings_and_scores.md")
blocks = partial(examples, "embeddings_and_scores.md")
N_PEOPLE, N_IMAGES = 20, 3


def names_of_people() -> list[str]:
    return [f"p{person:02d}/{image}.jpg" for person in range(N_PEOPLE) for image in range(N_IMAGES)]


def vectors_of_people(width: int = 12) -> np.ndarray:
    rng = np.random.default_rng(3)
    people = np.repeat(rng.normal(size=(N_PEOPLE, width)), N_IMAGES, axis=0)
    return (people + rng.normal(size=people.shape)).astype("f4")


def cosines(rows: np.ndarray) -> np.ndarray:
    exact = rows.astype(np.float64)
    directions = exact / np.linalg.norm(exact, axis=1, keepdims=True)
    return directions @ directions.T


def bfw(seed: int = 0) -> pd.DataFrame:
    """Make a table of BFW's columns: folds by person, two score columns."""
    rng = np.random.default_rng(seed)
    names, similarity = names_of_people(), cosines(vectors_of_people())
    rows = []
    for i, one in enumerate(names):
        for j in range(i + 1, len(names)):
            a, b = i // N_IMAGES, j // N_IMAGES
            # Folds are of different people, as BFW's are.
            if a % 5 != b % 5 or (a != b and rng.random() > 0.5):
                continue
            group = [("asian_females", "white_males")[p // 5 % 2] for p in (a, b)]
            scores = [similarity[i, j], float(np.clip(similarity[i, j] + rng.normal() / 5, -1, 1))]
            rows.append([1 + a % 5, one, names[j], int(a == b), a, b, *group, *scores])
    columns = "fold p1 p2 label id1 id2 att1 att2 vgg16 resnet50"
    return pd.DataFrame(rows, columns=columns.split())


@pytest.fixture(autouse=True)
def no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEBENCH_CACHE", "off")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of all files that the page names; there are no images in it."""
    monkeypatch.chdir(tmp_path)
    table = bfw()
    table.to_csv("bfw.csv", index=False)
    pairs = table.rename(columns={"p1": "img1", "p2": "img2", "label": "same"})
    pairs[["img1", "img2", "same"]].to_csv("pairs.csv", index=False)
    pairs.assign(confidence=50 + 50 * pairs["vgg16"])[["img2", "img1", "confidence"]].to_csv(
        "service.csv", index=False
    )
    names, rows = names_of_people(), vectors_of_people()
    write_file(tmp_path, ".npz", names, {"fc7": rows})
    cells = np.empty((len(names), 1), dtype=object)
    cells[:, 0] = names
    # What the page's MATLAB lines save.
    [saved] = blocks("matlab")
    names_variable, layer = re.findall(r"'(\w+)'", saved)
    scipy.io.savemat("vectors.mat", {names_variable: cells, layer: rows})
    return tmp_path


def run(manager: MultiModelTaskManager, folder: Path) -> MultiModelTaskManager:
    manager.run_all_tasks_all_models(folder, plots=False)
    return manager


class TestThePage:
    @pytest.mark.parametrize("example", [e for e in blocks("yaml") if "export_" not in e])
    def test_yaml(self, folder: Path, example: str) -> None:
        (folder / "x.yaml").write_text(f"{example}\nplots: false\n", encoding="utf-8")
        config = load_config(folder / "x.yaml")
        experiment = build_experiment(config)
        assert image_files(experiment) == []
        assert not experiment.plan().models[0].n_to_embed
        outcome = run_experiment(experiment, experiment_digest(config), None)
        assert outcome.status == "finished"
        found = load_run(outcome.path)
        assert set(found.results["model"]) == set(experiment.manager().models)
        assert found.results["value"].notna().any()
        health = found.manifest["health"]
        assert health["error"] is None
        told = {one["what"]: one["count"] for one in health["found"]}
        assert told["Images that are not there, known by name only"] == N_PEOPLE * N_IMAGES
        assert "Missing images" not in told
        assert write_report(outcome.path).stat().st_size > 10_000

    @pytest.mark.parametrize(
        "example",
        blocks("python"),
        ids=range(len(blocks("python"))),
    )
    def test_python(self, folder: Path, example: str) -> None:
        exec(compile(example, "page", "exec"), {})

    def test_export_is_a_setting(self, folder: Path) -> None:
        [example] = [e for e in blocks("yaml") if "export_" in e]
        (folder / "x.yaml").write_text(example, encoding="utf-8")
        assert load_config(folder / "x.yaml").settings.export_embeddings == "npz"

    def test_every_argument_has_its_row(self) -> None:
        import inspect

        rows = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
        for cls in (EmbeddingsModel, ScoresModel):
            own = set(inspect.signature(cls.__init__).parameters) - {"self", "name"}
            assert {name.replace("extract_", "") for name in own} <= rows


class TestRoundTrip:
    """What a network gives, a file of its embeddings gives again, bit by bit."""

    @pytest.mark.parametrize("kind", ["npz", "parquet"])
    def test_from_a_run(self, tmp_path: Path, kind: str) -> None:
        world = runs.make_world(tmp_path)
        first = runs.run(
            world, tmp_path / "1", cache_dir=None, num_workers=0, export_embeddings=kind
        )
        shutil.rmtree(world / "images")
        model = EmbeddingsModel("net", tmp_path / "1" / "Embeddings" / f"net.{kind}")
        assert model.extract_layers == runs.LAYERS
        second = run(
            MultiModelTaskManager(model, runs.tasks(world), cache_dir=None), tmp_path / "2"
        )
        assert np.array_equal(runs.distances(first), runs.distances(second))
        for task, table in first.unrounded_performance_dfs.items():
            pd.testing.assert_frame_equal(table, second.unrounded_performance_dfs[task])
        for task, by_model in first.estimates.items():
            for layer, known in by_model["net"].items():
                again = second.estimates[task]["net"][layer]
                assert [e.low for e in known.estimates] == [e.low for e in again.estimates]

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_from_embed_through_every_format(self, tmp_path: Path, suffix: str) -> None:
        world = runs.make_world(tmp_path)
        network = runs.make_model(["4"])
        images = sorted((world / "images").iterdir())
        embed_folder(network, world / "images", images, tmp_path / "x.npz")
        written = EmbeddingsModel("w", tmp_path / "x.npz")
        path, options = write_file(
            tmp_path, suffix, written.image_names, {"fc_a": written.vectors["4"]}
        )
        model = EmbeddingsModel("net", path, **options)
        manager = MultiModelTaskManager(
            [model, network_named("true")], runs.tasks(world), cache_dir=None, num_workers=0
        )
        run(manager, tmp_path / "out")
        for task in ("verify", "rate"):
            ours, theirs = (
                manager.model_task_distances_dfs[name][task]["model_computed_distance"]
                for name in ("net", "true")
            )
            assert ours.tolist() == theirs.tolist()

    def test_wide_layers_and_folders_beside_each_other(self, tmp_path: Path) -> None:
        """Layers beyond the memory budget are written whole; equal names stay two images."""
        worlds = [runs.make_world(tmp_path / "data" / name) for name in ("a", "b")]
        shutil.rmtree(worlds[1] / "images")
        shutil.copytree(worlds[0] / "images", worlds[1] / "images")
        for number, path in enumerate(sorted((worlds[1] / "images").iterdir())):
            source = worlds[0] / "images" / f"{(number + 1) % runs.N_IMAGES:02d}.png"
            path.write_bytes(source.read_bytes())

        def tasks() -> list:
            return [
                AccuracyTask(w.name, w / "same.csv", w / "images", true_label="same")
                for w in worlds
            ]

        manager = MultiModelTaskManager(
            runs.make_model(), tasks(), 4, cache_dir=None, num_workers=0,
            max_memory=60_000, export_embeddings="npz",
        )  # fmt: skip
        run(manager, tmp_path / "1")
        assert "spilled" in manager.records["net"].layers.values()
        model = EmbeddingsModel("net", tmp_path / "1" / "Embeddings" / "net.npz")
        assert sorted(model.image_names)[0] == "a/images/00.png"
        again = run(MultiModelTaskManager(model, tasks(), cache_dir=None), tmp_path / "2")
        for name in ("a", "b"):
            one, other = (
                m.model_task_distances_dfs["net"][name]["model_computed_distance"]
                for m in (manager, again)
            )
            np.testing.assert_allclose(one, other, atol=1e-6)
        renamed = [name.partition("/")[2] for name in model.image_names]
        np.savez(tmp_path / "x.npz", images=renamed[:24], fc=model.vectors["4"][:24])
        with pytest.raises(InputError, match="is the name of two images"):
            MultiModelTaskManager(
                EmbeddingsModel("m", tmp_path / "x.npz"), tasks(), cache_dir=None
            ).plan()

    def test_a_model_that_aligns_some_tasks_only(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One image, aligned and as it is, has two files."""
        write_images(tmp_path, [f"{n}.png" for n in range(4)], set())
        (tmp_path / "pairs.csv").write_text("img1,img2,same\n0.png,1.png,1\n2.png,3.png,0\n")
        made = MadeImages(4, 4, (MadeFolder(Path("set"), True, None, frozenset()),))
        monkeypatch.setattr(
            passes,
            "made_by_task",
            lambda images: {"as made": made, "photographs": MadeImages(0, 4, ())},
        )
        tasks = [
            AccuracyTask(name, tmp_path / "pairs.csv", tmp_path, true_label="same")
            for name in ("photographs", "as made")
        ]
        manager = MultiModelTaskManager(
            Aligner(), tasks, cache_dir=None, num_workers=0, export_embeddings="npz"
        )
        run(manager, tmp_path / "out")
        for task, place in (("photographs", "."), ("as made", "as they are")):
            file = tmp_path / "out" / "Embeddings" / place / "aligner.npz"
            model = EmbeddingsModel("aligner", file)
            [own] = [one for one in tasks if one.name == task]
            again = run(MultiModelTaskManager(model, own, cache_dir=None), tmp_path / "again")
            one, other = (
                m.model_task_distances_dfs["aligner"][task]["model_computed_distance"].tolist()
                for m in (manager, again)
            )
            assert one == other

    def test_embeddings_that_cannot_be_written_cost_only_themselves(self, tmp_path: Path) -> None:
        world = runs.make_world(tmp_path)
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "Embeddings").write_text("in the way", encoding="utf-8")
        manager = MultiModelTaskManager(
            network_named("net"), runs.tasks(world), cache_dir=None, num_workers=0,
            export_embeddings="parquet",
        )  # fmt: skip
        with pytest.raises(Exception, match="Embeddings") as caught:
            run(manager, tmp_path / "out")
        assert any("net / Embeddings" in note for note in caught.value.__notes__)
        assert set(manager.estimates) == {"verify", "rate"}


def network_named(name: str) -> runs.Net:
    network = runs.make_model(["4"])
    network.name = name
    return network


class TestScores:
    def test_measures_are_scikit_learns_on_the_table(self, folder: Path) -> None:
        table = bfw()
        task = VerificationTask("t", folder / "bfw.csv", folder, true_label="label")
        models = [
            ScoresModel("similar", folder / "bfw.csv", "similarity", ["vgg16", "resnet50"]),
            ScoresModel("distant", with_distances(folder), "distance", ["vgg16", "resnet50"]),
        ]
        manager = run(MultiModelTaskManager(models, task, cache_dir=None), folder / "out")
        results = manager.unrounded_performance_dfs["t"].set_index(["Model Name", "Layer Name"])
        for layer in ("vgg16", "resnet50"):
            fpr, tpr, _ = roc_curve(table["label"], table[layer], drop_intermediate=False)
            for name in ("similar", "distant"):
                row = results.loc[name, layer]
                assert row["AUC"] == pytest.approx(
                    roc_auc_score(table["label"], table[layer]), abs=1e-12
                )
                assert row["TAR@FAR=0.1"] == pytest.approx(tpr[fpr <= 0.1].max(), abs=1e-12)
                worst = np.abs(fpr - (1 - tpr)).argmin()
                assert row["EER"] == pytest.approx((fpr + 1 - tpr)[worst] / 2, abs=1e-12)
        assert set(results["Distance Metric"]) == {
            "1 - similarity in bfw.csv",
            "distance in distances.csv",
        }
        same = compare_models(manager, "t")
        assert len(same.ranks) == 4

    def test_a_polarity_that_is_declared_the_wrong_way_round(
        self, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        task = AccuracyTask("t", folder / "bfw.csv", folder, true_label="label")
        model = ScoresModel("m", folder / "bfw.csv", "distance", "vgg16")
        with caplog.at_level(logging.WARNING):
            manager = run(MultiModelTaskManager(model, task, cache_dir=None), folder / "out")
        assert "is the polarity of the scores the other one" in caplog.text
        assert "polarity" in manager.estimates["t"]["m"]["vgg16"].remark

    def test_pairs_without_a_score_are_counted(
        self, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        table = bfw()
        table.loc[[2, 5, 9], "vgg16"] = np.nan
        table.to_csv("gaps.csv", index=False)
        task = AccuracyTask("t", folder / "bfw.csv", folder, true_label="label")
        model = ScoresModel("m", "gaps.csv", "similarity", ["vgg16", "resnet50"])
        with pytest.raises(InputError, match=r"3 of .* pairs of task 't' have no score 'vgg16'"):
            run(MultiModelTaskManager(model, task, cache_dir=None), folder / "out")
        manager = MultiModelTaskManager(model, task, cache_dir=None, on_bad_image="skip")
        with caplog.at_level(logging.WARNING):
            run(manager, folder / "out")
        assert f"pairs have no score: 3 of {len(table)} in 'vgg16'" in caplog.text
        found = manager.unrounded_performance_dfs["t"].set_index("Layer Name")["AUC"]
        there = table["vgg16"].notna()
        for layer, rows in (("vgg16", there), ("resnet50", there | True)):
            area = roc_auc_score(table["label"][rows], table[layer][rows])
            assert found[layer] == pytest.approx(area, abs=1e-12)
        failed = [e.n_failed for e in manager.estimates["t"]["m"]["vgg16"].estimates]
        assert set(failed) == {3}

    def test_people_beside_a_network_and_conditions(self, tmp_path: Path) -> None:
        world = runs.make_world(tmp_path)
        pairs = pd.read_csv(world / "same.csv").assign(kind=["up", "down"] * 30)
        pairs["rating"] = np.random.default_rng(0).integers(1, 8, 60)
        pairs.to_csv(world / "same.csv", index=False)
        images = world / "images"
        tasks = [
            AccuracyTask("verify", world / "same.csv", images, true_label="same"),
            ConditionedAverageDistances(
                "means", world / "same.csv", images, condition_column="kind"
            ),
        ]
        people = ScoresModel("people", world / "same.csv", "similarity", "rating", maximum=7)
        manager = MultiModelTaskManager(
            [network_named("net"), people], tasks, cache_dir=None, num_workers=0
        )
        run(manager, tmp_path / "out")
        table = manager.unrounded_performance_dfs["means"].set_index("Model Name").loc["people"]
        distances = 7 - pairs["rating"]
        # The task gives means as shares of the largest distance.
        expected = distances.groupby(pairs["kind"]).mean() / distances.max()
        found = table.set_index("Condition")["Mean Value"]
        assert found.to_dict() == pytest.approx(expected.to_dict())
        assert set(table["Distance Metric"]) == {"7 - similarity in same.csv"}
        assert manager.provenance["models"]["people"]["file_digest"] == people.digest


def with_distances(folder: Path) -> Path:
    table = bfw()
    table[["vgg16", "resnet50"]] = 1 - table[["vgg16", "resnet50"]]
    # Pairs the other way round, rows in another order.
    table = table.rename(columns={"p1": "img2", "p2": "img1"}).sample(frac=1, random_state=0)
    table.to_csv(folder / "distances.csv", index=False)
    return folder / "distances.csv"


class TestBeforeAnythingRuns:
    def test_every_task_of_vectors(self, folder: Path) -> None:
        names = names_of_people()
        gallery = pd.DataFrame({"image": names, "identity": [n.split("/")[0] for n in names]})
        gallery[::N_IMAGES].to_csv("gallery.csv", index=False)
        gallery[1::N_IMAGES].to_csv("probes.csv", index=False)
        tasks = [IdentificationTask("who", "gallery.csv", "probes.csv", folder)]
        manager = MultiModelTaskManager(EmbeddingsModel("m", "vectors.npz"), tasks, cache_dir=None)
        run(manager, folder / "out")
        rows = vectors_of_people()
        near = cosines(rows)[1::N_IMAGES, ::N_IMAGES].argmax(axis=1)
        found = manager.unrounded_performance_dfs["who"].iloc[0]
        assert found["Rank-1"] == pytest.approx((near == np.arange(N_PEOPLE)).mean())
        scores = ScoresModel("people", "bfw.csv", "similarity", "vgg16")
        refusing = MultiModelTaskManager(scores, tasks, cache_dir=None)
        for attempt in (refusing.plan, lambda: run(refusing, folder / "none")):
            with pytest.raises(InputError, match=r"Task 'who' needs embeddings. Model 'people'"):
                attempt()

    def test_a_network_needs_its_images_all_the_same(self, folder: Path) -> None:
        task = AccuracyTask("t", "pairs.csv", folder, true_label="same")
        manager = MultiModelTaskManager(
            [EmbeddingsModel("m", "vectors.npz"), network_named("net")], task, cache_dir=None
        )
        assert len(manager.plan().tasks[0].missing) == N_PEOPLE * N_IMAGES
        with pytest.raises(MissingImageError, match=r"images of task .t. (are missing|found in)"):
            run(manager, folder / "out")
        assert not (folder / "out").exists()

    def test_what_is_missing_stops_before_a_network_runs(self, tmp_path: Path) -> None:
        world = runs.make_world(tmp_path)
        network = network_named("net")
        np.savez(tmp_path / "x.npz", images=["00.png", "01.PNG"], fc=np.ones((2, 3)))
        pd.read_csv(world / "same.csv")[5:].assign(score=1.0).to_csv(tmp_path / "s.csv")
        for model, kind, said in (
            (EmbeddingsModel("m", tmp_path / "x.npz"), MissingImageError, "images have no embedd"),
            (ScoresModel("m", tmp_path / "s.csv", "distance"), PairsError, "5 of 60 pairs"),
        ):
            manager = MultiModelTaskManager(
                [network, model], runs.tasks(world)[:1], cache_dir=None, num_workers=0
            )
            with pytest.raises(kind, match=said):
                run(manager, tmp_path / "out")
        assert network.images_seen == 0

    def test_a_configuration_tells_the_line(self, folder: Path) -> None:
        text = (
            "models:\n  m: {model: embeddings, file: vectors.npz}\n"
            "  s: {model: scores, file: bfw.csv, polarity: similarity, layers: vgg, seeds: [0]}\n"
            "tasks:\n  t: {task: accuracy, pairs: pairs.csv, true_label: same}\n"
        )
        (folder / "x.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=r"x\.yaml:3:\d+: 'seeds' makes untrained networks"):
            build_experiment(load_config("x.yaml"))
        (folder / "x.yaml").write_text(text.replace(", seeds: [0]", ""), encoding="utf-8")
        with pytest.raises(ConfigError, match=r"x\.yaml:3:\d+: 'vgg' is not a layer of this file"):
            build_experiment(load_config("x.yaml"))
        names = names_of_people()
        np.savez("vectors.npz", images=names[1:], fc=vectors_of_people()[1:])
        text = text.replace(", layers: vgg, seeds: [0]", ", layers: vgg16")
        (folder / "x.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=r"x\.yaml:2:\d+: 1 of 60 images .*'p00/0\.jpg'"):
            build_experiment(load_config("x.yaml"))

    def test_a_changed_file_is_another_experiment(self, folder: Path) -> None:
        [example] = [e for e in blocks("yaml") if "theirs" in e]
        (folder / "x.yaml").write_text(example, encoding="utf-8")
        before = experiment_digest(load_config("x.yaml"))
        assert experiment_digest(load_config("x.yaml")) == before
        np.savez("vectors.npz", images=names_of_people(), fc7=vectors_of_people() + 1)
        assert experiment_digest(load_config("x.yaml")) != before
