"""Sizes as people write and read them, and what room there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from facebench.engine.memory import as_bytes, free_disk, peak_memory, shown_bytes
from facebench.errors import InputError


@pytest.mark.parametrize(
    ("size", "expected"),
    [(1000, 1000), ("4GiB", 4 * 2**30), ("1.5 gb", 1_500_000_000), ("20 MB", 20_000_000)],
)
def test_sizes_are_read_as_people_write_them(size: object, expected: int) -> None:
    assert as_bytes(size, "max_memory") == expected


@pytest.mark.parametrize("size", [0, -1, True, "lots", "4 GBit", None, float("nan")])
def test_what_is_no_size_is_told(size: object) -> None:
    with pytest.raises(InputError, match="'max_memory' parameter must be a size"):
        as_bytes(size, "max_memory")


def test_sizes_are_shown_short() -> None:
    assert [shown_bytes(size) for size in (999, 2_500, 3.2e9, 5e13)] == [
        "999 B", "2.5 kB", "3.2 GB", "50.0 TB",
    ]  # fmt: skip


def test_a_folder_yet_to_be_made_has_the_room_of_where_it_will_be(tmp_path: Path) -> None:
    assert free_disk(tmp_path / "not" / "yet") == pytest.approx(free_disk(tmp_path), rel=0.05)


def test_the_peak_is_never_below_what_is_held() -> None:
    held = bytearray(b"x" * 2**20)
    assert peak_memory() > len(held)
