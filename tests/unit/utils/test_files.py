"""File names that every system accepts, and files that are never seen half written."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from facebench.errors import InputError
from facebench.utils.files import atomic_path, one_writer, safe_name, why_missing
from facebench.utils.suggestions import did_you_mean_file

# What Windows refuses: signs, and device names before the first dot.
FORBIDDEN_SIGNS = set('<>:"/\\|?*')
DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])\s*(\.|$)", re.IGNORECASE)


class TestSafeName:
    @pytest.mark.parametrize(
        "name",
        ["classifier.5", "vgg16-trained", "LFW 2.0", "Fähigkeit", "顔", "a_b", "console", "é"],
    )
    def test_a_safe_name_stays_as_it_is(self, name: str) -> None:
        assert safe_name(name) == name

    @given(st.text())
    @example("..")
    @example(".")
    @example("")
    @example(" ")
    @example("a/b")
    @example("../../etc/passwd")
    @example("C:\\x")
    @example("nul\n")
    @example("CON")
    @example("com1 ")
    @example("con.txt")
    @example("ä" * 400)
    @example("顔" * 400)
    def test_any_text_becomes_one_portable_path_component(self, name: str) -> None:
        safe = safe_name(name)
        assert safe
        assert not FORBIDDEN_SIGNS & set(safe)
        assert all(sign.isprintable() or ord(sign) > 0x7F for sign in safe)
        assert safe == safe.strip(" .")
        assert Path(safe).name == safe
        assert not DEVICE.match(safe)

    @given(st.text())
    @example("a" * 1000)
    @example("顔" * 1000)
    def test_the_longest_name_leaves_room_for_an_ending(self, name: str) -> None:
        assert len(f"{safe_name(name)}_scatters_comparison.png".encode()) <= 255

    @given(st.sets(st.text(alphabet="ab/:. *", max_size=6), min_size=2, max_size=20))
    @example({"a/b", "a:b", "a_b"})
    @example({"", " ", ".", "..", "/"})
    def test_different_names_stay_different(self, names: set[str]) -> None:
        assert len({safe_name(name) for name in names}) == len(names)

    def test_long_names_that_differ_at_the_end_stay_different(self) -> None:
        assert safe_name("x" * 300 + "1") != safe_name("x" * 300 + "2")

    @given(st.text())
    def test_one_name_is_always_one_file(self, name: str) -> None:
        assert safe_name(name) == safe_name(name)

    def test_a_name_from_an_undecodable_file_name_is_accepted(self) -> None:
        assert safe_name(os.fsdecode(b"face-\xff"))


class TestAtomicPath:
    def test_the_file_appears_when_the_block_ends(self, tmp_path: Path) -> None:
        target = tmp_path / "scores.csv"
        with atomic_path(target) as temporary:
            temporary.write_text("1")
            assert not target.exists()
        assert target.read_text() == "1"

    def test_nothing_else_is_left(self, tmp_path: Path) -> None:
        with atomic_path(tmp_path / "scores.csv") as temporary:
            temporary.write_text("1")
        assert [path.name for path in tmp_path.iterdir()] == ["scores.csv"]

    def test_an_old_file_is_replaced_at_once(self, tmp_path: Path) -> None:
        target = tmp_path / "scores.csv"
        target.write_text("old")
        with atomic_path(target) as temporary:
            temporary.write_text("ne")
            assert target.read_text() == "old"
            temporary.write_text("new")
        assert target.read_text() == "new"

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
    def test_after_an_error_the_old_file_stands_alone(
        self, tmp_path: Path, error: type[BaseException]
    ) -> None:
        target = tmp_path / "scores.csv"
        target.write_text("old")
        with pytest.raises(error), atomic_path(target) as temporary:  # noqa: PT012
            temporary.write_text("half")
            raise error
        assert target.read_text() == "old"
        assert list(tmp_path.iterdir()) == [target]

    def test_folders_are_made(self, tmp_path: Path) -> None:
        target = tmp_path / "a" / "b" / "scores.csv"
        with atomic_path(target) as temporary:
            temporary.write_text("1")
        assert target.read_text() == "1"

    def test_the_temporary_file_is_beside_the_target_and_ends_like_it(self, tmp_path: Path) -> None:
        target = tmp_path / "picture.png"
        with atomic_path(target) as temporary:
            assert temporary.parent == tmp_path
            assert temporary.suffix == ".png"

    def test_two_writers_do_not_share_a_temporary_file(self, tmp_path: Path) -> None:
        target = tmp_path / "scores.csv"
        with atomic_path(target) as first, atomic_path(target) as second:
            assert first != second
            first.write_text("first")
            second.write_text("second")
        assert target.read_text() == "first"

    @pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
    @pytest.mark.parametrize("umask", [0o022, 0o077])
    def test_permissions_are_those_of_any_new_file(self, tmp_path: Path, umask: int) -> None:
        before = os.umask(umask)
        try:
            with atomic_path(tmp_path / "scores.csv") as temporary:
                temporary.write_text("1")
            (tmp_path / "any").touch()
            assert os.umask(umask) == umask
        finally:
            os.umask(before)
        modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        assert modes == {0o666 & ~umask}

    def test_the_longest_safe_name_can_be_written(self, tmp_path: Path) -> None:
        target = tmp_path / f"{safe_name('顔' * 400)}_scatter.png"
        with atomic_path(target) as temporary:
            temporary.write_text("1")
        assert target.exists()


def test_a_name_that_looks_like_a_made_up_one_is_told_from_it():
    made = safe_name("facebook/dinov2-base")
    assert safe_name(made) != made


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="There are no pipes")
def test_what_is_there_and_not_wanted_is_not_said_to_be_missing(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "round").symlink_to("round")
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    said = {
        name: why_missing(tmp_path / name) for name in ("none", "link", "round", "pipe", "../..")
    }
    assert said["none"].startswith("does not exist (looked in")
    assert said["link"] == "is a link to nowhere, which does not exist"
    assert said["round"] == "is a link that leads to itself"
    assert said["pipe"] == "is a pipe, a device or a socket, not a file"
    assert said["../.."] == "is a folder, not a file"
    assert why_missing(tmp_path / "file", "folder") == "is a file, not a folder"
    assert did_you_mean_file(tmp_path / "pipe") == ""


@pytest.mark.parametrize("place", ["pipe/x.png", "file/x.png", "file/in/x.png"])
@pytest.mark.parametrize("write", [atomic_path, one_writer])
def test_what_is_not_a_folder_is_named(tmp_path: Path, place: str, write: Any) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    first = place.partition("/")[0]
    with pytest.raises(InputError, match=rf"/{first} is a .*, not a folder"):
        write(tmp_path / place).__enter__()
