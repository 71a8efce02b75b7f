"""``facebench data``: the usual face data sets, from an unpacked archive to an experiment."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facebench.commands.frame import CommandLines, command, talk

if TYPE_CHECKING:
    from facebench.data.sets.catalogue import FaceSet

__all__ = ["data_app"]

data_app = typer.Typer(
    cls=CommandLines,
    help="The usual face data sets: list, show, prepare. Nothing is downloaded.",
    no_args_is_help=True,
)


def _names() -> list[str]:
    from facebench.data.sets.catalogue import FACE_SETS

    return list(FACE_SETS)


_Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="As `facebench data list` has it.", autocompletion=_names),
]


@data_app.command("list", epilog="Example: facebench data list")
@command
def list_sets() -> None:
    """List the data sets whose layout and protocol are known."""
    from facebench.data.sets.catalogue import FACE_SETS

    rows = [
        (face_set.name, face_set.title, _number(face_set.images), _pairs(face_set))
        for face_set in FACE_SETS.values()
    ]
    talk().table(["name", "data set", "images", "pairs"], rows)
    talk().data([dataclasses.asdict(face_set) for face_set in FACE_SETS.values()])


@data_app.command(epilog="Example: facebench data show lfw-view2")
@command
def show(name: _Name) -> None:
    """Show a data set's layout, counts, licence, protocol and source."""
    from facebench.data.sets.preparing import find_face_set

    face_set = find_face_set(name)
    facts = {
        "images": _number(face_set.images),
        "people": _number(face_set.people),
        "licence": face_set.licence,
        "access": face_set.access,
        "protocol": face_set.protocol,
        "reference": face_set.reference,
    }
    talk().result(f"{face_set.title}\n{face_set.summary}\n")
    talk().result("\n".join(f"{key + ':':<11}{value}" for key, value in facts.items() if value))
    for official in face_set.lists:
        talk().result(f"{'pairs:':<11}{official.file}: {official.counts}")
    talk().result(f"\nExpected below ROOT:\n{face_set.layout}\n")
    talk().result(f"Then: facebench data prepare {name} --root ROOT")
    talk().data(dataclasses.asdict(face_set))


@data_app.command(epilog="Example: facebench data prepare lfw-view2 --root archives")
@command
def prepare(
    name: _Name,
    root: Annotated[
        Path,
        typer.Option("--root", metavar="DIR", help="Where the set's archives are unpacked."),
    ],
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The images. [default: looked for below the root]"),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where to write.")
    ] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace files of that name.")] = False,
) -> None:
    """Write a data set's official pairs, with folds, and an experiment."""
    from facebench.data.sets.preparing import prepare_face_set
    from facebench.experiment.starters.face_set import write_face_set

    prepared = prepare_face_set(name, root, images)
    files = write_face_set(prepared, output, replace=force)
    talk().warn(prepared.remarks)
    for item in prepared.lists:
        same = int(item.pairs["same"].sum())
        talk().say(
            f"{item.official.name}: {same:,} genuine and {len(item.pairs) - same:,} impostor "
            f"pairs, images in {item.images}."
        )
    talk().result("\n".join(map(str, (files.experiment, *files.pairs))))
    talk().data({"experiment": files.experiment, "pairs": files.pairs, "remarks": prepared.remarks})
    talk().say(f"Next: facebench run {files.experiment}")


def _number(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def _pairs(face_set: FaceSet) -> str:
    counts = list(dict.fromkeys(official.counts for official in face_set.lists))
    if len(counts) == 1:
        several = f"{len(face_set.lists)} x " if len(face_set.lists) > 1 else ""
        return several + counts[0]
    return f"{len(face_set.lists)} lists, see `facebench data show {face_set.name}`"
