"""Runs that cannot be compared number by number are not, and it is said."""

import numpy as np
import pandas as pd
import pytest

from facebench import compare, load_run
from facebench.metrics.stats import holm
from support.copied_run import change_tables, copied_run


@pytest.fixture
def changed(runs, tmp_path):
    """Copy the second run with other tables or another manifest."""

    def make(name, change=lambda manifest: None, **tables):
        folder = copied_run(runs[1], tmp_path, name, change)
        return change_tables(folder, **tables) if tables else folder

    return make


@pytest.mark.slow
def test_differences_are_ordered_by_adjusted_p(runs):
    made = compare(*runs)
    first = made.numbers[made.numbers["headline"]]
    # By Holm's method, over the headline numbers in the best layers of either run.
    tested = first[first["p_value"].notna()]
    np.testing.assert_allclose(tested["p_adjusted"], holm(tested["p_value"].to_numpy()))
    keys = ["task", "model", "layer", "condition", "metric"]
    expected = pd.concat([load_run(run).headline()[keys] for run in runs]).drop_duplicates()
    assert len(expected) == len(first)
    ordered = made.ordered
    assert ordered["p_adjusted"].dropna().is_monotonic_increasing
    assert ordered["headline"].tolist() == sorted(ordered["headline"], reverse=True)
    assert len(ordered) == len(made.numbers)
    assert made.numbers.loc[~made.numbers["headline"], "p_adjusted"].isna().all()


@pytest.mark.slow
def test_other_pairs_have_no_test_and_it_is_said(runs, changed):
    def fewer(table):
        return table[table["row"] < 200]

    made = compare(runs[0], changed("fewer", distances=fewer))
    assert made.numbers["p_value"].isna().all()
    assert set(made.numbers["remark"]) == {"other pairs"}
    assert any("other pairs (276 in A, 200 in B, 200 in both)" in note for note in made.notes)
    assert made.changed_pairs.empty


@pytest.mark.slow
def test_other_labels_have_no_test_and_it_is_said(runs, changed):
    def relabelled(table):
        rows = table["task"].str.startswith("verify") & (table["row"] == 0)
        return table.assign(same=table["same"].where(~rows, 1 - table["same"]))

    made = compare(runs[0], changed("relabelled", distances=relabelled))
    of_task = made.numbers["task"].str.startswith("verify")
    assert made.numbers.loc[of_task, "p_value"].isna().all()
    assert set(made.numbers.loc[of_task, "remark"]) == {"other 'same'"}
    assert made.numbers.loc[~of_task, "p_value"].notna().any()
    assert any("the column 'same' of the pairs is not the same" in note for note in made.notes)


@pytest.mark.slow
def test_another_correlation_is_another_measure(runs, changed):
    def pearson(manifest):
        manifest["tasks"]["rate"]["correlation"] = "corrcoef"

    made = compare(runs[0], changed("pearson", pearson))
    rows = made.numbers[made.numbers["task"] == "rate"]
    assert set(rows["remark"]) == {"other measure"}
    assert rows["p_value"].isna().all()


@pytest.mark.slow
def test_a_renamed_model_is_compared(runs, changed):
    def record(manifest):
        digests = {"weights_digest": "w", "settings_digest": "s", "preprocessing_digest": "p"}
        manifest["provenance"] = {"models": {name: dict(digests)}}

    name = "plain"
    one = changed("one", record)
    name = "bare"
    renamed = {"plain": "bare"}
    two = changed(
        "two",
        record,
        results=lambda table: table.replace({"model": renamed}),
        distances=lambda table: table.assign(
            model=table["model"].astype(str).replace(renamed).astype("category")
        ),
    )
    made = compare(one, two)
    assert made.changes[0] == "model plain renamed bare (same weights and settings)"
    rows = made.numbers[made.numbers["model"] == "plain"]
    assert (rows["difference"].dropna() == 0).all()
    assert rows["p_value"].notna().any()
    assert "bare" not in set(made.numbers["model"])


@pytest.mark.slow
def test_what_only_one_run_has_is_named(runs, changed):
    def less(table):
        kept = (table["model"] != "plain") & (table["task"] != "rate")
        return table[kept & ~((table["model"] == "shallow") & (table["layer"] == "conv1"))]

    made = compare(runs[0], changed("less", results=less))
    only = made.numbers["remark"].eq("only in A")
    assert only.sum() == len(load_run(runs[0]).results) - len(less(load_run(runs[0]).results))
    [note] = [note for note in made.notes if "only in A" in note]
    assert note.endswith("task rate; model plain; layer shallow: conv1.")


@pytest.mark.slow
def test_states_of_runs_are_said(runs, changed):
    assert compare(runs[0], runs[0]).notes == ("A and B are the same run: nothing can differ.",)

    def ill(manifest):
        manifest |= {
            "status": "failed",
            "failures": [{"what": "deep / rate", "error": "no"}],
            "statistics_version": 0,
        }

    notes = compare(runs[0], changed("ill", ill)).notes
    assert "B is not complete (failed: deep / rate failed)." in notes
    assert any(note.startswith("A was measured by statistics version 1, B by 0") for note in notes)
    nothing = changed("nothing", results=lambda table: table.head(0))
    made = compare(runs[0], nothing)
    assert "The runs have no number in common: nothing is compared." in made.notes
    assert made.differing.empty


@pytest.mark.slow
def test_other_images_under_the_same_names_are_said(runs, changed):
    def other(manifest):
        for known in manifest["data"].values():
            known["images"]["digest"] = "0" * 64

    made = compare(runs[0], changed("other", other))
    assert sum("their files are not the same" in note for note in made.notes) == 4
    assert any("contents of the images changed" in change for change in made.changes)


@pytest.mark.slow
def test_the_page_says_what_was_changed(runs, changed, tmp_path):
    made = compare(runs[0], runs[1], tmp_path / "page.html")
    page = made.path.read_text(encoding="utf-8")
    assert "<li>folds: 5 → 10</li>" in page
    assert "P adjusted" in page
    same = compare(runs[0], runs[0]).write(tmp_path / "same.html").read_text(encoding="utf-8")
    assert "No setting, weights or data differ." in same
