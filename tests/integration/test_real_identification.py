"""Identification and templates on real faces; skipped where the data is not there."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.spatial.distance import cdist

from facebench import (
    DlibResNetModel,
    IdentificationTask,
    MultiModelTaskManager,
    TemplateVerificationTask,
)
from support.data import data_folder

IMAGES = data_folder() / "lfw_view1" / "aligned112"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not IMAGES.is_dir(), reason=f"no LFW data at {IMAGES} (FACEBENCH_DATA)"),
]


@pytest.fixture(scope="module")
def people():
    """The first 30 people with three images or more, three of each."""
    folders = [folder for folder in sorted(IMAGES.iterdir()) if folder.is_dir()]
    names = {
        folder.name: [str(path.relative_to(IMAGES)) for path in sorted(folder.glob("*.jpg"))[:3]]
        for folder in folders
    }
    return dict([item for item in names.items() if len(item[1]) == 3][:30])


def table(rows):
    return pd.DataFrame(rows, columns=["image", "identity"])


def test_whole_run_agrees_with_plain_loops(people, tmp_path):
    enrolled = list(people)[:20]
    gallery = table([(name, who) for who in enrolled for name in people[who][:2]])
    probes = table([(names[2], who) for who, names in people.items()])
    every = table([(name, who) for who, names in people.items() for name in names])
    templates = every.assign(template=every["identity"] + np.tile(["/1", "/1", "/2"], 30))
    pairs = pd.DataFrame(
        [
            (f"{one}/1", f"{other}/2", one == other)
            for one in list(people)[:10]
            for other in list(people)[:10]
        ],
        columns=["template1", "template2", "same"],
    )
    model = DlibResNetModel(align=False)
    identification = IdentificationTask("1:N", gallery, probes, IMAGES, "euclidean", ranks=(1, 5))
    verification = TemplateVerificationTask(
        "1:1", templates, pairs, IMAGES, normalise="both", n_resamples=100
    )
    manager = MultiModelTaskManager(model, [identification, verification])
    manager.run_all_tasks_all_models(tmp_path, plots=False)

    with torch.no_grad():
        batch = torch.stack([model.preprocess_image(IMAGES / name) for name in every["image"]])
        vectors = dict(zip(every["image"], model.get_output(batch)["default"].numpy(), strict=True))
    pooled = [np.mean([vectors[name] for name in people[who][:2]], axis=0) for who in enrolled]
    table_of_distances = cdist([vectors[name] for name in probes["image"]], pooled)
    mates = table_of_distances[np.arange(20), np.arange(20)]
    ranks = np.sum(table_of_distances[:20] <= mates[:, None], axis=1)
    found = manager.tasks_performance_dfs["1:N"].iloc[0]
    assert found["Rank-1"] == pytest.approx(np.mean(ranks == 1), abs=1e-5)
    assert found["Rank-5"] == pytest.approx(np.mean(ranks <= 5), abs=1e-5)
    assert found["Rank-1"] > 0.5
    assert found["CI Method"].startswith("95 % Wilson")
    assert found["Probes outside Gallery"] == 10

    items = manager.model_task_distances_dfs["dlib-resnet"]["1:1"]
    for row in items.iloc[::17].itertuples():
        one, other = (
            np.mean([vectors[n] / np.linalg.norm(vectors[n]) for n in names], axis=0)
            for names in (people[row.identity1][:2], people[row.identity2][2:])
        )
        cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
        assert row.model_computed_distance == pytest.approx(1 - cosine, abs=1e-5)
    assert manager.tasks_performance_dfs["1:1"]["AUC"].iloc[0] > 0.8
