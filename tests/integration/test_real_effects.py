"""The inversion effect of a face network, from photographs to the interval."""

from __future__ import annotations

import pytest

from facebench import DlibResNetModel, InversionEffect, MultiModelTaskManager
from facebench.stimuli import make_conditions
from support.data import data_folder

LFW = data_folder() / "lfw_view1"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not LFW.is_dir(), reason=f"no LFW data at {LFW} (set FACEBENCH_DATA)"),
]


def test_inversion_of_the_dlib_network(tmp_path) -> None:
    stimuli = make_conditions(
        LFW / "images", tmp_path / "stimuli", "inverted",
        n_people=25, n_images=2, min_images=2, workers=1,
    )  # fmt: skip
    task = InversionEffect("inversion", stimuli.tables["inverted"], stimuli.images_path)
    # Of the network's layers, the first block hardly knows up from down.
    model = DlibResNetModel("dlib", align=False, extract_layers=["layer1", "fc"])
    manager = MultiModelTaskManager(model, task)
    manager.run_all_tasks_all_models(tmp_path / "out", plots=False)
    rows = manager.tasks_performance_dfs["inversion"].set_index("Layer Name")
    # On all of View 1's test pairs the area is 0.998 upright and 0.74 upside-down.
    assert rows.loc["fc", "upright AUC"] > 0.98
    assert 0.55 < rows.loc["fc", "inverted AUC"] < 0.9
    assert rows.loc["fc", "Difference CI Low"] > 0
    assert rows.loc["fc", "P"] < 0.01
    assert abs(rows.loc["layer1", "Difference"]) < 0.1
