"""Write what the demo says into README.md and docs/demo.md, and the six commands into README.md.

    make demo
    python docs/fill_readme.py demo_results/rendered/runs/demo/latest

What the pages show is kept in docs/demo_numbers.json. Without a run the pages are filled from it. A
test compares both, and the distances of a smaller demo with those that are kept here.
"""

import json
import re
import sys
from pathlib import Path

import page_blocks

from facebench import load_run
from facebench.results.reader import Run
from facebench.results.verdicts import verdicts

DOCS = Path(__file__).parent
NUMBERS = DOCS / "demo_numbers.json"
PAGES = (DOCS.parent / "README.md", DOCS / "demo.md")
FIRST = 4  # tasks in the README; the others are those of the first description
# What is rendered depends on the number of a person only: a demo of four people has these.
PEOPLE = ("person_01", "person_02", "person_03", "person_04")


def numbers(run: Run) -> dict[str, object]:
    """Give what the pages show of a run, and distances by which a test knows that it is so."""
    sentences = {one.task: one.sentence for one in verdicts(run)}
    return {"sentences": sentences, "distances": distances(run)}


def distances(run: Run) -> dict[str, list[float]]:
    """List the distances of the first people's faces to their thatcherised versions, by model."""
    listed = {}
    for model in run.models:
        pairs = run.task_distances(model, "Thatcher effect").sort_values(["img1", "img2"])
        pairs = pairs[pairs["img1"].str.split("/").str[1].isin(PEOPLE)]
        for layer, rows in pairs.groupby("layer_name", sort=False):
            listed[f"{model} {layer}"] = rows["model_computed_distance"].round(4).tolist()
    return listed


def filled(text: str) -> str:
    """Give a page with the sentences as they are kept."""
    sentences = json.loads(NUMBERS.read_text(encoding="utf-8"))["sentences"]
    lines = [f"- **{task}**: {sentence}" for task, sentence in sentences.items()]
    first_hour = (DOCS / "first_hour.md").read_text(encoding="utf-8")
    six = re.search(r"<!-- the six commands -->\n(```bash\n.*?```)", first_hour, re.DOTALL)
    blocks = {"demo in short": lines[:FIRST], "demo sentences": lines, "six commands": [six[1]]}
    return page_blocks.filled(text, {name: "\n".join(block) for name, block in blocks.items()})


if __name__ == "__main__":
    if len(sys.argv) > 1:
        found = json.dumps(numbers(load_run(sys.argv[1])), indent=1, ensure_ascii=False)
        NUMBERS.write_text(found + "\n", encoding="utf-8")
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
