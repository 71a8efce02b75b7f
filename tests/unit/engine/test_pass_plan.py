"""What the plan says is what the run does: one function decides for both."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facebench import AccuracyTask, EmbeddingTask, MultiModelTaskManager
from facebench.engine import pass_plan
from facebench.engine.pass_plan import PassPlan, WidePlan
from facebench.engine.placement import place_layers
from facebench.engine.schedule import make_schedule
from support import runs

# Bytes that leave the wide layers no room.
LITTLE = 150_000


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.make_world(tmp_path_factory.mktemp("world"))


class Norms(EmbeddingTask):
    """Needs the rows themselves."""

    def compute_items(self, embeddings: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame({"norm": np.linalg.norm(embeddings, axis=1)})

    def compute_task_performance(self, items: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"Mean Norm": [items["norm"].mean()]})

    @staticmethod
    def plot(output_dir: str, performances: pd.DataFrame) -> None:
        pass


def manager_of(
    world: Path, cache: Path | None, layers: list[str], rows: list[int] | None, **options: Any
) -> MultiModelTaskManager:
    tasks = runs.tasks(world)
    if rows is not None:
        for task in tasks:
            task.pairs_df = task.pairs_df.iloc[rows[0] : rows[0] + rows[1]]
    return MultiModelTaskManager(
        runs.make_model(layers), tasks, cache_dir=cache, num_workers=0, **options
    )


def run_quietly(manager: MultiModelTaskManager, folder: Path) -> None:
    manager.run_all_tasks_all_models(folder, plots=False)


EARLIER = st.fixed_dictionaries(
    {
        "layers": st.lists(st.sampled_from(runs.LAYERS), min_size=1, unique=True),
        "rows": st.tuples(st.integers(0, 6), st.integers(2, 6)).map(list),
        "max_memory": st.sampled_from([None, LITTLE]),
        "batch_size": st.integers(1, 7),
    }
)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(
    earlier=st.lists(EARLIER, max_size=2),
    store=st.booleans(),
    damaged=st.booleans(),
    max_memory=st.sampled_from([None, LITTLE]),
    cost=st.sampled_from([0.0, float("inf")]),
    batch_size=st.integers(1, 9),
)
def test_plan_and_run_agree(
    world: Path,
    earlier: list[dict[str, Any]],
    store: bool,
    damaged: bool,
    max_memory: int | None,
    cost: float,
    batch_size: int,
) -> None:
    """Whatever earlier runs have left, with or without memory and a store, whole or damaged."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as scratch:
        patch.setattr(pass_plan, "_SPILL_SECONDS", cost)
        cache = Path(scratch) / "cache" if store else None
        for number, options in enumerate(earlier):
            run_quietly(manager_of(world, cache, **options), Path(scratch) / str(number))
        if damaged and earlier and cache is not None and any((cache / "shards").iterdir()):
            runs.damage_a_row(cache)
        options = {"max_memory": max_memory, "batch_size": batch_size}
        manager = manager_of(world, cache, runs.LAYERS, None, **options)
        (plan,) = manager.plan().models
        run_quietly(manager, Path(scratch) / "out")
        record = manager.records["net"]
        assert record.n_forwards == plan.n_forwards
        assert record.layers == {layer.layer: layer.how for layer in plan.layers}
        assert (record.n_hits, record.n_misses) == (plan.n_stored, plan.n_to_embed)
        (after,) = manager.plan().models
        if store:
            assert after.n_forwards == 0


@pytest.mark.slow
@pytest.mark.parametrize("warm", [False, True])
def test_tasks_that_need_rows_have_wide_layers_wait_on_disk(
    world: Path, tmp_path: Path, warm: bool
) -> None:
    names = [f"{number:02d}.png" for number in range(8)]

    def manager(**options: Any) -> MultiModelTaskManager:
        task = Norms("norms", names, world / "images")
        return MultiModelTaskManager(
            runs.make_model(), task, 4, cache_dir=tmp_path / "cache", num_workers=0, **options
        )

    if warm:
        run_quietly(manager(), tmp_path / "first")
    little = manager(max_memory=40_000)
    (plan,) = little.plan().models
    run_quietly(little, tmp_path / "out")
    record = little.records["net"]
    assert record.n_forwards == plan.n_forwards == (0 if warm else 8)
    assert record.layers == {layer.layer: layer.how for layer in plan.layers}
    assert record.layers["0"] == "spilled"


def plan_of(kept: list[bool], pairs: list[tuple[int, int]], how: Any, stored: Any = ()) -> PassPlan:
    """Plan by hand: one wide layer, batches of two."""
    graph = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    needed, known = np.zeros(len(kept), dtype=bool), np.zeros(len(kept), dtype=bool)
    needed[graph.ravel()] = True
    known[list(stored)] = True
    schedule = make_schedule(graph, len(kept), batch_size=2, capacity=4)
    wide = WidePlan(["w"], [], {"w": []}, [], needed, known, schedule, how, Path())
    placement = place_layers({"w": 10, "k": 1}, len(kept), 8 * 4 * len(kept), 2)
    return PassPlan({"w": 10, "k": 1}, placement, {"k": sum(kept)}, np.array(kept), wide, 2)


class TestPassPlan:
    def test_of_spilled_layers_each_image_runs_once(self) -> None:
        plan = plan_of([True, False, True, False], [(0, 1), (0, 2)], "spilled")
        assert plan.complete.tolist() == [False, False, False, False]
        assert plan.n_forwards() == 4
        # What ran before the plan was made need not run again.
        assert plan.n_forwards([0, 1]) == 4

    def test_streamed_layers_need_their_first_batch_again(self) -> None:
        plan = plan_of([True] * 4, [(0, 1), (2, 3)], "streamed")
        assert plan.n_forwards() == 4
        assert plan.n_forwards([0, 1]) == 6

    def test_stored_rows_do_not_run(self) -> None:
        plan = plan_of([True] * 4, [(0, 1), (2, 3)], "streamed", stored=[0, 1, 2])
        assert plan.complete.tolist() == [True, True, True, False]
        assert plan.n_forwards() == 1

    def test_what_only_kept_layers_lack_comes_after_the_pairs(self) -> None:
        plan = plan_of([True, True, False, False], [(0, 1)], "streamed")
        pairs, *rest = [step.images for step in plan.steps(plan.complete)]
        assert sorted(pairs) == [0, 1]
        assert [image for images in rest for image in images] == [2, 3]
        assert plan.how("w") == "streamed"
        assert plan.how("k") == "kept"
        assert plan.n_known("k") == 2


def test_nothing_wide_is_planned_without_comparing(world: Path, tmp_path: Path) -> None:
    task = AccuracyTask("x", world / "same.csv", world / "images", true_label="same")
    manager = MultiModelTaskManager(runs.make_model(["4"]), task, cache_dir=tmp_path / "cache")
    (plan,) = manager.plan().models
    assert [(layer.layer, layer.how) for layer in plan.layers] == [("4", "kept")]
    assert plan.n_forwards == runs.N_IMAGES
