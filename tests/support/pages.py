"""The pages of docs/, and the examples in them."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def text_of(page):
    return (DOCS / page).read_text(encoding="utf-8")


def examples(page, language):
    """List a page's blocks of code in one language."""
    return re.findall(rf"```{language}\n(.*?)```", text_of(page), re.DOTALL)
