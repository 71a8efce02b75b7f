"""Runs of other versions, damaged runs, and how runs are shown."""

import json

import pytest

from facebench import load_run
from facebench.errors import RunFolderError
from facebench.results.run_folder import RunFolder
from facebench.results.schema import SCHEMA_VERSION


def test_newer_runs_are_refused_and_older_ones_read(saved, tmp_path):
    manifest = json.loads((saved / "manifest.json").read_text())
    newer = tmp_path / "newer"
    newer.mkdir()
    text = json.dumps({**manifest, "schema_version": SCHEMA_VERSION + 1})
    (newer / "manifest.json").write_text(text)
    with pytest.raises(RunFolderError, match=f"schema version {SCHEMA_VERSION + 1}.*reads up to"):
        load_run(newer)
    with pytest.raises(RunFolderError, match="newer"):
        RunFolder.reopen(newer)
    older = tmp_path / "older"
    older.mkdir()
    (older / "manifest.json").write_text(json.dumps({"schema_version": 0}))
    lean = load_run(saved).results.drop(columns=["n_identities", "ci_method"])
    lean.to_parquet(older / "results.parquet")
    run = load_run(older)
    assert run.results["n_identities"].isna().all()
    assert run.results["value"].tolist() == lean["value"].tolist()
    assert set(run.tasks) == set(lean["task"])


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}", '{"schema_version": "x"}'])
def test_what_is_no_run_is_refused_in_one_sentence(tmp_path, content):
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(RunFolderError, match="manifest"):
        load_run(tmp_path)


def test_damaged_table_is_refused(saved, tmp_path):
    (tmp_path / "manifest.json").write_bytes((saved / "manifest.json").read_bytes())
    (tmp_path / "results.parquet").write_text("half of i")
    with pytest.raises(RunFolderError, match=r"results\.parquet must be a table"):
        _ = load_run(tmp_path).results


@pytest.mark.slow
def test_shown_in_notebooks_and_papers(saved):
    run = load_run(saved)
    html = run._repr_html_()
    assert "<script>" not in html
    assert "verify &lt;script&gt;alert(2)" in html
    lines = run.to_markdown().splitlines()
    assert len(lines) == 2 + len(run.headline())
    assert {line.replace("\\|", "").count("|") for line in lines} == {9}
    latex = run.to_latex()
    assert r"\textless{}script\textgreater{}" in latex
    assert latex.count(r"\\") == 1 + len(run.headline())
    assert latex.count("{tabular}") == 2
