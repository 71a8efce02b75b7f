"""Write the reference from the code: tasks, models, settings, commands and the Python interface.

`docs/conf.py` calls it whenever the documentation is built. What it writes is not kept in git.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import page_blocks
import typer.main

import facebench
from facebench.cli import app
from facebench.experiment.reference import Reference, reference_of
from facebench.experiment.registry import CORRELATIONS, METRICS, MODELS, TASKS, Registry
from facebench.experiment.schema import json_schema
from facebench.models.recipes import RECIPES

# Public modules beside `facebench` itself, with what each is for.
MODULES = {
    "facebench.demo": "The faces of `make demo`.",
    "facebench.pairs": "Readers of pair tables and of the formats of published data sets.",
    "facebench.parity": "What other evaluators print for the same scores.",
    "facebench.people": "Trials of participants: reading, exclusions, measures.",
    "facebench.stimuli": "Manipulations of photographs, and a renderer of faces.",
    "facebench.testing": "Contract tests for your own models and tasks.",
}


def write(folder: Path) -> None:
    """Write all pages of the reference into a folder."""
    folder.mkdir(exist_ok=True)
    pages = {
        "tasks": _registered("Arguments of tasks", TASKS, "tasks", TASKS.names()),
        "models": _registered("Arguments of models", MODELS, "models", _families()),
        "names": _names(),
        "settings": _settings(),
        "commands": _commands(),
        "python": _python(),
    }
    for name, lines in pages.items():
        text = "\n".join(lines) + "\n"
        path = folder / f"{name}.md"
        # An unchanged file keeps its time, so that Sphinx does not read it again.
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _families() -> list[str]:
    return [name for name in MODELS.names() if name not in RECIPES]


def _registered(title: str, registry: Registry, section: str, names: Iterable[str]) -> list[str]:
    kind = section.removesuffix("s")
    lines = [
        f"# {title}",
        "",
        f"Every built-in {kind} with its arguments, as `facebench {section} NAME` prints them.",
    ]
    if section == "models":
        lines += [
            "",
            "The published face networks take the arguments of `iresnet50`; "
            "[Models](../models.md) lists them.",
        ]
        names = [*names, "iresnet50"]
    for name in names:
        lines += ["", *_described(reference_of(name, registry.get(name), section))]
    return lines


def _described(found: Reference) -> list[str]:
    lines = [f"## {found.name}", "", found.question, "", "```yaml", found.snippet, "```"]
    if found.columns:
        columns = (
            f"`{name}` (`{key}`)" if key else f"`{name}`" for name, key in found.columns.items()
        )
        lines += ["", f"Columns of the table: {', '.join(columns)}."]
    rows = (
        (
            f"`{item.key}`",
            item.type,
            "required" if item.is_required else f"`{item.default}`",
            item.meaning,
        )
        for item in found.arguments
    )
    lines += ["", page_blocks.table(("Argument", "Type", "Default", "Meaning"), _cells(rows))]
    if found.people:
        lines += ["", f"People: {'; '.join(found.people)}."]
    if found.sources:
        lines += ["", "```text", found.sources, "```"]
    return lines


def _names() -> list[str]:
    lines = ["# Distances and correlations", "", "What `distance:` and `correlation:` may be."]
    for title, registry in (("Distances", METRICS), ("Correlations", CORRELATIONS)):
        rows = [(f"`{entry.name}`", f"`{entry.target}`") for entry in registry.entries()]
        lines += ["", f"## {title}", "", page_blocks.table(("Name", "Function"), rows)]
    return lines


def _settings() -> list[str]:
    schema = json_schema()
    lines = [
        "# Settings of an experiment file",
        "",
        "From the JSON schema that `facebench schema` prints. "
        "[An experiment as a file](../configuration.md) explains them.",
    ]
    return [
        *lines,
        "",
        page_blocks.table(("Setting", "Type", "Default", "Meaning"), _cells(_fields(schema))),
    ]


def _fields(schema: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, field in schema["properties"].items():
        default = field.get("default")
        yield (
            f"`{name}`",
            _type_of(field),
            "" if default is None else f"`{default}`",
            field.get("description", ""),
        )


def _type_of(field: dict[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    kinds = [_type_of(one) for one in field.get("anyOf", []) if one.get("type") != "null"]
    return " or ".join(dict.fromkeys(kind for kind in kinds if kind)) or str(field.get("type", ""))


def _commands() -> list[str]:
    lines = ["# Commands", "", "As `facebench COMMAND --help` prints them."]
    for name, command in _walk(typer.main.get_command(app), "facebench"):
        with command.make_context(name, [], resilient_parsing=True) as context:
            told = command.get_help(context).strip()
        lines += ["", f"## {name}", "", "```text", told, "```"]
    return lines


def _walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield name, command
    for short, child in getattr(command, "commands", {}).items():
        yield from _walk(child, f"{name} {short}")


def _python() -> list[str]:
    groups: dict[str, list[str]] = {"Models": [], "Tasks": [], "Runs and results": []}
    for name in facebench.__all__:
        thing = getattr(facebench, name)
        if name.startswith("__"):
            continue
        if inspect.isclass(thing) and thing.__module__.startswith("facebench.models"):
            groups["Models"].append(name)
        elif inspect.isclass(thing) and thing.__module__.startswith("facebench.tasks"):
            groups["Tasks"].append(name)
        else:
            groups["Runs and results"].append(name)
    lines = ["# Python interface", "", "Everything here is imported from `facebench`."]
    for title, names in groups.items():
        lines += ["", f"## {title}", "", *_summary("facebench", names)]
    for module, purpose in MODULES.items():
        names = sorted(importlib.import_module(module).__all__)
        lines += ["", f"## {module}", "", purpose, "", *_summary(module, names)]
    return lines


def _summary(module: str, names: Iterable[str]) -> list[str]:
    return [
        "```{eval-rst}",
        f".. currentmodule:: {module}",
        ".. autosummary::",
        "   :toctree: python",
        "   :nosignatures:",
        "",
        *(f"   {name}" for name in names),
        "```",
    ]


def _cells(rows: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Keep a cell's text in its cell."""
    return [tuple(" ".join(cell.split()).replace("|", "\\|") for cell in row) for row in rows]
