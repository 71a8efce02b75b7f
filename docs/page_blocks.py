"""What the scripts share that measure the numbers of a page and write them into it."""

import re
from collections.abc import Iterable


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Write a table in Markdown."""
    lines = [" | ".join(map(str, row)) for row in [header, *rows]]
    lines.insert(1, "|".join("---" for _ in lines[0].split(" | ")))
    return "\n".join(f"| {line} |" if "---" not in line else f"|{line}|" for line in lines)


def filled(text: str, blocks: dict[str, str]) -> str:
    """Give the page with every block as measured."""
    for name, block in blocks.items():
        start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
        text = pattern.sub(lambda _, b=f"{start}\n{block}\n{end}": b, text)
    return text
