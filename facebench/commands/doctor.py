"""doctor: what this machine has, and whether a model gets the input that it was trained with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facebench.commands.completion import model_names
from facebench.commands.frame import SOME_FAILED, talk
from facebench.commands.listing import ModelArguments
from facebench.errors import InputError

if TYPE_CHECKING:
    from facebench.run.measurement import AnyModel

__all__ = ["doctor"]

_CONFIGURATIONS = (".yaml", ".yml")


def doctor(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]",
            help="A name from `facebench models`, a .py file, or x.yaml:NAME.",
            autocompletion=model_names,
        ),
    ] = None,
    faces: Annotated[
        Path | None,
        typer.Option("--faces", metavar="DIR", help="Faces, as NAME/*.jpg, for the model."),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option("--pairs", metavar="FILE", help="Pairs of these faces, with a column 'same'."),
    ] = None,
    arguments: ModelArguments = None,
    n_pairs: Annotated[
        int, typer.Option("--number", min=10, help="Maximum number of genuine pairs.")
    ] = 100,
) -> None:
    """Show versions, devices, free memory, and what is missing.

    With a MODEL and --faces, tell instead which input its network was trained with: a few genuine
    and impostor pairs are shown to it as RGB and BGR and in the usual ranges of values. Exit status
    1 if something that facebench cannot do without is missing, or another input is better.
    """
    if model is not None or faces is not None:
        _probe(model, faces, pairs, arguments or [], n_pairs)
        return
    from facebench.run.diagnosis import MISSING, diagnose

    findings = diagnose()
    talk().table(
        ["what", "state", "detail"], [(item.what, item.state, item.detail) for item in findings]
    )
    talk().data([vars(item) for item in findings])
    if any(item.state == MISSING for item in findings):
        raise typer.Exit(SOME_FAILED)


def _probe(
    model: str | None, faces: Path | None, pairs: Path | None, arguments: list[str], n_pairs: int
) -> None:
    if model is None or faces is None:
        msg = "To look into a model's input, give both: facebench doctor MODEL --faces DIR."
        raise InputError(msg)
    from facebench.models.base import BaseModel
    from facebench.run.input_probe import probe_input, probe_pairs

    table, first, second = probe_pairs(faces, pairs, n_pairs=n_pairs)
    made = _model(model, arguments)
    if not isinstance(made, BaseModel):
        msg = f"{model} reads what was computed elsewhere: there is no network to show images to."
        raise InputError(msg)
    found = probe_input(made, table, first, second)
    talk().table(
        ["input", "AUC", "d'", "AUC more than as given", "95 % interval"],
        [
            (
                f"{one} (as given)" if one.is_given and one.range != "as given" else str(one),
                f"{one.auc:.4f}",
                f"{one.dprime:.2f}",
                "" if one.is_given else f"{one.gain:+.4f}",
                "" if one.is_given else f"{one.low:+.4f} … {one.high:+.4f}",
            )
            for one in found.inputs
        ],
    )
    for remark in found.remarks:
        talk().say(remark)
    talk().say(
        f"{found.n_genuine} genuine and {found.n_impostor} impostor pairs of {found.n_images} "
        "images, cosine similarity."
    )
    talk().result(found.verdict())
    talk().data(
        {
            "verdict": found.verdict(),
            "given_is_right": not found.better,
            "n_genuine": found.n_genuine,
            "n_impostor": found.n_impostor,
            "n_images": found.n_images,
            "inputs": [vars(one) for one in found.inputs],
            "remarks": found.remarks,
        }
    )
    if found.better:
        raise typer.Exit(SOME_FAILED)


def _model(text: str, arguments: list[str]) -> AnyModel:
    """Make the model: by name and arguments, or as a configuration has it."""
    file, _, name = text.rpartition(":") if ":" in text else (text, "", "")
    if not file.endswith(_CONFIGURATIONS):
        from facebench.commands.models import made_model

        return made_model(text, None, arguments)
    from facebench.experiment.building import build_model
    from facebench.experiment.config import load_config

    config = load_config(Path(file), [f"models.{name}.{one}" for one in arguments])
    return build_model(config, name)
