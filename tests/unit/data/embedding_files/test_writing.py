"""Layers whose names a format needs for itself come back under their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facebench.data.embedding_files import open_embeddings, write_embeddings


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_any_name_of_a_layer(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    names = ["images", "file", "image", "layer_images", "layer_image", "default", "fc.1", "a/b"]
    layers = {name: rng.random((4, 3), "f4") for name in names}
    path = tmp_path / f"x{suffix}"
    write_embeddings(path, ["c.jpg", "a.jpg"], layers, [2, 0])
    found = open_embeddings(path)
    assert found.names == ["c.jpg", "a.jpg"]
    assert found.layers == names
    for layer, table in layers.items():
        assert np.array_equal(found.read(layer), table[[2, 0]])
