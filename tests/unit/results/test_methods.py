"""The methods section on a run."""

import json
import shutil

import pytest
from pybtex.database import parse_string

from facebench import load_run
from facebench.errors import InputError
from facebench.results.run_folder import _cited_beside


@pytest.fixture
def copied(saved, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(saved, folder)
    return folder


def _changed(folder, change):
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return load_run(folder)


def test_everything_of_the_run_is_named(saved):
    run = load_run(saved)
    found = run.methods()
    for name in (*run.models, *run.tasks):
        assert name in found.text
    assert run.manifest["versions"]["torch"] in found.text
    assert all(how.rstrip(".") in found.text for how in run.results["ci_method"].dropna().unique())


def test_references_bibtex_and_citations_are_the_same(copied):
    def cite(manifest):
        for task in manifest["tasks"].values():
            task["citations"] = ["yin1969inverted"]
        model = next(iter(manifest["models"].values()))
        model["citations"] = [
            "@misc{own, author={O'Neil, Ann}, title={Own \\& other}, year={2026}}",
            "nothing of that name",
        ]

    found = _changed(copied, cite).methods()
    keys = set(parse_string(found.bibtex, "bibtex").entries)
    assert {"yin1969inverted", "own", "facebench"} <= keys
    assert len(found.references) == len(keys)
    cited = {
        key
        for part in found.latex.split(r"\citep{")[1:]
        for key in part.split("}", 1)[0].split(",")
    }
    assert cited == keys
    assert "(O'Neil, 2026)" in found.text
    assert "nothing of that name" not in found.text


def test_alignment_people_and_preprocessing_are_told(copied):
    def align(manifest):
        name = next(iter(manifest["models"]))
        manifest["models"][name]["preprocessing"] = "resized to 112 × 112 pixels (bilinear)"
        manifest["models"][name]["weights"] = "weights from arc_face.pth"
        records = manifest["provenance"].setdefault("models", {})
        records.setdefault(name, {})["alignment"] = {
            "detector": "yunet",
            "template": "arcface112",
            "which_face": "largest",
        }
        task = next(iter(manifest["tasks"].values()))
        task["people"] = {"participants": 1200, "trials": 24000, "kind": "rating", "notes": []}

    found = _changed(copied, align).methods()
    assert "images resized to 112 × 112 pixels (bilinear)" in found.text
    assert "faces were found with yunet (Wu et al., 2023)" in found.text
    assert "1,200 participants gave 24,000 rating trials." in found.text
    assert r"arc\_face.pth" in found.latex


def test_older_runs_tell_less(copied):
    def forget(manifest):
        for part in ("models", "data", "provenance", "versions", "code"):
            manifest[part] = {}

    assert "Software. facebench" in str(_changed(copied, forget).methods())


def test_layer_choice_is_checked(saved):
    with pytest.raises(InputError, match="layer_choice"):
        load_run(saved).methods("best")


def test_unreadable_citations_of_the_data_lose_no_run(tmp_path, caplog):
    (tmp_path / "references.bib").write_text("{")
    assert _cited_beside(tmp_path / "pairs.csv") == []
    assert "references.bib must be BibTeX" in caplog.text
