"""Libraries that only some installations have."""

import sys

import pytest

from facebench.errors import ModelError
from facebench.utils.extras import import_extra


def test_an_absent_one_is_told_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModelError, match=r"A network in ONNX needs.*'facebench\[onnx\]'"):
        import_extra("onnx", "onnx", "A network in ONNX")


def test_what_an_installed_one_lacks_is_its_own_error(tmp_path, monkeypatch):
    (tmp_path / "lacking.py").write_text("import nothing_of_this_name")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="nothing_of_this_name"):
        import_extra("lacking", "onnx", "A network in ONNX")
