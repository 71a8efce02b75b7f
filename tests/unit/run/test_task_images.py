"""The images of tasks of pairs and of tasks of single images."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from facebench import EmbeddingTask
from facebench.errors import MissingImageError
from facebench.run.task_images import image_names, images_of, paths_of
from support import runs


class Items(EmbeddingTask):
    def compute_items(self, embeddings: object) -> pd.DataFrame:
        return pd.DataFrame({"image": self.images})

    def compute_task_performance(self, items_df: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"n": [len(items_df)]})

    @staticmethod
    def plot(output_dir: str, performances: pd.DataFrame, *optional: object) -> None:
        """Draw nothing."""


def test_both_sides_of_pairs_then_a_list(tmp_path: Path) -> None:
    world = runs.make_world(tmp_path / "world")
    rated = runs.tasks(world)[1]
    even, odd = ([f"{number:02d}.png" for number in range(start, 24, 2)] for start in (0, 1))
    assert image_names(rated) == [*even, *odd]
    assert [path.name for path in paths_of(images_of(rated))] == [*even, *odd]
    items = Items("items", ["03.png", "01.png", "03.png"], world / "images")
    assert image_names(items) == ["03.png", "01.png", "03.png"]
    assert [path.name for path in paths_of(images_of(items))] == image_names(items)


def test_missing_ones_are_named_but_not_found(tmp_path: Path) -> None:
    world = runs.make_world(tmp_path / "world")
    items = Items("items", ["01.png", "nowhere.png"], world / "images")
    assert "nowhere.png" in image_names(items)
    with pytest.raises(MissingImageError, match=r"nowhere\.png"):
        images_of(items)
