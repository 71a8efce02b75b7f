"""The built wheel holds the package and nothing else, and works from an empty folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    subprocess.run([*command, str(folder), str(REPOSITORY)], check=True)
    (built,) = folder.glob("*.whl")
    return built


def test_wheel_holds_only_the_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"facebench"}
    assert "facebench/py.typed" in names
    # What pages are made of: templates, style and scripts.
    for file in ("report.html.j2", "macros.html.j2", "page.css", "page.js", "charts.js"):
        assert f"facebench/results/report/templates/{file}" in names
    # Ready-made experiments, which `facebench init --experiment` copies.
    assert "facebench/experiment/starters/experiments/lfw.yaml" in names


def test_wheel_is_used_from_an_empty_folder(wheel, tmp_path):
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    program = """
import pathlib, facebench
assert pathlib.Path(facebench.__file__).is_relative_to(SITE), facebench.__file__
from facebench import *
from facebench.stimuli import render_face, sample_identity, sample_view
model = DlibResNetModel(align=False)
face = render_face(sample_identity(1), sample_view(1), size=150).image
from PIL import Image
print(model.get_output(model.preprocess(Image.fromarray(face)))["default"].shape[1])
"""
    run = subprocess.run(
        [sys.executable, "-c", f"SITE = {str(site)!r}\n{program}"],
        cwd=empty,
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "128"
