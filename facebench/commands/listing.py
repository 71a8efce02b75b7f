"""models, layers, tasks, metrics: what there is to choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from facebench.commands.frame import talk

if TYPE_CHECKING:
    from facebench.experiment.registry import Registry

__all__ = ["layers", "metrics", "model_names", "models", "tasks"]


def model_names(incomplete: str) -> list[str]:
    """Complete the name of a model, for shells."""
    from facebench.experiment.registry import MODELS

    return [name for name in MODELS.names() if name.startswith(incomplete)]


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


def models() -> None:
    """List the models by name."""
    from facebench.experiment.registry import MODELS

    _list(MODELS)


def tasks() -> None:
    """List the tasks by name."""
    from facebench.experiment.registry import TASKS

    _list(TASKS)


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
    """List the layers of a model, with the numbers each gives for an image.

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
    columns = ["name", *([] if one_kind else ["what"]), "summary", "target", "from"]
    talk().table(columns, [[row[column] for column in columns] for row in rows])
    talk().data(rows)
