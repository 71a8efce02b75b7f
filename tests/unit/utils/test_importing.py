"""Code that is named as text: files anywhere, what they import, and what comes of each fault."""

import gc
import sys

import pytest

from facebench.errors import InputError
from facebench.utils.importing import (
    CodeName,
    import_code,
    import_file,
    import_lasting,
    importable,
    lasting_imports,
    split_target,
)


def test_a_file_with_a_helper_beside_it(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "helper_one.py").write_text("VALUE = 3\n")
    (tmp_path / "deep" / "code.py").write_text("from helper_one import VALUE\nclass A: x = VALUE\n")
    found = import_code(CodeName("deep/code.py:A", tmp_path), "thing")
    assert found.x == 3
    assert import_code(CodeName("deep/code.py:A", tmp_path), "thing") is found
    assert str(tmp_path / "deep") not in sys.path
    (tmp_path / "deep" / "code.py").write_text("class A: x = 4\n")
    assert import_code(CodeName("deep/code.py:A", tmp_path), "thing").x == 4


def test_helpers_of_the_same_name_are_each_their_own(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "helper_two.py").write_text(f"NAME = {name!r}\n")
        (tmp_path / name / "code.py").write_text("import helper_two\nNAME = helper_two.NAME\n")
    first, second = (import_file(tmp_path / name / "code.py") for name in ("one", "two"))
    assert (first.NAME, second.NAME) == ("one", "two")
    # What was there before is there again.
    assert sys.modules["helper_two"].NAME == "one"
    assert first.helper_two is sys.modules["helper_two"]


def test_a_package_of_a_loaded_name(tmp_path):
    # Repositories call their folders 'models' and 'tasks', as a clone of ours does.
    import models

    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "parts.py").write_text("VALUE = 5\n")
    (folder / "net.py").write_text("from .parts import VALUE\nfrom models import parts\n")
    assert import_file(folder / "net.py").VALUE == 5
    assert sys.modules["models"] is models


def test_installed_and_builtin_modules_stay(tmp_path):
    import json

    import numpy as np

    (tmp_path / "numpy.py").write_text("raise RuntimeError\n")
    (tmp_path / "json.py").write_text("raise RuntimeError\n")
    (tmp_path / "code.py").write_text("import numpy, json\n")
    found = import_file(tmp_path / "code.py")
    assert found.numpy is np
    assert found.json is json


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import no_such_module_here\n", "Install 'no_such_module_here', or put it beside"),
        ("1 /\n", r"SyntaxError.*line 1"),
        ("1 / 0\n", "ZeroDivisionError"),
        ("import sys\nsys.exit(2)\n", r"it ends the program, as a script .* \(argparse\)"),
    ],
)
def test_a_file_that_fails(tmp_path, source, told):
    (tmp_path / "code.py").write_text(source)
    with pytest.raises(InputError, match=told):
        import_file(tmp_path / "code.py")


def test_the_path_is_as_before(tmp_path):
    before = list(sys.path)
    with importable(tmp_path, tmp_path / "other"):
        assert sys.path[:2] == [str(tmp_path), str(tmp_path / "other")]
    assert sys.path == before


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("a/b.py:C", ("a/b.py", "C")),
        ("b.py", ("b.py", "")),
        ("a.b:C", ("a.b", "C")),
        ("a.b", ("a.b", "")),
    ],
)
def test_targets(target, parts):
    assert split_target(target) == parts


def test_collections_do_not_visit_what_lasts_and_go_on_afterwards() -> None:
    before = gc.get_freeze_count()
    try:
        with lasting_imports():
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()


def test_a_notebooks_own_objects_are_not_kept(monkeypatch, tmp_path) -> None:
    (tmp_path / "never_imported.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    gc.unfreeze()
    import_lasting("never_imported")
    assert not gc.get_freeze_count()
    assert "never_imported" not in sys.modules
    try:
        with lasting_imports():
            pass
        import_lasting("never_imported")
        assert sys.modules.pop("never_imported")
    finally:
        gc.unfreeze()
