"""What a plan holds, as tables and text."""

from __future__ import annotations

import json

from facebench.engine.plan_tables import LayerPlan, ModelPlan, RunPlan, TaskPlan

LAYERS = [LayerPlan("conv", 800, "streamed", 3), LayerPlan("fc", 8, "kept", 24)]
PLAN = RunPlan(
    [
        ModelPlan("net", 24, 20, 4, 6, LAYERS, 2_000_000, 3_000, 12.4),
        ModelPlan("done", 24, 24, 0, 0, [], 0, 0, None, note="nothing is kept"),
    ],
    [TaskPlan("verify", 60, 24, ["07.png", "08.png"]), TaskPlan("rate", 12, 24, [])],
)


def test_a_row_per_model_task_and_layer() -> None:
    models = PLAN.to_frame().set_index("Model")
    assert models.loc["net", ["Wide Layers", "Widest", "Forwards"]].tolist() == [1, 800, 6]
    assert models.loc["done", ["Layers", "Widest"]].tolist() == [0, 0]
    assert PLAN.tasks_frame()["Missing"].tolist() == [2, 0]
    assert PLAN.layers_frame()["How"].tolist() == ["streamed", "kept"]


def test_as_text_unknown_times_are_dashes_and_missing_images_are_named() -> None:
    text = str(PLAN)
    net, done = (line for line in text.splitlines()[1:3])
    assert net.split()[-6:] == ["2.0", "MB", "3.0", "kB", "12", "s"]
    assert done.endswith("-")
    assert "Task 'verify': 2 images missing, first '07.png'." in text
    assert "Model 'done': nothing is kept" in text
    assert "rate': " not in text


def test_it_goes_into_json() -> None:
    assert json.loads(json.dumps(PLAN.as_dict()))["models"][0]["layers"][0]["width"] == 800
