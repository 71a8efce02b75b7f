"""The same numbers, whatever the store held, however the run was cut up, wherever layers waited."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics.pairwise import cosine_distances, euclidean_distances

from facebench import AccuracyTask, ConditionedAverageDistances, MultiModelTaskManager
from facebench.engine import forward as engine_forward
from facebench.engine import steadiness as engine_steadiness
from support import runs

# Bytes that leave the wide layers no room: they are compared on the way.
LITTLE = 150_000


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def expected(world: Path) -> np.ndarray:
    """Distances by scikit-learn from outputs of one image at a time."""
    model = runs.make_model()
    names = sorted((world / "images").iterdir())
    outputs = {path.name: model.get_output(model.preprocess_image(path)) for path in names}
    found = []
    for task, metric in zip(
        runs.tasks(world), (cosine_distances, euclidean_distances), strict=True
    ):
        for layer in runs.LAYERS:
            found += [
                metric(
                    outputs[pair.img1][layer].double().numpy(),
                    outputs[pair.img2][layer].double().numpy(),
                )[0, 0]
                for pair in task.pairs_df.itertuples()
            ]
    return np.array(found)


@pytest.mark.parametrize("store", ["off", "cold", "warm", "partial layers", "partial images"])
@pytest.mark.parametrize("max_memory", [None, LITTLE], ids=["stored", "wide"])
@pytest.mark.parametrize(
    ("batch_size", "num_workers"), [(1, 0), (4, 2), (32, 0)], ids=["one", "four", "all"]
)
def test_every_way_gives_the_same(
    world: Path,
    expected: np.ndarray,
    tmp_path: Path,
    store: str,
    max_memory: int | None,
    batch_size: int,
    num_workers: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # So small a world would always be cheaper on disk.
    monkeypatch.setattr("facebench.engine.pass_plan._SPILL_SECONDS", float("inf"))
    options = {"batch_size": batch_size, "num_workers": num_workers, "max_memory": max_memory}
    cache = None if store == "off" else tmp_path / "cache"
    if store == "warm":
        first = runs.run(world, tmp_path / "first", cache_dir=cache, **options)
    elif store == "partial layers":
        some = MultiModelTaskManager(
            runs.make_model(["2"]), runs.tasks(world), batch_size, cache_dir=cache
        )
        some.run_all_tasks_all_models(tmp_path / "first", plots=False)
    elif store == "partial images":
        some = MultiModelTaskManager(
            runs.make_model(), runs.tasks(world)[1:], 5, cache_dir=cache, max_memory=max_memory
        )
        task = next(iter(some.tasks.values()))
        task.pairs_df = task.pairs_df.iloc[3:8]
        some.run_all_tasks_all_models(tmp_path / "first", plots=False)
    manager = runs.run(world, tmp_path / "out", cache_dir=cache, **options)
    np.testing.assert_allclose(runs.distances(manager), expected, rtol=0, atol=1e-5)
    record = manager.records["net"]
    assert record.layers["0"] == ("kept" if max_memory is None else "streamed")
    if store == "warm":
        assert np.array_equal(runs.distances(manager), runs.distances(first))
        assert record.n_forwards == 0
        assert record.n_hits == runs.N_IMAGES
    elif max_memory is None and store in ("off", "cold"):
        assert record.n_forwards == runs.N_IMAGES


def test_some_layers_of_an_earlier_run_need_no_pass(world: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    runs.run(world, tmp_path / "first", cache_dir=cache)
    manager = MultiModelTaskManager(runs.make_model(["2"]), runs.tasks(world), cache_dir=cache)
    manager.run_all_tasks_all_models(tmp_path / "out", plots=False)
    assert manager.records["net"].n_forwards == 0
    assert manager.records["net"].n_hits == runs.N_IMAGES


def test_every_image_is_counted_once_though_it_runs_twice(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="facebench")
    # So small a world would always be cheaper on disk.
    monkeypatch.setattr("facebench.engine.pass_plan._SPILL_SECONDS", float("inf"))
    manager = runs.run(world, tmp_path / "out", cache_dir=tmp_path / "cache", max_memory=LITTLE)
    assert manager.records["net"].n_forwards > runs.N_IMAGES
    assert f"net: {runs.N_IMAGES} images" in caplog.text


def test_spilled_layers_give_the_same(
    world: Path, expected: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facebench.engine.pass_plan._SPILL_SECONDS", 0.0)
    monkeypatch.setattr("facebench.engine.pass_plan._FEW_AGAIN", 0.0)
    options = {"cache_dir": tmp_path / "cache", "max_memory": LITTLE}
    manager = runs.run(world, tmp_path / "out", **options)
    assert manager.records["net"].layers["0"] == "spilled"
    np.testing.assert_allclose(runs.distances(manager), expected, rtol=0, atol=1e-5)
    again = runs.run(world, tmp_path / "again", **options)
    assert np.array_equal(runs.distances(again), runs.distances(manager))
    assert again.records["net"].n_forwards == 0
    assert not list((tmp_path / "cache").glob("facebench-*"))


def forced(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facebench.engine.pass_plan._spill_or_stream", lambda *_a, **_k: how)


@pytest.mark.parametrize("how", ["streamed", "spilled"])
@pytest.mark.parametrize("known", ["all images", "some images", "a damaged row"])
def test_rows_kept_when_there_was_memory_are_not_computed_again(
    world: Path,
    expected: np.ndarray,
    tmp_path: Path,
    how: str,
    known: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache = tmp_path / "cache"
    first = MultiModelTaskManager(runs.make_model(), runs.tasks(world)[1:], 4, cache_dir=cache)
    if known == "some images":
        # The new ones are met by those that are known.
        task = next(iter(first.tasks.values()))
        task.pairs_df = task.pairs_df.iloc[:8]
    first.run_all_tasks_all_models(tmp_path / "first", plots=False)
    n_known = 16 if known == "some images" else runs.N_IMAGES
    if known == "a damaged row":
        runs.damage_a_row(cache)
        n_known -= 1
    forced(how, monkeypatch)
    options = {"cache_dir": cache, "max_memory": LITTLE, "num_workers": 0}
    manager = MultiModelTaskManager(runs.make_model(), runs.tasks(world), 4, **options)
    (plan,) = manager.plan().models
    manager.run_all_tasks_all_models(tmp_path / "out", plots=False)
    np.testing.assert_allclose(runs.distances(manager), expected, rtol=0, atol=1e-5)
    record = manager.records["net"]
    assert record.layers["0"] == how
    if known == "all images":
        assert (record.n_forwards, record.n_hits) == (0, runs.N_IMAGES)
    elif how == "spilled":
        assert record.n_forwards == runs.N_IMAGES - n_known
    else:
        # Those that are not known may come by more than once.
        assert record.n_forwards >= runs.N_IMAGES - n_known
        assert record.n_forwards < runs.N_IMAGES
    assert (plan.n_forwards, plan.n_stored) == (record.n_forwards, n_known)


def test_rounded_rows_do_not_stand_in_for_exact_ones(
    world: Path, expected: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced("streamed", monkeypatch)
    options = {"cache_dir": tmp_path / "cache", "cache_dtype": "float16"}
    runs.run(world, tmp_path / "first", **options)
    manager = runs.run(world, tmp_path / "out", max_memory=LITTLE, **options)
    assert manager.records["net"].n_forwards >= runs.N_IMAGES
    wide = manager.model_task_distances_dfs["net"]["verify"].iloc[:120]
    np.testing.assert_allclose(wide["model_computed_distance"], expected[:120], rtol=0, atol=1e-5)


def test_a_users_metric_sees_wide_layers_in_their_own_order(world: Path, tmp_path: Path) -> None:
    import torch

    def first_values(left: torch.Tensor, right: torch.Tensor) -> float:
        return float((left[0, :5] - right[0, :5]).abs().sum())

    found = []
    for max_memory in (None, LITTLE):
        model = runs.make_model()
        model.use_memory_format(torch.channels_last)
        task = AccuracyTask(
            "own", world / "same.csv", world / "images", first_values, true_label="same"
        )
        manager = MultiModelTaskManager(model, task, 4, cache_dir=None, max_memory=max_memory)
        manager.run_all_tasks_all_models(tmp_path / "out", plots=False)
        frame = manager.model_task_distances_dfs["net"]["own"]
        found.append(frame["model_computed_distance"].to_numpy())
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)


def test_a_second_run_opens_no_image(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.run(world, tmp_path / "out", cache_dir=tmp_path / "cache")
    monkeypatch.setattr("PIL.Image.open", None)
    model = runs.make_model()
    manager = MultiModelTaskManager(model, runs.tasks(world), 4, cache_dir=tmp_path / "cache")
    manager.run_all_tasks_all_models(tmp_path / "again", plots=False)
    assert model.images_seen == 0


def test_another_task_or_name_finds_what_there_is(world: Path, tmp_path: Path) -> None:
    runs.run(world, tmp_path / "out", cache_dir=tmp_path / "cache")
    moved = tmp_path / "moved"
    (world / "images").rename(world / "elsewhere")
    try:
        moved.mkdir()
        (moved / "images").symlink_to(world / "elsewhere")
        for name in ("same.csv", "rated.csv"):
            (moved / name).write_bytes((world / name).read_bytes())
        model = runs.make_model()
        model.name = "renamed"
        manager = MultiModelTaskManager(model, runs.tasks(moved), 4, cache_dir=tmp_path / "cache")
        manager.run_all_tasks_all_models(tmp_path / "again", plots=False)
    finally:
        (world / "elsewhere").rename(world / "images")
    assert model.images_seen == 0


def test_a_change_of_weights_or_settings_is_seen(world: Path, tmp_path: Path) -> None:
    runs.run(world, tmp_path / "out", cache_dir=tmp_path / "cache")
    changed = runs.make_model()
    with torch.no_grad():
        changed.model[0].bias[0] += 1e-3
    manager = MultiModelTaskManager(changed, runs.tasks(world), 4, cache_dir=tmp_path / "cache")
    manager.run_all_tasks_all_models(tmp_path / "again", plots=False)
    assert changed.images_seen == runs.N_IMAGES


def test_the_same_bytes_twice_are_one_image(world: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name in ("a.png", "b.png", "c.png"):
        (images / name).write_bytes((world / "images" / "00.png").read_bytes())
    pairs = {"img1": ["a.png", "b.png"], "img2": ["b.png", "c.png"], "condition": ["x", "x"]}
    pd.DataFrame(pairs).to_csv(tmp_path / "pairs.csv", index=False)
    model = runs.make_model()
    task = ConditionedAverageDistances("same", tmp_path / "pairs.csv", images)
    manager = MultiModelTaskManager(model, task, cache_dir=tmp_path / "cache")
    manager.run_all_tasks_all_models(tmp_path / "out", plots=False)
    assert model.images_seen == 1
    found = manager.model_task_distances_dfs["net"]["same"]["model_computed_distance"]
    assert (found == 0).all()


def test_several_devices_share_the_images(
    world: Path, expected: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager = runs.run(
        world, tmp_path / "out", cache_dir=tmp_path / "cache", devices=["cpu", "cpu"], num_workers=0
    )
    np.testing.assert_allclose(runs.distances(manager), expected, rtol=0, atol=1e-5)
    assert "failed" not in caplog.text
    # The processes did it all; the run found it in the store.
    assert manager.records["net"].n_hits == runs.N_IMAGES
    assert manager.records["net"].n_forwards == 0


def test_autocast_is_a_different_embedding(
    world: Path, expected: np.ndarray, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    runs.run(world, tmp_path / "out", cache_dir=cache)
    half = runs.run(world, tmp_path / "half", cache_dir=cache, precision="bfloat16")
    assert half.records["net"].n_forwards == runs.N_IMAGES
    assert not np.array_equal(runs.distances(half), expected)
    np.testing.assert_allclose(runs.distances(half), expected, atol=0.2)


def test_too_little_memory_halves_the_batch(
    world: Path,
    expected: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    forward = runs.Net._forward

    def small_device(self: runs.Net, batch: torch.Tensor) -> torch.Tensor:
        if len(batch) > 3:
            msg = "out of memory"
            raise torch.OutOfMemoryError(msg)
        return forward(self, batch)

    monkeypatch.setattr(runs.Net, "_forward", small_device)
    manager = runs.run(world, tmp_path / "out", cache_dir=None, batch_size=8)
    np.testing.assert_allclose(runs.distances(manager), expected, rtol=0, atol=1e-5)
    assert "need too much memory; continuing with 2" in caplog.text


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock for the engine's measurements, which tests put forward."""
    clock = SimpleNamespace(now=0.0)
    clock.perf_counter = lambda: clock.now
    clock.process_time = clock.perf_counter
    monkeypatch.setattr(engine_forward, "time", clock)
    monkeypatch.setattr(engine_steadiness, "time", clock)
    return clock


