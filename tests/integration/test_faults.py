"""What goes wrong while a run goes on: each with a clear message, and nothing lost."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from facebench import AccuracyTask, FacebenchError, MultiModelTaskManager
from facebench.errors import ImageError, InputError, LayerOutputError, ModelError, StoreError
from facebench.utils.files import one_writer
from support import runs
from support.mutation import NIGHTLY


@pytest.fixture
def world(tmp_path: Path) -> Path:
    return runs.make_world(tmp_path / "world")


@pytest.fixture
def expected(world: Path, tmp_path: Path) -> np.ndarray:
    return runs.distances(runs.run(world, tmp_path / "undisturbed", cache_dir=None))


def manager_of(
    model: Any, world: Path, cache: Path | None, **options: Any
) -> MultiModelTaskManager:
    return MultiModelTaskManager(
        model, runs.tasks(world), **{"batch_size": 4, "cache_dir": cache, **options}
    )


def n_stored(cache: Path) -> int:
    """Count the images of the last layer in a store."""
    from facebench.store import open_store

    with open_store(cache) as store:
        return max((layer.images for layer in store.info().layers), default=0)


class Killing(runs.Net):
    """Its preprocessing kills the worker it runs in, once or always."""

    mark: Path | None = None

    def preprocess_image(self, image_path: Any) -> torch.Tensor:
        in_worker = multiprocessing.parent_process() is not None
        fatal = Path(image_path).name == "13.png" and in_worker
        if fatal and not (self.mark is not None and self.mark.exists()):
            if self.mark is not None:
                self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().preprocess_image(image_path)


def killing(mark: Path | None) -> Killing:
    model = Killing("net", extract_layers=runs.LAYERS, preprocess_function=runs.transform)
    model.mark = mark
    return model


def test_a_worker_killed_once_costs_a_second_try(
    world: Path, expected: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager = manager_of(killing(tmp_path / "mark"), world, None, num_workers=2)
    manager.run_all_tasks_all_models(tmp_path / "out", plots=False)
    assert "was killed; trying its images again" in caplog.text
    assert np.array_equal(runs.distances(manager), expected)


def test_a_worker_killed_again_names_the_images_and_keeps_the_rest(
    world: Path, expected: np.ndarray, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(ModelError, match=r"ended unexpectedly, twice, on 4 images.*num_workers=0"):
        manager_of(killing(None), world, cache, num_workers=2).run_all_tasks_all_models(
            tmp_path / "out", plots=False
        )
    kept = n_stored(cache)
    assert 4 <= kept < runs.N_IMAGES
    model = killing(None)
    manager = manager_of(model, world, cache, num_workers=0)
    manager.run_all_tasks_all_models(tmp_path / "out", plots=False)
    assert model.images_seen == runs.N_IMAGES - kept
    assert np.array_equal(runs.distances(manager), expected)


def during_batch(number: int, monkeypatch: pytest.MonkeyPatch, event: Callable[[], None]) -> None:
    """Have something happen while the network runs its n-th batch, from 1; the network sleeps."""
    calls = []

    def sleep(_seconds: float) -> None:
        calls.append(1)
        if len(calls) == number:
            event()

    monkeypatch.setattr(runs.time, "sleep", sleep)


@pytest.mark.parametrize("what", ["deleted", "replaced"])
def test_an_image_that_changes_meanwhile_is_never_taken_for_what_it_was(
    world: Path, expected: np.ndarray, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    columns = [task.pairs_df[side] for task in runs.tasks(world) for side in ("img1", "img2")]
    # The run takes images in the order of the tables.
    first, *_, last = dict.fromkeys(pd.concat(columns))
    victim, other = world / "images" / last, world / "images" / first
    content = victim.read_bytes()
    event = victim.unlink if what == "deleted" else lambda: shutil.copy(other, victim)
    during_batch(1, monkeypatch, event)
    told = "does not exist" if what == "deleted" else "changed while the run was going on"
    manager = manager_of(runs.make_model(), world, cache, num_workers=0)
    with pytest.raises(ImageError, match=told) as caught:
        manager.run_all_tasks_all_models(tmp_path / "out", plots=False)
    assert last in str(caught.value)
    kept = n_stored(cache)
    assert 4 <= kept < runs.N_IMAGES
    # Put back, the run goes on to the numbers of an undisturbed one.
    victim.write_bytes(content)
    again = runs.run(world, tmp_path / "out", cache_dir=cache)
    assert np.array_equal(runs.distances(again), expected)
    assert again.records["net"].n_forwards == runs.N_IMAGES - kept


@pytest.mark.parametrize("how", ["stop", "skip"])
@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("has_store", [True, False])
def test_an_image_replaced_between_two_models_is_told(
    world: Path, tmp_path: Path, has_store: bool, workers: int, how: str
) -> None:
    victim, other = world / "images/00.png", world / "images/01.png"

    class Replacing(AccuracyTask):
        def compute_task_performance(self, distances: pd.DataFrame) -> pd.DataFrame:
            shutil.copy(other, victim)
            return super().compute_task_performance(distances)

    models = [runs.make_model(["4"]), runs.make_model(["2"])]
    models[1].name = "second"
    task = Replacing("t", world / "same.csv", world / "images", true_label="same")
    manager = MultiModelTaskManager(
        models, task, 4, num_workers=workers, on_bad_image=how,
        cache_dir=tmp_path / "cache" if has_store else None,
    )  # fmt: skip
    if how == "stop":
        with pytest.raises(ImageError, match=r"00\.png changed while the run was going on"):
            manager.run_all_tasks_all_models(tmp_path / "out", plots=False)
    else:
        manager.run_all_tasks_all_models(tmp_path / "out", plots=False)
        column = manager.model_task_distances_dfs["second"]["t"]
        of_victim = (column[["img1", "img2"]] == "00.png").any(axis=1)
        assert of_victim.any()
        assert column["model_computed_distance"].isna().equals(of_victim)
        assert manager.remarks["second"]["t: Pairs Lost"] == of_victim.sum()
    assert manager.model_task_distances_dfs["net"]["t"]["model_computed_distance"].notna().all()


class Growing(runs.Net):
    """Its last layer grows with the third batch, or gives NaN from there on."""

    how = "width"

    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        if self.images_seen >= 8:
            with torch.no_grad():
                if self.how == "NaN":
                    self.model[4].bias[0] = float("nan")
                elif self.model[4].weight.shape[0] == 8:
                    self.model[4].weight.data = self.model[4].weight.data.repeat(2, 1)
                    self.model[4].bias.data = self.model[4].bias.data.repeat(2)
        return super()._forward(input_tensor)


@pytest.mark.parametrize(("how", "told"), [("width", "must have one size"), ("NaN", "gave NaN")])
def test_a_network_that_goes_wrong_on_the_way_keeps_what_was_right(
    world: Path, tmp_path: Path, how: str, told: str
) -> None:
    cache = tmp_path / "cache"
    model = Growing("net", extract_layers=runs.LAYERS, preprocess_function=runs.transform)
    model.how = how
    with pytest.raises(LayerOutputError, match=told):
        manager_of(model, world, cache).run_all_tasks_all_models(tmp_path / "out", plots=False)
    assert n_stored(cache) == 8


def test_another_model_goes_on_after_one_that_fails(world: Path, tmp_path: Path) -> None:
    bad = Growing("bad", extract_layers=runs.LAYERS, preprocess_function=runs.transform)
    manager = manager_of([bad, runs.make_model()], world, tmp_path / "cache")
    with pytest.raises(LayerOutputError):
        manager.run_all_tasks_all_models(tmp_path / "out", plots=False)
    assert len(manager.model_task_distances_dfs["net"]) == 2


def test_a_store_of_a_newer_version_is_refused_before_anything_runs(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setattr("facebench.store.database.INDEX_FORMAT", 99)
    runs.run(world, tmp_path / "out", cache_dir=cache)
    monkeypatch.undo()
    with pytest.raises(StoreError, match="newer"):
        manager_of(runs.make_model(), world, cache)


def test_a_cache_that_cannot_be_written_is_told_and_the_run_goes_on(
    world: Path,
    expected: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("no folder can be made under it")
    manager = runs.run(world, tmp_path / "out", cache_dir=blocked / "cache")
    assert "nothing is kept" in caplog.text
    assert np.array_equal(runs.distances(manager), expected)


def test_a_full_disk_is_one_error_and_finished_tasks_are_exported(
    world: Path, expected: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facebench.store.embedding_store import EmbeddingStore

    cache, write, written = tmp_path / "cache", EmbeddingStore.write, []

    def full(self: EmbeddingStore, rows: Any, *rest: Any) -> None:
        if len(written) >= 9:
            msg = "The disk is full."
            raise StoreError(msg)
        written.append(1)
        write(self, rows, *rest)

    monkeypatch.setattr(EmbeddingStore, "write", full)
    other = runs.make_model(["4"])
    other.name = "first"
    with torch.no_grad():
        other.model[0].bias[0] += 1
    manager = manager_of([other, runs.make_model()], world, cache)
    with pytest.raises(StoreError, match="disk is full"):
        manager.run_all_tasks_all_models(tmp_path / "out", plots=False)
    monkeypatch.undo()
    assert (tmp_path / "out" / "Computed Metrics" / "first" / "4" / "verify.csv").is_file()
    again = runs.run(world, tmp_path / "out", cache_dir=cache)
    assert again.records["net"].n_forwards < runs.N_IMAGES
    assert np.array_equal(runs.distances(again), expected)


def test_a_flipped_byte_is_reported_and_embedded_again(
    world: Path, expected: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "cache"
    runs.run(world, tmp_path / "out", cache_dir=cache)
    runs.damage_a_row(cache)
    again = runs.run(world, tmp_path / "again", cache_dir=cache)
    assert "damaged" in caplog.text
    assert 0 < again.records["net"].n_forwards <= 4
    np.testing.assert_allclose(runs.distances(again), expected, atol=1e-6)


def test_two_runs_do_not_share_an_export_folder(world: Path, tmp_path: Path) -> None:
    model = runs.make_model()
    manager = manager_of(model, world, None)
    with one_writer(tmp_path / "out"), pytest.raises(InputError, match="Another run is writing"):
        manager.run_all_tasks_all_models(tmp_path / "out")
    assert model.images_seen == 0
    manager_of(model, world, None).run_all_tasks_all_models(tmp_path / "out", plots=False)


def _interrupt() -> None:
    raise KeyboardInterrupt


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(
    world: Path,
    expected: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache = tmp_path / "cache"
    first = runs.make_model(["4"])
    first.name = "first"
    with torch.no_grad():
        first.model[0].bias[0] += 1
    # Each model is tried once and takes six batches; Ctrl-C comes in the third of the second one.
    during_batch(1 + 6 + 1 + 3, monkeypatch, _interrupt)
    manager = manager_of([first, runs.make_model()], world, cache)
    with pytest.raises(KeyboardInterrupt) as stopped:
        manager.run_all_tasks_all_models(tmp_path / "out", plots=False)
    assert "the same run resumes from there" in "".join(stopped.value.__notes__)
    summary = pd.read_csv(tmp_path / "out" / "models_unified_results.csv")
    assert set(summary["Model Name"]) == {"first"}
    again = runs.run(world, tmp_path / "out", cache_dir=cache)
    assert again.records["net"].n_forwards == runs.N_IMAGES - 8
    assert np.array_equal(runs.distances(again), expected)


def _run_in_child(world: Path, output: Path, cache: Path, begun: Any) -> None:
    # What a forked process inherits of OpenMP's threads is their number, not the threads.
    torch.set_num_threads(1)
    os.environ["FACEBENCH_TEST_SLEEP"] = "0.02"
    begun.set()
    runs.run(world, output, cache_dir=cache, num_workers=1)


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="needs processes that fork"
)
def test_killed_at_any_moment_it_goes_on_to_the_same_bits(world: Path, tmp_path: Path) -> None:
    """What killed runs leave adds up to the undisturbed run; a kill costs a batch at most."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        expected = runs.run(world, tmp_path / "undisturbed", cache_dir=None, num_workers=1)
        cache, rng = tmp_path / "cache", np.random.default_rng(int.from_bytes(os.urandom(4), "big"))
        context = multiprocessing.get_context("fork")
        grown = [0]
        for kill in range(50 if NIGHTLY else 20):
            if kill % 10 == 0:
                # A run in six parts of four images is soon through: begin again.
                shutil.rmtree(cache, ignore_errors=True)
                grown = [0]
            begun = context.Event()
            child = context.Process(
                target=_run_in_child, args=(world, tmp_path / "out", cache, begun)
            )
            child.start()
            assert begun.wait(60)
            time.sleep(float(rng.uniform(0, 0.5)))
            child.kill()
            child.join()
            if cache.exists():
                grown.append(n_stored(cache))
                assert grown[-1] >= grown[-2], "a killed run lost what was kept"
        manager = runs.run(world, tmp_path / "out", cache_dir=cache, num_workers=1)
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(runs.distances(manager), runs.distances(expected))
    assert manager.records["net"].n_forwards == runs.N_IMAGES - grown[-1]


def test_every_error_of_a_run_is_one_of_ours(world: Path, tmp_path: Path) -> None:
    with pytest.raises(FacebenchError, match="max_memory"):
        manager_of(runs.make_model(), world, None, max_memory="lots")
    with pytest.raises(FacebenchError, match="precision"):
        manager_of(runs.make_model(), world, None, precision="float8")
    task = AccuracyTask("x", world / "same.csv", world / "nowhere", true_label="same")
    with pytest.raises(FacebenchError, match="does not exist"):
        MultiModelTaskManager(runs.make_model(), task).run_all_tasks_all_models(
            tmp_path / "out", plots=False
        )
