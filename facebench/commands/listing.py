"""models, layers, tasks, metrics: what there is to choose from."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facebench.commands.completion import model_names, task_names
from facebench.commands.frame import talk

if TYPE_CHECKING:
    from facebench.experiment.registry import Registry

__all__ = ["layers", "metrics", "models", "tasks"]


_WIDTH = 90

ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A name from `facebench models`, or a .py file.",
        autocompletion=model_names,
    ),
]
ModelArguments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="An argument of the model; repeatable."),
]


def models(
    name: Annotated[
        str | None,
        typer.Argument(help="Describe this one.", autocompletion=model_names),
    ] = None,
) -> None:
    """List the models, or describe one and its arguments."""
    from facebench.experiment.registry import MODELS

    _list(MODELS) if name is None else _describe(name, MODELS, "models")


def tasks(
    name: Annotated[
        str | None,
        typer.Argument(help="Describe this one.", autocompletion=task_names),
    ] = None,
) -> None:
    """List the tasks, or describe one and its arguments."""
    from facebench.experiment.registry import TASKS

    _list(TASKS) if name is None else _describe(name, TASKS, "tasks")


def metrics() -> None:
    """List the distances and correlations by name."""
    from facebench.experiment.registry import CORRELATIONS, METRICS

    _list(METRICS, CORRELATIONS)


def layers(
    model: ModelName,
    patterns: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATTERN]...", help="'features.*', 'all': what these stand for."),
    ] = None,
    arguments: ModelArguments = None,
) -> None:
    """List the layers of a model, with their widths.

    Patterns stand for what a run would read. A layer without a number is not reached by the
    forward pass, or returns no batch. Weights are not needed, and not downloaded.
    """
    from facebench.commands.models import layer_widths, made_model
    from facebench.models.base import BaseModel
    from facebench.models.embeddings import NamedVectors

    network = made_model(model, patterns or None, arguments or [], without_weights=True)
    shown = network.extract_layers if patterns else network.get_layer_names()
    if isinstance(network, BaseModel):
        widths = layer_widths(network)
        kinds = {
            name: getattr(module, "original_name", type(module).__name__)
            for name, module in network.model.named_modules()
        }
    else:
        vectors = network.vectors if isinstance(network, NamedVectors) else {}
        widths = {name: rows.shape[1] for name, rows in vectors.items()}
        kinds = dict.fromkeys(shown, "embedding" if vectors else "score")
    rows = [(name, kinds[name], widths.get(name)) for name in shown]
    talk().table(
        ["layer", "kind", "width"],
        [(name, kind, "" if width is None else f"{width:,}") for name, kind, width in rows],
    )
    talk().data([dict(zip(("layer", "kind", "width"), row, strict=True)) for row in rows])


def _describe(name: str, registry: Registry, section: str) -> None:
    from facebench.experiment.reference import reference_of

    found = reference_of(name, registry.get(name), section)
    out = talk().out()
    width = min(_WIDTH, out.width) if out.is_terminal else _WIDTH

    def say(text: str, indent: str = "") -> None:
        wrapped = textwrap.fill(text, width, initial_indent=indent, subsequent_indent=indent)
        talk().result(wrapped)

    say(f"{name}: {found.question}")
    talk().result(f"\n{found.snippet}\n")
    if found.columns:
        columns = [f"{column} ({key})" if key else column for column, key in found.columns.items()]
        say(f"Columns of the table (the argument that names another): {', '.join(columns)}")
        talk().result("")
    for item in found.arguments:
        default = "required" if item.is_required else f"default {item.default}"
        say(f"{item.key}: {', '.join(part for part in (item.type, default) if part)}", " " * 2)
        say(item.meaning, " " * 6)
    if found.people:
        talk().result("")
        say(f"People: {'; '.join(found.people)}.")
    if found.sources:
        talk().result("")
        say(found.sources)
    arguments = [
        {
            **{key: getattr(item, key) for key in ("key", "parameter", "type", "meaning")},
            "default": None if item.is_required else item.default,
            "required": item.is_required,
        }
        for item in found.arguments
    ]
    described = {key: value for key, value in vars(found).items() if key != "arguments"}
    talk().data({**described, "arguments": arguments})


def _list(*registries: Registry) -> None:
    rows: list[dict[str, Any]] = []
    for registry in registries:
        rows += [
            {
                "name": entry.name,
                "what": registry.kind,
                "target": entry.target,
                "from": entry.source,
                "summary": entry.summary,
            }
            for entry in registry.entries()
        ]
    one_kind = len(registries) == 1
    columns = ["name", *([] if one_kind else ["what"]), "summary"]
    # Where all come from facebench itself, its modules are of no use to most.
    if talk().verbose or len({row["from"] for row in rows}) > 1:
        columns += ["target", "from"]
    talk().table(columns, [[row[column] for column in columns] for row in rows])
    talk().data(rows)
