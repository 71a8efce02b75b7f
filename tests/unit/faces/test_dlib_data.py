"""Where landmark files are, or what to install."""

from __future__ import annotations

from pathlib import Path

import pytest

from facebench.errors import MissingWeightsError
from facebench.faces import dlib_data
from facebench.faces.dlib_data import dlib_data_file


def test_the_file_is_found_without_importing_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "some_models"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('pkg_resources')")
    (package / "models" / "points.dat").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(dlib_data, "DATA_PACKAGE", "some_models")
    assert dlib_data_file("points.dat") == package / "models" / "points.dat"
    with pytest.raises(MissingWeightsError, match=r"'none\.dat'.*models.*pip install some_models"):
        dlib_data_file("none.dat")


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dlib_data, "DATA_PACKAGE", "no_such_models")
    with pytest.raises(MissingWeightsError, match="this Python environment"):
        dlib_data_file("points.dat")
