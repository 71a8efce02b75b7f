"""Put the current base classes into the README's prompts, so that they are never out of date.

Run it with `python docs/fill_readme.py` after changing BaseModel or BaseTask; a test tells when it
is due.
"""

import re
from pathlib import Path

from facebench.experiment.starters.prompts import prompt

README = Path(__file__).parents[1] / "README.md"
KINDS = ("model", "task")


def filled(text: str) -> str:
    """Give the README with both prompts as they should be."""
    for kind in KINDS:
        start, end = f"<!-- prompt: {kind} -->", f"<!-- end of prompt: {kind} -->"
        pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
        block = f"{start}\n\n{prompt(kind)}\n{end}"
        text = pattern.sub(lambda _, block=block: block, text)
    return text


if __name__ == "__main__":
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
