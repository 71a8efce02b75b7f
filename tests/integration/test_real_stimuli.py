"""Stimuli made of real photographs; skipped where the data is not there."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import pairwise

from facebench import DlibResNetModel, MultiModelTaskManager, RelativeDifferenceTask
from facebench.stimuli import make_conditions
from support.data import data_folder

LFW = data_folder() / "lfw_view1"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not LFW.is_dir(), reason=f"no LFW data at {LFW} (set FACEBENCH_DATA)"),
]
N_PEOPLE = 12
CONDITIONS = ("thatcherised", "composite", "eyes-replaced", "mouth-height")


@pytest.fixture(scope="module")
def stimuli(tmp_path_factory):
    return make_conditions(
        LFW / "images",
        tmp_path_factory.mktemp("stimuli") / "out",
        CONDITIONS,
        n_people=N_PEOPLE,
        n_images=2,
        min_images=2,
        seed=1,
        workers=1,
    )


def test_nearly_all_faces_serve(stimuli):
    assert stimuli.n_sources == 2 * N_PEOPLE
    assert stimuli.made["thatcherised"] >= 0.95 * stimuli.n_sources
    # Heads turned by more than 30 degrees are no composite, and lend or get no features.
    assert all(count >= 0.85 * stimuli.n_sources for count in stimuli.made.values())
    assert any("turned" in item.reason for item in stimuli.left_out)


def test_thatcherised_faces_have_no_seams(stimuli):
    """The steepest steps of a face are its own, not edges of what was turned."""
    folder = stimuli.images_path
    ratios = []
    for path in (folder / "thatcherised").rglob("*.png"):
        name = path.relative_to(folder / "thatcherised")
        steps = [
            np.abs(np.diff(np.asarray(Image.open(folder / version / name), float), axis=0))
            for version in ("upright", "thatcherised")
        ]
        ratios.append(np.percentile(steps[1], 99.5) / np.percentile(steps[0], 99.5))
    assert np.mean(ratios) == pytest.approx(1, abs=0.05)
    assert max(ratios) < 1.25


def test_a_network_shows_the_composite_effect(stimuli, tmp_path):
    """One upper half with two lower halves is two faces, unless the lower half is moved aside."""
    task = RelativeDifferenceTask(
        "composite",
        stimuli.tables["composite"],
        stimuli.images_path,
        pairwise.euclidean_distances,
        group_column="condition",
    )
    manager = MultiModelTaskManager(DlibResNetModel(align=False), task)
    manager.run_all_tasks_all_models(tmp_path, plots=False)
    distances = manager.model_task_distances_dfs["dlib-resnet"]["composite"]
    one_upper_half = distances[distances["same"] == 1]
    means = one_upper_half.groupby("condition")["model_computed_distance"].mean()
    assert means["aligned"] > 1.1 * means["misaligned"]


def test_pixels_show_no_composite_effect(stimuli):
    pairs = pd.read_csv(stimuli.tables["composite"])
    distances = [
        np.linalg.norm(
            np.subtract(
                *(np.asarray(Image.open(stimuli.images_path / name), float) for name in names)
            )
        )
        for names in zip(pairs["img1"], pairs["img2"], strict=True)
    ]
    means = pairs.assign(distance=distances).groupby(["same", "condition"])["distance"].mean()
    assert means[1, "aligned"] == pytest.approx(means[1, "misaligned"], rel=1e-3)
    assert means[0, "aligned"] == pytest.approx(means[0, "misaligned"], rel=0.01)
