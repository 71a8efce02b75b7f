"""In a shared folder what is made is shared, and elsewhere it is not."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from facebench.utils.sharing import make_folder, open_to_others, refusal

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("above", "folder", "file"),
    [
        (0o755, 0o700, 0o600),
        (0o775, 0o770, 0o660),
        (0o777, 0o777, 0o666),
        # Everyone's, but each one's own: as /tmp is.
        (0o1777, 0o700, 0o600),
        (0o2775, 0o2770, 0o660),
    ],
)
def test_whoever_may_write_above_may_write_to_what_is_made(
    tmp_path: Path, above: int, folder: int, file: int
) -> None:
    top = tmp_path / "top"
    top.mkdir()
    top.chmod(above)
    umask = os.umask(0o077)
    try:
        make_folder(top / "a" / "b")
        (top / "file").touch()
        open_to_others(top / "file")
    finally:
        os.umask(umask)
    assert mode_of(top / "a") == mode_of(top / "a" / "b") == folder
    assert mode_of(top / "file") == file


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    (tmp_path / "own").mkdir(mode=0o700)
    make_folder(tmp_path / "own")
    assert mode_of(tmp_path / "own") == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        make_folder(tmp_path / "file")


def test_a_refusal_names_the_folder_and_its_owner(tmp_path: Path) -> None:
    said = refusal(tmp_path / "missing" / "runs")
    assert said.startswith(f"{tmp_path} belongs to user ")
    assert said.endswith("you may not write to it")
