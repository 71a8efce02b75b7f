"""The methods section on a run."""

import json
import shutil

import pandas as pd
import pytest
from pybtex.database import parse_string

from facebench import load_run
from facebench.errors import InputError
from facebench.results.methods import _intervals
from facebench.results.run_folder import _cited_beside
from facebench.results.schema import FAILURE_COLUMNS


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


@pytest.mark.slow
def test_everything_of_the_run_is_named(saved):
    run = load_run(saved)
    found = run.methods()
    for name in (*run.models, *run.tasks):
        assert name in found.text
    assert run.manifest["versions"]["torch"] in found.text
    methods = run.results["ci_method"].dropna().unique()
    assert all(part in found.text for how in methods for part in how.rstrip(".").split("; "))


@pytest.mark.slow
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


def _aligned(copied, failures):
    def align(manifest):
        records = manifest["provenance"].setdefault("models", {})
        records.setdefault("shallow", {})["alignment"] = {"detector": "yunet", "template": "t"}
        records.setdefault("plain", {})
        manifest["provenance"]["settings"] = {"on_no_face": "skip"}

    run = _changed(copied, align)
    table = pd.DataFrame(failures, columns=["task", "model", "n_images", "n_images_failed"])
    vars(run)["failures_to_process"] = table.reindex(columns=list(FAILURE_COLUMNS)).assign(
        grouping=""
    )
    return run.methods().text


@pytest.mark.slow
def test_faces_are_said_to_be_found_only_where_they_were_counted(copied):
    assert "face was found" not in _aligned(copied, [])
    assert "A face was found in every image by shallow." in _aligned(
        copied, [("rate", "shallow", 24, 0)]
    )
    told = _aligned(copied, [("rate", "shallow", 24, 2)])
    assert "shallow found no face in 2 of 24 images of rate. Pairs with an image in which" in told
    assert "(on_no_face: skip)" in told


@pytest.mark.slow
def test_comparisons_are_told_only_where_a_paired_test_was_possible(copied):
    assert "Models were compared on the same pairs" in load_run(copied).methods().text

    def forget(manifest):
        for name, task in manifest["tasks"].items():
            task["influences"] = task["influences"] if name == "rate" else {}

    run = _changed(copied, forget)
    vars(run)["left_out"] = {}
    assert "Models were compared in rate on the same pairs" in run.methods().text
    (copied / "distances.parquet").unlink()
    run = load_run(copied)
    vars(run)["left_out"] = {}
    found = run.methods()
    assert "Holm" not in found.text
    assert "holm1979procedure" not in found.bibtex


def test_a_row_of_all_conditions_is_what_is_counted(copied):
    run = load_run(copied)
    rows = run.results.copy()
    rows["condition"] = rows["condition"].replace("scarf", "all trials")
    rows.loc[rows["condition"] == "all trials", "n_pairs"] = 276
    vars(run)["results"] = rows
    assert "There were 276 pairs" in run.methods().text.split("\n\nconditions (")[1]


@pytest.mark.slow
def test_items_are_called_what_they_are_and_intervals_are_told_once(copied):
    def rename(manifest):
        manifest["tasks"]["rate"]["item_name"] = "trials"
        manifest["tasks"]["conditions"]["item_name"] = "images"

    text = _changed(copied, rename).methods().text
    assert "There were 276 trials of 24 images of 8 people." in text
    assert "Each of the 3 conditions had 92 images of 8 people." in text
    assert all(part.count("Confidence intervals:") < 2 for part in text.split("\n\n"))
    assert (
        "score intervals next to 0 and 1; of some numbers: threshold chosen on the same pairs: "
        "conservative; few errors: conservative (Arvesen, 1969)."
    ) in text


def test_notes_of_intervals_are_not_repeated_for_every_layer():
    methods = [
        "jackknife; few errors: conservative (AUC)",
        "jackknife; few errors: conservative (EER)",
    ]
    assert _intervals(methods) == "jackknife; of some numbers: few errors: conservative"
    assert _intervals(methods[:1]) == methods[0]
    assert _intervals(["jackknife", "bootstrap"]) == "jackknife or bootstrap"
    assert _intervals([]) == ""


def test_device_and_precision_are_told_only_where_they_were_recorded(copied):
    def forget(manifest):
        manifest["provenance"]["models"] = {"plain": {"layout": "x"}}

    assert "Networks ran" not in _changed(copied, forget).methods().text


@pytest.mark.slow
def test_a_decoder_is_told_with_its_difference_from_pillow(copied):
    def decode(manifest):
        facts = {"decoder": "torchvision", "images": 16, "largest": 3, "mean": 0.12}
        models = {"a": {"decoder": facts}, "b": {"decoder": facts}, "c": {"decoder": {}}}
        manifest["provenance"]["models"] = models

    text = _changed(copied, decode).methods().text
    assert text.count("JPEG images were decoded by torchvision, whose pixels differed") == 1
    assert "by at most 3 grey levels (on average 0.12) in 16 images" in text
