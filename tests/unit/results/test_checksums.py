"""A table that was changed after the run is noticed; one that was removed is not missed."""

from __future__ import annotations

from pathlib import Path

import pytest

from facebench.errors import RunFolderError
from facebench.results.checksums import CHECKSUMS, changed_tables, check_table, checksums_of_tables


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("results.csv", "tables/a.csv", "tables/b.parquet", "report.html"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / "link.csv").symlink_to(tmp_path / "results.csv")
    return tmp_path


def test_tables_are_checked_and_nothing_else(folder: Path) -> None:
    known = checksums_of_tables(folder)
    assert list(known) == ["results.csv", "tables/a.csv", "tables/b.parquet"]
    assert len(set(known.values())) == 3


def test_a_change_is_found_whatever_its_size(folder: Path) -> None:
    manifest = {CHECKSUMS: checksums_of_tables(folder)}
    assert list(changed_tables(folder, manifest)) == []
    (folder / "tables" / "a.csv").write_bytes(b"tables/A.csv")
    (folder / "tables" / "b.parquet").unlink()
    (folder / "tables" / "c.csv").write_bytes(b"new")
    assert list(changed_tables(folder, manifest)) == [folder / "tables" / "a.csv"]
    assert list(changed_tables(folder, manifest, within="*.csv")) == []


def test_a_changed_table_is_refused_with_what_to_do(folder: Path) -> None:
    manifest = {CHECKSUMS: checksums_of_tables(folder)}
    check_table(folder / "results.csv", manifest)
    (folder / "results.csv").write_bytes(b"results.csw")
    with pytest.raises(RunFolderError, match=r"results\.csv must be a table as the run wrote it"):
        check_table(folder / "results.csv", manifest)
    # Runs of earlier versions have no checksums.
    check_table(folder / "results.csv", {})
