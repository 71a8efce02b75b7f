"""An EmbeddingTask runs through the same door as tasks of pairs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from facebench import EmbeddingTask, MultiModelTaskManager
from facebench.errors import InputError, MissingImageError
from support.small_net import SmallNet, small_transform


class NormTask(EmbeddingTask):
    """The length of every embedding."""

    def compute_items(self, embeddings):
        return pd.DataFrame({"image": self.images, "norm": np.linalg.norm(embeddings, axis=1)})

    def compute_task_performance(self, items_df):
        return pd.DataFrame({"Mean Norm": [items_df["norm"].mean()]})

    @staticmethod
    def plot(output_dir, performances, *optional):
        pass


@pytest.fixture
def model():
    return SmallNet("small", extract_layers=["0", "4"], preprocess_function=small_transform)


def test_items_follow_the_named_images_and_are_kept_and_exported(image_folder, model, tmp_path):
    paths = image_folder(3)
    names = [paths[2].name, paths[0].name, paths[2].name]
    manager = MultiModelTaskManager(model, NormTask("norms", names, paths[0].parent))
    manager.run_all_tasks_all_models(tmp_path / "out", plots=False)
    expected = {
        layer: np.linalg.norm(rows.numpy(), axis=1)
        for layer, rows in model.get_output(
            torch.stack([model.preprocess_image(paths[index]) for index in (2, 0)])
        ).items()
    }
    items = manager.model_task_distances_dfs["small"]["norms"]
    for layer, rows in items.groupby("layer_name"):
        assert list(rows["image"]) == names
        np.testing.assert_allclose(rows["norm"], expected[layer][[0, 1, 0]], rtol=1e-5)
    assert manager.tasks_performance_dfs["norms"]["Layer Name"].tolist() == ["0", "4"]
    assert (tmp_path / "out" / "Computed Metrics" / "small" / "4" / "norms.csv").is_file()


def test_an_unreadable_image_is_a_row_of_nan_and_counted(image_folder, model, tmp_path):
    paths = image_folder(2)
    paths[0].write_bytes(b"no image")
    task = NormTask("norms", [path.name for path in paths], paths[0].parent)
    manager = MultiModelTaskManager(model, task, on_bad_image="skip")
    manager.run_all_tasks_all_models(tmp_path / "out", plots=False)
    items = manager.model_task_distances_dfs["small"]["norms"]
    assert items["norm"].isna().tolist() == [True, False] * 2
    assert manager.remarks["small"]["norms: Images Lost"] == 1


def test_missing_images_are_named_before_anything_is_embedded(image_folder, model):
    folder = image_folder(1)[0].parent
    manager = MultiModelTaskManager(model, NormTask("norms", ["gone.png"], folder))
    with pytest.raises(MissingImageError, match=r"'gone.png' in row 1"):
        manager.run_all_tasks_all_models(folder / "out")
    assert model.images_seen == 0


def test_a_task_needs_images(tmp_path):
    with pytest.raises(InputError, match="at least one image"):
        NormTask("norms", [], tmp_path)