def test_the_faster_memory_layout_is_measured_and_remembered(
    world: Path, expected: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    clock: SimpleNamespace,
) -> None:  # fmt: skip
    forward, tried = runs.Net._forward, []

    def slow_unless_last(self: runs.Net, batch: torch.Tensor) -> torch.Tensor:
        last = self.memory_format == torch.channels_last
        tried.append(last)
        clock.now += (0.01 if last else 0.1) * len(batch)
        return forward(self, batch)

    monkeypatch.setattr(runs.Net, "_forward", slow_unless_last)
    monkeypatch.setattr(runs.Net, "fingerprint", "with what this test counts", raising=False)
    options = {"cache_dir": tmp_path / "cache", "batch_size": 1}
    manager = runs.run(world, tmp_path / "out", **options)
    np.testing.assert_allclose(runs.distances(manager), expected, rtol=0, atol=1e-5)
    assert manager.records["net"].layout == "channels_last"
    # Two small trials, the first image in both layouts, and then all images in the faster one.
    assert tried[:4] == [False, False, True, False]
    assert all(tried[4:])
    assert len(tried[4:]) == runs.N_IMAGES
    assert manager.records["net"].n_forwards == runs.N_IMAGES
    tried.clear()
    other = runs.make_model(["4"])
    task = runs.tasks(world)[0]
    again = MultiModelTaskManager(other, task, 2, cache_dir=tmp_path / "cache")
    again.run_all_tasks_all_models(tmp_path / "again", plots=False)
    assert other.memory_format == torch.channels_last


