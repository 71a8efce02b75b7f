"""Embeddings in a file are those that the network gives, a row per image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from facebench.errors import ImageError
from facebench.run.embeddings_file import embed_folder
from support import runs


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setenv("FACEBENCH_CACHE", "off")
    return sorted((runs.make_world(tmp_path / "world") / "images").iterdir())[:5]


def rows_of(path: Path, layer: str) -> tuple[list[str], np.ndarray]:
    if path.suffix == ".npz":
        with np.load(path) as file:
            return file["images"].tolist(), file[layer]
    table = pq.read_table(path)
    return table["image"].to_pylist(), np.array(table[layer].to_pylist(), dtype=np.float32)


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_a_row_per_image(images: list[Path], tmp_path: Path, suffix: str) -> None:
    output = tmp_path / f"out{suffix}"
    found = embed_folder(runs.make_model(), tmp_path / "world", images, output, batch_size=2)
    for layer in runs.LAYERS:
        names, rows = rows_of(output, layer)
        assert names == [f"images/{path.name}" for path in images]
        assert np.array_equal(rows, found.layers[layer])


def test_images_that_cannot_be_read(images: list[Path], tmp_path: Path) -> None:
    images[1].write_bytes(b"no image")
    output = tmp_path / "out.npz"
    with pytest.raises(ImageError):
        embed_folder(runs.make_model(), tmp_path / "world", images, output)
    assert not output.exists()
    embed_folder(runs.make_model(), tmp_path / "world", images, output, skip_bad=True)
    names, rows = rows_of(output, "4")
    assert names == [f"images/{path.name}" for path in images if path != images[1]]
    assert len(rows) == 4
