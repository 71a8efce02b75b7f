"""What a manager is given is checked, with a sentence for what cannot be used."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from facebench.errors import DuplicateNameError, InputError, UnknownNameError
from facebench.run.arguments import add_members, at_least, export_folder, named, one_of


class BaseThing(SimpleNamespace):
    pass


def test_members_are_kept_by_name_in_order() -> None:
    known: dict[str, Any] = {}
    add_members(BaseThing(name="b"), BaseThing, known)
    add_members(iter([BaseThing(name="a"), BaseThing(name="c")]), BaseThing, known)
    assert list(known) == ["b", "a", "c"]


@pytest.mark.parametrize("wrong", [3, [BaseThing(name="a"), "b"]])
def test_what_is_no_member_is_told(wrong: Any) -> None:
    with pytest.raises(InputError, match="MultiModelTaskManager needs"):
        add_members(wrong, BaseThing, {})


def test_a_name_is_used_once() -> None:
    with pytest.raises(DuplicateNameError, match="Two things are named 'a'"):
        add_members([BaseThing(name="a"), BaseThing(name="a")], BaseThing, {})


def test_whole_numbers() -> None:
    assert at_least("n", np.int64(3), 1) == 3
    for wrong in (0, True, 1.0, "2"):
        with pytest.raises(InputError, match="'n' parameter"):
            at_least("n", wrong, 1)  # type: ignore[arg-type]


def test_words() -> None:
    assert one_of("how", "stop", ("stop", "skip")) == "stop"
    with pytest.raises(InputError, match="must be 'stop' or 'skip'"):
        one_of("how", "halt", ("stop", "skip"))


def test_names_with_the_nearest_one() -> None:
    assert named({"verify": 1}, "verify", "task") == 1
    with pytest.raises(UnknownNameError, match=r"no task 'verfy'.*Did you mean 'verify'\?"):
        named({"verify": 1}, "verfy", "task")


def test_folders_are_made_or_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert export_folder(tmp_path / "a" / "b").is_dir()
    monkeypatch.chdir(tmp_path)
    assert export_folder(None) == tmp_path
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InputError, match="export_path"):
        export_folder(tmp_path / "taken")