@pytest.mark.parametrize("stopped_after", [5, 9])
def test_a_stopped_run_goes_on_in_the_layout_it_was_begun_in(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: SimpleNamespace,
    stopped_after: int,
) -> None:  # fmt: skip
    forward, seen = runs.Net._forward, []

    def by_layout(self: runs.Net, batch: torch.Tensor) -> torch.Tensor:
        # Layouts differ in the last bits; here they differ by more.
        last = self.memory_format == torch.channels_last
        seen.append(len(batch))
        clock.now += (0.01 if last else 0.1) * len(batch)
        if len(seen) == stops_at:
            raise KeyboardInterrupt
        return forward(self, batch) * (1.00001 if last else 1.0)

    monkeypatch.setattr(runs.Net, "_forward", by_layout)
    monkeypatch.setattr(runs.Net, "fingerprint", "with what this test counts", raising=False)
    stops_at = 0
    undisturbed = runs.run(world, tmp_path / "out", cache_dir=tmp_path / "cache", batch_size=1)
    seen.clear()
    # The trials of steadiness and layout come before the first result: 2 + 2 times.
    stops_at = 4 + stopped_after
    options = {"cache_dir": tmp_path / "other", "batch_size": 1}
    with pytest.raises(KeyboardInterrupt):
        runs.run(world, tmp_path / "out", **options)
    stops_at = 0
    again = runs.run(world, tmp_path / "out", **options)
    assert again.records["net"].layout == undisturbed.records["net"].layout == "channels_last"
    assert 0 < again.records["net"].n_hits < runs.N_IMAGES
    assert np.array_equal(runs.distances(again), runs.distances(undisturbed))


