"""TemplateVerificationTask: by hand, mirrored images, and through a whole run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from PIL import Image
from sklearn.metrics import roc_auc_score
from sklearn.metrics.pairwise import euclidean_distances

from facebench import MultiModelTaskManager, TemplateVerificationTask, write_flipped
from facebench.errors import InputError, MissingImageError, PairsError
from facebench.metrics.templates import pool_templates
from support.small_net import SmallNet, small_transform

IMAGES = pd.DataFrame(
    {
        "template": ["1", "1", "1", "2", "3", "4"],
        "image": list("abcdef"),
        "media": [1, 2, 2, 1, 1, 1],
        "identity": ["ann", "ann", "ann", "ann", "bea", "bea"],
        "score": [1, 0.5, 0.5, 1, 1, 1],
    }
)
PAIRS = pd.DataFrame(
    {
        "template1": [1, 3, 1, 2],
        "template2": [2, 4, 3, 4],
        "same": ["same", "Same", "different", "different"],
    }
)
EMBEDDINGS = np.array([[0.0], [3], [5], [2], [8], [6]], dtype=np.float32)


def make(templates: Any = IMAGES, pairs: Any = PAIRS, **options: Any) -> TemplateVerificationTask:
    given = {
        "distance_metric": euclidean_distances,
        "normalise": "none",
        "n_resamples": 40,
        **options,
    }
    return TemplateVerificationTask("templates", templates, pairs, "images", **given)


def test_by_hand() -> None:
    task = make()
    items = task.compute_items(EMBEDDINGS)
    # Template 1 is the mean of 0 and of the video's 4.
    assert items["model_computed_distance"].tolist() == [0, 2, 6, 4]
    row = task.compute_task_performance(items.assign(layer_name="l")).iloc[0]
    assert row[["AUC", "EER", "TAR@FAR=0.1", "Oracle Accuracy"]].isna().tolist() == [
        False, False, True, False,
    ]  # fmt: skip
    assert row[["AUC", "EER", "Oracle Accuracy"]].tolist() == [1, 0, 1]
    assert row[["Pairs", "Templates", "Images", "Identities", "Failed"]].tolist() == [4, 4, 6, 2, 0]
    assert row["CI Method"] == (
        "95 % jackknife of people (2 groups), t quantiles; score intervals next to 0 and 1; "
        "no interval for Oracle Accuracy, AUC, EER, d': fewer than three people or images, or not "
        "defined without one of them"
    )


def test_without_media_and_people_and_with_weights() -> None:
    weighted = make(weights="score").compute_items(EMBEDDINGS)
    assert_allclose(weighted["model_computed_distance"][0], abs((0 + 2) / 1.5 - 2), rtol=1e-6)
    task = make(IMAGES[["template", "image"]].rename(columns={"image": "img"}))
    items = task.compute_items(EMBEDDINGS)
    assert_allclose(items["model_computed_distance"][0], 8 / 3 - 2, rtol=1e-6)
    row = task.compute_task_performance(items.assign(layer_name="l")).iloc[0]
    assert "jackknife of templates" in row["CI Method"]
    assert "Identities" not in row


def test_a_template_that_cannot_be_read_is_rejected_and_counted() -> None:
    embeddings = EMBEDDINGS.copy()
    embeddings[3] = np.nan
    task = make()
    items = task.compute_items(embeddings).assign(layer_name="l")
    assert items["model_computed_distance"].isna().tolist() == [True, False, False, True]
    row = task.compute_task_performance(items).iloc[0]
    assert row["Failed"] == 2
    assert row["AUC"] < 1


def test_numbers_and_intervals_on_many_pairs() -> None:
    generator = np.random.default_rng(0)
    people = np.repeat(np.arange(40), 3)
    images = pd.DataFrame(
        {"template": np.arange(120).astype(str), "image": np.arange(120), "identity": people}
    )
    first, second = np.triu_indices(120, 1)
    chosen = (people[first] == people[second]) | (generator.random(first.size) < 0.05)
    first, second = first[chosen], second[chosen]
    same = people[first] == people[second]
    pairs = pd.DataFrame({"template1": first, "template2": second, "same": same})
    embeddings = generator.normal(size=(40, 4))[people] + generator.normal(size=(120, 4))
    task = make(images, pairs, n_resamples=100)
    items = task.compute_items(embeddings.astype(np.float32)).assign(layer_name="l")
    row = task.compute_task_performance(items).iloc[0]
    expected = roc_auc_score(same, -np.linalg.norm(embeddings[first] - embeddings[second], axis=1))
    assert row["AUC"] == pytest.approx(expected, abs=1e-5)
    for name in ("AUC", "EER", "TAR@FAR=0.1"):
        assert row[f"{name} CI Low"] < row[name] < row[f"{name} CI High"]


def test_mirrored_images_are_mirrored_without_loss(image_folder: Any, tmp_path: Path) -> None:
    path = image_folder(1)[0]
    written = write_flipped([path.name, path.name], path.parent, tmp_path / "flipped")
    assert [file.name for file in written] == ["image000.png.png"]
    with Image.open(written[0]) as mirrored, Image.open(path) as upright:
        assert (np.asarray(mirrored) == np.asarray(upright)[:, ::-1]).all()


@pytest.mark.slow
@pytest.mark.parametrize("flip", ["sum", "concat"])
def test_a_whole_run_with_mirrored_images(image_folder: Any, tmp_path: Path, flip: Any) -> None:
    paths = image_folder(6)
    names, folder = [path.name for path in paths], paths[0].parent
    flipped = tmp_path / "elsewhere" / "flipped"
    options = {"flip": flip, "flipped_images_path": flipped, "normalise": "both"}
    templates = IMAGES.assign(image=names)
    with pytest.raises(MissingImageError, match=r"6 mirrored images.*write_flipped"):
        TemplateVerificationTask("t", templates, PAIRS, folder, **options)
    files = write_flipped(names, folder, flipped)
    templates.to_csv(tmp_path / "templates.csv", index=False)
    PAIRS.to_csv(tmp_path / "pairs.csv", index=False)
    task = TemplateVerificationTask(
        "t", tmp_path / "templates.csv", tmp_path / "pairs.csv", folder, **options
    )
    model = SmallNet("small", preprocess_function=small_transform)
    manager = MultiModelTaskManager(model, task)
    manager.run_all_tasks_all_models(tmp_path / "out")
    assert model.images_seen == 12
    items = manager.model_task_distances_dfs["small"]["t"]
    both = [
        np.stack(
            [model.get_output(model.preprocess_image(file)[None])["default"][0] for file in group]
        )
        for group in (paths, files)
    ]
    combined = both[0] + both[1] if flip == "sum" else np.concatenate(both, axis=1)
    vectors = pool_templates(
        combined, templates["template"], media=templates["media"], normalise="both"
    ).vectors
    expected = [1 - vectors[a - 1] @ vectors[b - 1] for a, b in PAIRS.iloc[:, :2].to_numpy()]
    assert_allclose(items["model_computed_distance"], expected, atol=1e-5)
    pictures = tmp_path / "out" / "TemplateVerificationTask Plots"
    assert (pictures / "t_template_auc.png").is_file()


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        (
            {"pairs": PAIRS.assign(template2=[2, 9, 10, 4])},
            PairsError,
            r"2 of 6 have none: '9', '10'\.",
        ),
        ({"pairs": PAIRS.assign(same="maybe")}, PairsError, "'same' column.*'maybe' in row 1"),
        ({"pairs": PAIRS.assign(same=1)}, PairsError, "both classes"),
        ({"pairs": PAIRS.assign(same=[1, 1, 1, 0])}, PairsError, "row 3.*contradicts.*'bea'"),
        ({"templates": IMAGES.assign(template="1")}, PairsError, "have none"),
        (
            {"templates": IMAGES.assign(identity=list("abcdef"))},
            PairsError,
            "'1' of task 'templates' names two",
        ),
        ({"templates": IMAGES.drop(columns="image")}, PairsError, "'image'"),
        ({"weights": "sharpness"}, PairsError, "'weights'.*'sharpness'"),
        ({"weights": "identity"}, PairsError, "numbers of 0 or more"),
        ({"normalise": "maybe"}, InputError, "'normalise'.*'maybe'"),
        ({"flip": "mean"}, InputError, "'flip'.*'mean'"),
        ({"flip": "sum"}, InputError, "together with 'flipped_images_path'"),
    ],
)
def test_bad_input_gets_one_clear_error(options: Any, error: type, match: str) -> None:
    with pytest.raises(error, match=match):
        make(**options)
