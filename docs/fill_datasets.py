"""Write the descriptions of the data sets into docs/datasets.md.

Run it with `python docs/fill_datasets.py` after changing facebench/data/sets/catalogue.py; a test
tells when it is due.
"""

from pathlib import Path

from page_blocks import filled, table

from facebench.data.sets.catalogue import FACE_SETS, FaceSet

PAGE = Path(__file__).parent / "datasets.md"


def overview() -> str:
    """List all sets in a table."""
    rows = [
        (f"[`{name}`](#{name})", face_set.title, _number(face_set.images), face_set.summary)
        for name, face_set in FACE_SETS.items()
    ]
    return table(["Name", "Data set", "Images", "Tests"], rows)


def section(face_set: FaceSet) -> str:
    """Describe one set."""
    facts = {
        "Images": _number(face_set.images),
        "People": _number(face_set.people),
        "Licence": face_set.licence,
        "Access": face_set.access,
        "Protocol": face_set.protocol,
        "Reference": face_set.reference,
    }
    lines = [f"- {key}: {value}" for key, value in facts.items() if value]
    lines += [f"- Pairs: `{item.file}`, {item.counts}" for item in face_set.lists]
    return "\n".join(
        [
            f"### {face_set.name}",
            "",
            f"{face_set.title}. {face_set.summary}",
            "",
            *lines,
            "",
            "```text",
            face_set.layout,
            "```",
        ]
    )


def page(text: str) -> str:
    """Give the page with everything as the catalogue has it."""
    sections = "\n\n".join(section(face_set) for face_set in FACE_SETS.values())
    return filled(text, {"overview": overview(), "sets": sections})


def _number(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
