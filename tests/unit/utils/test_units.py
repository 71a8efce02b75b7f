"""Sizes and times as people write and read them."""

from __future__ import annotations

import pytest

from facebench.errors import InputError
from facebench.utils.units import as_bytes, shown_bytes, shown_seconds


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1000, 1000),
        ("4GiB", 4 * 2**30),
        ("1.5 gb", 1_500_000_000),
        ("20 MB", 20_000_000),
        ("0.5GB", 500_000_000),
    ],
)
def test_sizes_are_read_as_people_write_them(size: object, expected: int) -> None:
    assert as_bytes(size, "max_memory") == expected


@pytest.mark.parametrize("size", [0, -1, True, "lots", "4 GBit", None, float("nan")])
def test_what_is_no_size_is_told(size: object) -> None:
    with pytest.raises(InputError, match="'max_memory' parameter must be a size"):
        as_bytes(size, "max_memory")


def test_sizes_are_shown_short() -> None:
    assert [shown_bytes(size) for size in (999, 2_500, 999_960, 3.2e9, 5e13)] == [
        "999 B", "2.5 kB", "1.0 MB", "3.2 GB", "50.0 TB",
    ]  # fmt: skip


def test_nothing_may_be_kept_where_that_is_accepted() -> None:
    assert as_bytes("0", "--max-size", minimum=0) == 0


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0.0 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min"), (133, "2 min 13 s"),
        (3599.7, "1 h"), (3605, "1 h"), (7384, "2 h 3 min"), (90_000, "1 d 1 h"),
        (float("nan"), "-"), (float("inf"), "-"),
    ],
)  # fmt: skip
def test_times_are_shown_by_their_two_largest_units(seconds: float, expected: str) -> None:
    assert shown_seconds(seconds) == expected