def test_half_precision_on_disk_is_half_precision_from_the_first_run_on(
    world: Path, expected: np.ndarray, tmp_path: Path
) -> None:
    options = {"cache_dir": tmp_path / "cache", "cache_dtype": "float16"}
    first = runs.run(world, tmp_path / "first", **options)
    second = runs.run(world, tmp_path / "second", **options)
    assert np.array_equal(runs.distances(first), runs.distances(second))
    assert second.records["net"].n_forwards == 0
    assert first.provenance["settings"]["cache_dtype"] == "float16"
    np.testing.assert_allclose(runs.distances(first), expected, atol=5e-3)
    assert not np.array_equal(runs.distances(first), expected)
    exact = runs.run(world, tmp_path / "exact", cache_dir=tmp_path / "cache")
    np.testing.assert_allclose(runs.distances(exact), expected, atol=1e-5)


def test_what_a_run_took_and_came_from_is_written_beside_it(world: Path, tmp_path: Path) -> None:
    manager = MultiModelTaskManager(
        runs.make_model(), runs.tasks(world), 4, cache_dir=tmp_path / "cache"
    )
    manager.run_all_tasks_all_models(tmp_path / "out")
    told = json.loads((tmp_path / "out" / "provenance.json").read_text())
    model = told["models"]["net"]
    assert {"python", "torch", "numpy"} <= told["versions"].keys()
    assert told["seconds"]["plot"] > 0
    assert {"decode", "forward", "metric", "export", "store"} <= model["seconds"].keys()
    assert (model["n_misses"], model["n_hits"], model["n_forwards"]) == (24, 0, 24)
    assert model["peak_memory"] > 10**7
    assert len(model["weights_digest"]) == 32
