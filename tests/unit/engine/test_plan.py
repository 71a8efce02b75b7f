"""What a plan says is what the run then does."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from facebench import AccuracyTask, MultiModelTaskManager
from support import runs

LITTLE = 150_000


@pytest.fixture
def world(tmp_path: Path) -> Path:
    return runs.make_world(tmp_path / "world")


def manager_of(world: Path, tmp_path: Path, **options: object) -> MultiModelTaskManager:
    options = {"cache_dir": tmp_path / "cache", **options}
    return MultiModelTaskManager(runs.make_model(), runs.tasks(world), 4, **options)


def test_before_the_first_run(world: Path, tmp_path: Path) -> None:
    manager = manager_of(world, tmp_path)
    plan = manager.plan()
    (model,) = plan.models
    assert (model.n_images, model.n_stored, model.n_to_embed) == (24, 0, 24)
    assert model.n_forwards == 24
    assert [(layer.layer, layer.width) for layer in model.layers] == [
        ("0", 800), ("1", 800), ("2", 72), ("4", 8),
    ]  # fmt: skip
    assert {layer.how for layer in model.layers} == {"kept"}
    assert model.disk_bytes == 24 * (800 + 800 + 72 + 8) * 4
    assert model.seconds is not None
    assert model.seconds > 0
    assert [(task.task, task.n_pairs, task.n_images, task.missing) for task in plan.tasks] == [
        ("verify", 60, 24, []), ("rate", 12, 24, []),
    ]  # fmt: skip
    manager.run_all_tasks_all_models(tmp_path / "out", plots=False)
    assert manager.records["net"].n_forwards == model.n_forwards
    assert manager.records["net"].layers == {layer.layer: layer.how for layer in model.layers}


def test_after_a_run_nothing_is_left_to_do(world: Path, tmp_path: Path) -> None:
    manager_of(world, tmp_path).run_all_tasks_all_models(tmp_path / "out", plots=False)
    (model,) = manager_of(world, tmp_path).plan().models
    assert (model.n_stored, model.n_to_embed, model.n_forwards) == (24, 0, 0)
    assert model.disk_bytes == 0
    assert model.seconds is None
    assert [layer.n_stored for layer in model.layers] == [24] * 4


@pytest.mark.slow
def test_after_half_a_run(world: Path, tmp_path: Path) -> None:
    half = manager_of(world, tmp_path)
    task = half.tasks["rate"]
    task.pairs_df = task.pairs_df.iloc[:6]
    half.run_all_tasks_with_model("net", tmp_path / "out", plots=False)
    half.tasks.pop("verify")
    manager = manager_of(world, tmp_path / "other")
    manager.tasks["rate"].pairs_df = task.pairs_df
    manager.run_task("net", "rate", tmp_path / "out")
    (model,) = manager.plan(task_names=["verify"]).models
    assert (model.n_stored, model.n_to_embed) == (12, 12)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["streamed", "spilled"])
def test_wide_layers_run_as_planned(
    world: Path, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cost = 0.0 if how == "spilled" else float("inf")
    monkeypatch.setattr("facebench.engine.pass_plan._SPILL_SECONDS", cost)
    manager = manager_of(world, tmp_path, max_memory=LITTLE, num_workers=0)
    (model,) = manager.plan().models
    assert {layer.layer: layer.how for layer in model.layers} == {
        "0": how, "1": how, "2": "kept", "4": "kept",
    }  # fmt: skip
    manager.run_all_tasks_all_models(tmp_path / "out", plots=False)
    record = manager.records["net"]
    assert record.n_forwards == model.n_forwards
    assert record.layers == {layer.layer: layer.how for layer in model.layers}
    (after,) = manager.plan().models
    assert after.n_forwards == 0


def test_missing_images_are_listed_not_raised(world: Path, tmp_path: Path) -> None:
    (world / "images" / "07.png").unlink()
    plan = manager_of(world, tmp_path).plan()
    assert [task.missing for task in plan.tasks] == [["07.png"], ["07.png"]]
    assert "first '07.png'" in str(plan)


def test_it_prints_as_a_table_and_goes_into_json(world: Path, tmp_path: Path) -> None:
    plan = manager_of(world, tmp_path).plan()
    text = str(plan)
    for part in ("net", "To Embed", "verify", "60", "kB"):
        assert part in text
    assert plan.as_dict()["models"][0]["layers"][0]["width"] == 800
    assert list(plan.layers_frame()["Layer"]) == runs.LAYERS


def test_without_a_store_everything_is_to_do_again(world: Path, tmp_path: Path) -> None:
    manager = manager_of(world, tmp_path, cache_dir=None)
    manager.run_all_tasks_all_models(tmp_path / "out", plots=False)
    (model,) = manager.plan().models
    assert (model.n_stored, model.n_to_embed, model.disk_bytes) == (0, 24, 0)


def test_a_preprocessing_nobody_knows_is_told(world: Path, tmp_path: Path) -> None:
    class Opaque:
        def __init__(self) -> None:
            self.lock = threading.Lock()

        def __call__(self, image: object) -> object:
            with self.lock:
                return runs.transform(image)

    model = runs.make_model()
    model.set_preprocess_function(Opaque())
    task = AccuracyTask("x", world / "same.csv", world / "images", true_label="same")
    manager = MultiModelTaskManager(model, task, cache_dir=tmp_path / "cache")
    (planned,) = manager.plan().models
    assert "fingerprint" in planned.note
    assert planned.disk_bytes == 0
