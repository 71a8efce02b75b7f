"""A model's part of the store: rows, distances, widths and facts, and nothing of another model."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from facebench.engine.cache import ModelCache
from facebench.metrics.distances import RowDistance
from facebench.store import open_store
from support import runs

DIGESTS = [bytes([number]) * 16 for number in range(3)]
ROWS = np.arange(6, dtype=np.float32).reshape(3, 2)


def cache_of(folder: Path | None, *, other: bool = False) -> ModelCache:
    model = runs.make_model(["2", "4"])
    if other:
        with torch.no_grad():
            model.model[0].bias[0] += 1
    return ModelCache(model, open_store(folder), 3, DIGESTS, "float32")


def test_rows_are_found_by_layer_and_model(tmp_path: Path) -> None:
    cache_of(tmp_path).write({"4": ROWS[[0, 2]]}, [0, 2], [[], []])
    found = cache_of(tmp_path)
    assert found.has("4").tolist() == found.sound("4").tolist() == [True, False, True]
    rows, which = found.rows("4", [2, 1])
    assert rows.tolist() == [[4, 5]]
    assert which.tolist() == [True, False]
    assert not found.has("2").any()
    assert not cache_of(tmp_path, other=True).has("4").any()


def test_a_damaged_row_is_there_but_not_sound(tmp_path: Path) -> None:
    cache_of(tmp_path).write({"4": ROWS}, [0, 1, 2], [[], [], []])
    runs.damage_a_row(tmp_path)
    cache = cache_of(tmp_path)
    assert cache.has("4").sum() == 3
    assert cache.sound("4").sum() == 2


def test_widths_are_known_once_all_layers_are(tmp_path: Path) -> None:
    cache = cache_of(tmp_path)
    assert cache.widths() is None
    cache.keep_widths({"2": 72})
    assert cache.widths() is None
    cache.keep_widths({"2": 72, "4": 8})
    assert cache_of(tmp_path).widths() == {"2": 72, "4": 8}


def test_distances_come_back_to_the_last_bit(tmp_path: Path) -> None:
    distance, pairs = RowDistance("cosine"), np.array([[0, 1], [1, 2]])
    cache_of(tmp_path).write_distances({("4", distance): np.array([1 / 3])}, pairs[:1])
    found = cache_of(tmp_path).distances("4", distance, pairs)
    assert found[0] == 1 / 3
    assert np.isnan(found[1])
    assert np.isnan(cache_of(tmp_path).distances("4", None, pairs)).all()


def test_without_a_store_nothing_is_found() -> None:
    cache = cache_of(None)
    cache.write({"4": ROWS}, [0, 1, 2], [[], [], []])
    cache.keep_widths({"2": 72, "4": 8})
    cache.keep_pace(3.0)
    assert not cache.is_on
    assert not cache.has("4").any()
    assert cache.widths() is None
    assert cache.pace() != 3.0


@pytest.mark.parametrize("what", ["layout", "pace"])
def test_facts_of_this_machine(tmp_path: Path, what: str) -> None:
    value = "contiguous" if what == "layout" else 0.25
    getattr(cache_of(tmp_path), f"keep_{what}")(value)
    assert getattr(cache_of(tmp_path), what)() == value


def test_images_whose_remarks_were_lost_are_embedded_again(tmp_path: Path) -> None:
    cache_of(tmp_path).write({"4": ROWS}, [0, 1, 2], [["no face"]] * 3)
    with closing(sqlite3.connect(tmp_path / "index.sqlite3")) as connection, connection:
        connection.execute("UPDATE notes SET notes = '[]' WHERE image = ?", (DIGESTS[1],))
    cache = cache_of(tmp_path)
    assert cache.has("4").tolist() == cache.sound("4").tolist() == [True, False, True]
    assert cache.notes([0, 1, 2]) == {0: ("no face",), 2: ("no face",)}
    cache.write({"4": ROWS[[1]]}, [1], [["no face"]])
    assert cache.has("4").all()
