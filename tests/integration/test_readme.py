"""What README and docs say is true: their examples run, their links lead somewhere."""

import importlib.util
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
BLOCK = re.compile(r"(<!-- not run[^\n]*-->\n)?```python\n(.*?)```", re.DOTALL)


PAGES = [
    "README.md",
    "docs/add_a_model.md",
    "docs/add_a_task.md",
    "docs/add_a_metric.md",
    "docs/effects.md",
    "docs/probes_and_series.md",
    "docs/protocols.md",
    "docs/python.md",
    "docs/stimuli.md",
]


@pytest.mark.parametrize("page", PAGES)
def test_examples_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall((REPOSITORY / page).read_text(encoding="utf-8"))
    runnable = "\n".join(code for skipped, code in blocks if not skipped)
    assert runnable
    exec(compile(runnable, page, "exec"), {"__name__": "readme"})


def script(name):
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / f"docs/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_models_are_those_of_today(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / "docs")
    tables = script("models_table")
    text = tables.PAGE.read_text(encoding="utf-8")
    assert text == tables.filled(text), "run: python docs/models_table.py"


def test_links_lead_somewhere():
    for page in [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!http|#)([^)]+)\)", page.read_text(encoding="utf-8")):
            file, _, heading = target.partition("#")
            if page.parent.name == "docs" and file.startswith("reference/"):
                # Written by `make docs`, which checks the links to it.
                continue
            assert (page.parent / file).exists(), f"{page.name}: {target}"
            if heading:
                headings = re.findall(r"^#+ (.+)", (page.parent / file).read_text("utf-8"), re.M)
                slugs = [re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings]
                assert heading in slugs, f"{page.name}: {target}"
