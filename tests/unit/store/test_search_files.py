"""Files of parts of searches: what is not as it was written is never used."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from facebench.metrics.search_parts import SearchPart, search_part
from facebench.store.search_files import SearchFileError, find_parts, read_part, write_part


@pytest.fixture
def part() -> SearchPart:
    generator = np.random.default_rng(0)
    probes, rows = generator.normal(size=(3, 4)), generator.normal(size=(5, 4))
    return search_part(probes, rows, first=2, n_gallery=9, k=4)


def test_what_is_read_is_what_was_written(part: SearchPart, tmp_path: Path) -> None:
    path = write_part(tmp_path, part, "rows")
    found, rows = read_part(path)
    assert rows == "rows"
    for field in dataclasses.fields(part):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(part, field.name))
    # Written twice, it is one file.
    assert write_part(tmp_path, part, "rows") == path
    assert [name.name for name in tmp_path.iterdir()] == [path.name]


def test_every_flipped_byte_and_every_cut_is_seen(part: SearchPart, tmp_path: Path) -> None:
    path = write_part(tmp_path, part, "rows")
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        data = bytearray(whole)
        data[place] ^= 0x10
        path.write_bytes(data)
        try:
            found, rows = read_part(path)
        except SearchFileError:
            continue
        # Space in the header that says nothing may change.
        assert rows == "rows"
        np.testing.assert_array_equal(found.distances, part.distances)
        assert (found.first, found.stop, found.digest) == (2, 7, part.digest)
    for length in range(0, len(whole), 11):
        path.write_bytes(whole[:length])
        with pytest.raises(SearchFileError):
            read_part(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
def test_pipes_and_other_searches_are_not_used(
    part: SearchPart, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = dataclasses.replace(part, digest="0" * 32)
    write_part(tmp_path, other, "rows")
    assert find_parts(tmp_path, part.digest) == []
    assert "other embeddings, probes or settings" in caplog.text
    path = write_part(tmp_path, other, "rows").rename(tmp_path / f"{part.digest}.0-1.x.search")
    assert find_parts(tmp_path, part.digest) == []
    assert "another search than its name indicates" in caplog.text
    path.unlink()
    os.mkfifo(path)
    assert find_parts(tmp_path, part.digest) == []
    assert "not a plain file" in caplog.text
    assert find_parts(tmp_path / "gone", part.digest) == []
