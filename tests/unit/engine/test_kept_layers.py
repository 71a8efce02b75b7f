"""Tables are filled from the store and from batches, and only what is new is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facebench.engine import kept_layers
from facebench.engine.cache import ModelCache
from facebench.engine.kept_layers import KeptLayers
from facebench.engine.record import ModelRecord
from facebench.errors import LayerOutputError
from facebench.store import open_store
from support import runs

DIGESTS = [bytes([number]) * 16 for number in range(4)]
PATHS = [Path(f"{number}.png") for number in range(4)]
NOTES: dict[int, tuple[str, ...]] = {number: (f"note {number}",) for number in range(4)}
OUTPUTS = torch.arange(8, dtype=torch.float32).reshape(4, 1, 2)


def begin(folder: Path | None) -> tuple[KeptLayers, ModelCache]:
    model = runs.make_model(["4"])
    cache = ModelCache(model, open_store(folder), 4, DIGESTS, "float32")
    layers = KeptLayers(model, 4, cache, ModelRecord("net"), at_once=True)
    layers.read("4", 2)
    return layers, cache


def test_rows_of_batches_are_found_by_the_next_run(tmp_path: Path) -> None:
    first, _ = begin(tmp_path)
    assert not first.complete.any()
    assert np.isnan(first.tables["4"]).all()
    assert first.some_rows() == {}
    first.take({"4": OUTPUTS[[2, 0]]}, [2, 0], [PATHS[2], PATHS[0]], NOTES)
    again, cache = begin(tmp_path)
    assert again.complete.tolist() == [True, False, True, False]
    assert np.array_equal(again.tables["4"][[0, 2]], [[0, 1], [4, 5]])
    assert again.some_rows()["4"].tolist() == [[0, 1], [4, 5]]
    assert cache.notes([0, 2]) == {0: ("note 0",), 2: ("note 2",)}


def test_only_what_is_new_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layers, cache = begin(tmp_path)
    written: list[list[int]] = []
    monkeypatch.setattr(cache, "write", lambda _rows, images, _notes: written.append(images))
    layers.take({"4": OUTPUTS[:2]}, [0, 1], PATHS[:2], NOTES)
    layers.take({"4": OUTPUTS[1:3]}, [1, 2], PATHS[1:3], NOTES)
    layers.take({"4": OUTPUTS[:2]}, [0, 1], PATHS[:2], NOTES)
    assert written == [[0, 1], [2]]


def test_batches_that_come_fast_are_stored_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = runs.make_model(["4"])
    cache = ModelCache(model, open_store(tmp_path), 4, DIGESTS, "float32")
    write, written = cache.write, list[list[int]]()

    def noted(rows: Any, images: Any, notes: Any) -> None:
        written.append(list(images))
        write(rows, images, notes)

    monkeypatch.setattr(cache, "write", noted)
    clock = [0.0]
    monkeypatch.setattr(kept_layers.time, "monotonic", lambda: clock[0])
    layers = KeptLayers(model, 4, cache, ModelRecord("net"), at_once=False)
    layers.read("4", 2)
    layers._stored = clock[0] = 10.0
    layers.take({"4": OUTPUTS[[2, 0]]}, [2, 0], [PATHS[2], PATHS[0]], NOTES)
    layers.take({"4": OUTPUTS[[3]]}, [3], [PATHS[3]], NOTES)
    assert written == []
    clock[0] += 0.25
    layers.take({"4": OUTPUTS[[1]]}, [1], [PATHS[1]], NOTES)
    assert written == [[2, 0, 3, 1]]
    again, cache = begin(tmp_path)
    assert np.array_equal(again.tables["4"], OUTPUTS[:, 0])
    assert cache.notes([3]) == {3: ("note 3",)}


def test_a_layer_that_the_store_has_is_not_stored_again_beside_a_new_one(tmp_path: Path) -> None:
    def run(layers: dict[str, torch.Tensor], numbers: list[int]) -> None:
        cache = ModelCache(
            runs.make_model(list(layers)), open_store(tmp_path), 4, DIGESTS, "float32"
        )
        cache.keep_widths(dict.fromkeys(layers, 2))
        kept = KeptLayers(runs.make_model(list(layers)), 4, cache, ModelRecord("net"), at_once=True)
        for layer in layers:
            kept.read(layer, 2)
        kept.take(layers, numbers, [PATHS[number] for number in numbers], NOTES)

    run({"4": OUTPUTS[:3]}, [0, 1, 2])
    run({"2": OUTPUTS + 8, "4": OUTPUTS}, [0, 1, 2, 3])
    store = open_store(tmp_path)
    assert {told.layer: told.images for told in store.info().layers} == {"2": 4, "4": 4}


def test_nan_is_refused_by_layer_and_image_and_not_stored(tmp_path: Path) -> None:
    layers, _ = begin(tmp_path)
    wrong = OUTPUTS[:2].clone()
    wrong[1] = float("nan")
    with pytest.raises(LayerOutputError, match=r"Layer '4'.*1\.png"):
        layers.take({"4": wrong}, [0, 1], PATHS[:2], NOTES)
    again, _ = begin(tmp_path)
    assert not again.complete.any()
