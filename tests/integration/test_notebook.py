"""The notebook in docs runs from top to bottom, and shows what a run shows today."""

import re

import pytest

from support.pages import DOCS, script_of_docs

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
NOTEBOOK = DOCS / "results.ipynb"


def shown(notebook):
    """List what each code cell shows, without numbers: kinds of output, headings of tables."""
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    return [
        [
            (kind, re.findall(r"<th[^>]*>([^<\d]+)</th>", text))
            for output in cell.outputs
            for kind, text in sorted((output.get("data") or {output["name"]: ""}).items())
        ]
        for cell in cells
    ]


def test_outputs_are_stored_and_name_no_machine():
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert not re.search(r"/(?:tmp|home|root|Users|work)/", text)
    cells = [one for one in nbformat.read(NOTEBOOK, as_version=4).cells if one.cell_type == "code"]
    # The first one only imports and renders.
    assert all(cell.outputs for cell in cells[1:]), "run: python docs/fill_notebook.py"


# The kernel's sockets are closed after the client is gone.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_notebook_runs_and_shows_what_is_stored(tmp_path):
    fill = script_of_docs("fill_notebook")
    notebook = fill.stored(fill.run_notebook(tmp_path))
    printed = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])
    )
    assert r"\begin{tabular}" in printed
    assert "numbers" in printed
    kept = nbformat.read(NOTEBOOK, as_version=4)
    assert shown(notebook) == shown(kept), "run: python docs/fill_notebook.py"
