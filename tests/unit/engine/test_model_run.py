"""The phases of a model's run: what the store knows is looked up, else a first batch tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facebench.engine import embed
from facebench.store import open_store
from support import runs


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    return sorted((runs.make_world(tmp_path / "world") / "images").iterdir())


class Batches(runs.Net):
    """Remembers the batches it was given."""

    def _forward(self, input_tensor: Any) -> Any:
        self.__dict__.setdefault("sizes", []).append(len(input_tensor))
        return super()._forward(input_tensor)


def model() -> Any:
    return Batches("net", extract_layers=runs.LAYERS, preprocess_function=runs.transform)


def test_first_outputs_are_shown_once_before_the_rest_is_made(images: list[Path]) -> None:
    shown = []
    net = model()

    def show(layers: Any) -> None:
        shown.append((len(net.sizes), {layer: len(rows) for layer, rows in layers.items()}))

    embed(net, images, batch_size=5, num_workers=0, on_first_outputs=show)
    assert shown == [(1, dict.fromkeys(runs.LAYERS, 2))]
    assert net.sizes == [5, 5, 5, 5, 4]


def test_stored_rows_are_shown_and_nothing_runs(images: list[Path], tmp_path: Path) -> None:
    store = open_store(tmp_path / "cache")
    first = embed(model(), images, num_workers=0, store=store)
    shown: list[Any] = []
    net = model()
    again = embed(net, images, num_workers=0, store=store, on_first_outputs=shown.append)
    assert not hasattr(net, "sizes")
    assert [list(layers) for layers in shown] == [runs.LAYERS]
    for layer in runs.LAYERS:
        assert np.array_equal(again.layers[layer], first.layers[layer])


def test_a_first_batch_that_cannot_be_read_is_passed_over(images: list[Path]) -> None:
    for path in images[:7]:
        path.write_bytes(b"no image")
    net = model()
    found = embed(net, images, batch_size=3, num_workers=0, on_bad_image="skip")
    assert set(found.bad_images) == set(images[:7])
    # The batch that taught the layers is cut as all others are; no image runs twice.
    assert sum(net.sizes) == len(images) - 7
    assert found.rows.tolist() == [-1] * 7 + list(range(len(images) - 7))


def test_an_error_of_whoever_looks_at_first_outputs_ends_the_run(images: list[Path]) -> None:
    net = model()

    def refuse(_layers: Any) -> None:
        raise KeyError("no")

    with pytest.raises(KeyError):
        embed(net, images, batch_size=4, num_workers=0, on_first_outputs=refuse)
    assert net.sizes == [4]
