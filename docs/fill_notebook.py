"""Run docs/results.ipynb and store what its cells show, so that it can be read without running it.

    python docs/fill_notebook.py

A test compares what is stored with what a run shows.
"""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parent / "results.ipynb"
# Folders of this machine, and what stands for them.
FOLDERS = ((re.compile(r"(?:/[\w.~-]+)*/tmp\w{6,}"), "FOLDER"),)


def run_notebook(folder: Path) -> nbformat.NotebookNode:
    """Run it in a folder, and give it with its outputs."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=600, resources=resources).execute()
    return notebook


def stored(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Leave out of the outputs what belongs to one machine: its folders, progress, times."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [_cleaned(one) for one in cell.outputs if one.get("name") != "stderr"]
    notebook.metadata = {
        "kernelspec": notebook.metadata.kernelspec,
        "language_info": {"name": "python"},
    }
    return notebook


def _cleaned(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    for pattern, instead in FOLDERS:
        if "text" in output:
            output.text = pattern.sub(instead, output.text)
        for kind, text in output.get("data", {}).items():
            output.data[kind] = pattern.sub(instead, text)
    return output


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        nbformat.write(stored(run_notebook(Path(folder))), NOTEBOOK)
