"""Rows of packs as one list, however they are distributed among packs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from facebench.errors import InputError
from facebench.store import pack_rows
from facebench.store.pack_files import PackLayer, open_pack, write_pack
from facebench.store.pack_rows import PackRows, holds_packs

KEY, WIDTH = "key", 3


def digest(number: int) -> bytes:
    return bytes([number]) * 16


def pack(folder: Path, images: Any, key: str = KEY, width: int = WIDTH) -> Path:
    """Write rows that begin with the number of their image."""

    def read(_layer: PackLayer, wanted: Any) -> Any:
        rows = np.arange(width) + np.array([[100.0 * image[0]] for image in wanted])
        return rows.astype(np.float32)

    layer = PackLayer(key, "float32", width, model="net", layer="fc")
    return write_pack(folder, [layer], [digest(number) for number in images], read)


def rows_of(packs: PackRows, first: int = 0, stop: int | None = None) -> Any:
    blocks = packs.blocks(first, packs.n_rows if stop is None else stop)
    return np.concatenate([np.empty((0, WIDTH), np.float32), *blocks])


def test_the_list_does_not_depend_on_the_packs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack_rows, "_AT_ONCE", 4 * WIDTH * 2)
    pack(tmp_path / "one", [7, 1, 4, 9, 2])
    pack(tmp_path / "two", [9, 4])
    pack(tmp_path / "two", [2, 7, 4])
    pack(tmp_path / "two", [1])
    pack(tmp_path / "two", [5, 6], key="another layer", width=2)
    assert holds_packs(tmp_path / "two")
    assert not holds_packs(tmp_path)
    one, two = (PackRows(tmp_path / name, KEY, "float32") for name in ("one", "two"))
    assert (two.n_rows, two.width) == (5, WIDTH)
    assert rows_of(one)[:, 0].tolist() == [100, 200, 400, 700, 900]
    assert_array_equal(rows_of(one), rows_of(two))
    assert_array_equal(rows_of(two, 1, 4), rows_of(one)[1:4])
    assert two.name(3) == digest(7).hex()
    # Digests of the run's images are longer.
    without = PackRows(tmp_path / "two", KEY, "float32", [digest(4) * 2, digest(8)])
    assert rows_of(without)[:, 0].tolist() == [100, 200, 700, 900]


def test_damage_and_other_layers_are_errors(tmp_path: Path) -> None:
    path = pack(tmp_path, [1, 2, 3])
    for key, dtype in (("other", "float32"), (KEY, "float16"), ("", "float32")):
        with pytest.raises(InputError, match=r"There are: net fc \(float32\)\."):
            PackRows(tmp_path, key, dtype)  # type: ignore[arg-type]
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"1 rows of the packs .* are damaged"):
        rows_of(PackRows(tmp_path, KEY, "float32"))
    # Whatever else is wrong with a file: what it held would be missing from the gallery.
    pack(tmp_path, [4, 5])
    for section in ("seal", "images", "checksums.0"):
        damaged = bytearray(data)
        damaged[open_pack(path)._spans[section].begin] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"is not used: it is damaged.* not searched without"):
            PackRows(tmp_path, KEY, "float32")
        path.write_bytes(data)
