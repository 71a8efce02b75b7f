"""pairs, stimuli, align: from a folder of faces to what tasks need."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facebench.commands.completion import detectors, templates
from facebench.commands.frame import talk
from facebench.faces import WhichFace

if TYPE_CHECKING:
    from facebench.experiment.building import Experiment

__all__ = ["align", "decode_all", "pairs", "stimuli"]

Faces = Annotated[Path, typer.Argument(metavar="FACES", help="A folder of NAME/*.jpg.")]
Seed = Annotated[int, typer.Option(min=0, help="Random seed.")]
Identity = Annotated[
    str | None,
    typer.Option(
        metavar="RULE",
        help="Who is in an image of a flat folder: 'name' (ann_1.jpg is ann), or a regular "
        "expression whose group is the person. [default: its folder]",
    ),
]
Which = Annotated[WhichFace, typer.Option(help="Which of several faces in a photograph is taken.")]


def pairs(
    faces: Faces,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The pairs file to write.")
    ] = Path("pairs.csv"),
    genuine: Annotated[
        int | None, typer.Option(min=1, help="Pairs of one person. [default: all there are]")
    ] = None,
    impostor: Annotated[
        int | None, typer.Option(min=1, help="Pairs of two people. [default: as many as genuine]")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every possible pair of images.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    seed: Seed = 0,
    identity: Identity = None,
) -> None:
    """Write a list of genuine and impostor pairs from a folder of faces."""
    from facebench.data.pairs import all_pairs, pairs_from_folder
    from facebench.errors import InputError
    from facebench.utils.files import write_csv

    if output.exists() and not force:
        msg = f"{output} already exists. Give another --output, or --force to overwrite it."
        raise InputError(msg)
    table = (
        all_pairs(faces, identity=identity)
        if every
        else pairs_from_folder(faces, genuine, impostor, seed, identity=identity)
    )
    write_csv(table, output)
    same = int(table["same"].sum())
    talk().say(f"{same} genuine and {len(table) - same} impostor pairs.")
    talk().result(str(output))
    talk().data({"output": str(output), "genuine": same, "impostor": len(table) - same})


def _conditions(incomplete: str) -> list[str]:
    from facebench.stimuli.catalogue import CONDITIONS

    return [name for name in ("all", *CONDITIONS) if name.startswith(incomplete)]


def _list_conditions() -> None:
    from facebench.stimuli.catalogue import CONDITIONS

    rows = [
        (
            name,
            f"{name}_{kind.parameters[kind.level]:g}" if kind.level else "",
            ", ".join(
                f"{key} {'of all faces' if value is None else f'{value:g}'}"
                for key, value in kind.parameters.items()
            ),
        )
        for name, kind in CONDITIONS.items()
    ]
    talk().table(["condition", "with a level", "parameters"], rows)
    talk().data(
        {
            name: {"level": kind.level or None, "parameters": dict(kind.parameters)}
            for name, kind in CONDITIONS.items()
        }
    )


def _all_conditions(faces: Path) -> list[str]:
    """Name all conditions; without averages where everyone has one photograph."""
    from facebench.data.images import list_images
    from facebench.stimuli.catalogue import CONDITIONS

    # Images directly in the folder show one person each.
    folders = [path.parent for path in list_images(faces).images if path.parent != faces]
    if len(set(folders)) < len(folders):
        return list(CONDITIONS)
    talk().say("Left out: average, which needs two photographs of a person or more.")
    return [name for name, kind in CONDITIONS.items() if not kind.others]


def stimuli(
    faces: Annotated[
        Path | None, typer.Argument(metavar="FACES", help="A folder of NAME/*.jpg.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where to.")] = Path(
        "stimuli"
    ),
    conditions: Annotated[
        list[str] | None,
        typer.Option(
            "--condition",
            "--conditions",
            "-c",
            help="inverted, thatcherised, masked, … (see --list); with a level, rotated_30; "
            "repeatable, or 'all'. [default: inverted, thatcherised]",
            autocompletion=_conditions,
        ),
    ] = None,
    people: Annotated[int | None, typer.Option(min=1, help="Maximum number of people.")] = None,
    photographs: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of photographs of each.")
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Keep whole photographs instead of aligned faces.")
    ] = False,
    size: Annotated[int, typer.Option(min=16, help="Side of aligned faces, in pixels.")] = 150,
    which_face: Which = "nearest-centre",
    max_yaw: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=90,
            help="Degrees by which heads may be turned. [default: 40; 30 where parts change]",
        ),
    ] = None,
    seed: Seed = 0,
    identity: Identity = None,
    list_all: Annotated[
        bool, typer.Option("--list", help="List all conditions and their parameters, and stop.")
    ] = False,
) -> None:
    """Make stimuli of photographs: inverted, thatcherised and many more.

    A folder per condition, tables of pairs, contact sheets; and, printed, the experiment that uses
    them. Conditions with a level (--list has
    them) take a number: -c rotated_30 -c rotated_-45. Several of one kind also give a table of
    pairs with the column 'level'.
    """
    from facebench.errors import InputError
    from facebench.experiment.starters.effects import stimuli_experiment
    from facebench.stimuli.conditions import make_conditions

    if list_all:
        _list_conditions()
        return
    if faces is None:
        msg = "Which photographs? Give a folder of NAME/*.jpg: facebench stimuli FACES."
        raise InputError(msg)
    wanted = conditions or ["inverted", "thatcherised"]
    if wanted == ["all"]:
        wanted = _all_conditions(faces)
    made = make_conditions(
        faces,
        output,
        wanted,
        seed=seed,
        n_people=people,
        n_images=photographs,
        align=not whole,
        size=size,
        which_face=which_face,
        max_yaw=max_yaw,
        identity=identity,
    )
    experiment, problems = stimuli_experiment(made, wanted, Path())
    talk().table(["condition", "photographs"], list(made.made.items()))
    for name, path in made.tables.items():
        talk().result(f"{name}: {path}")
    if made.left_out:
        talk().say(f"Left out: {len(made.left_out)} of {made.n_sources}, see left_out.csv.")
    talk().warn(problems)
    if experiment:
        talk().result(f"\n{experiment}")
    talk().data(
        {
            "output": str(output),
            "made": made.made,
            "tables": made.tables,
            "experiment": experiment,
            "left_out": len(made.left_out),
        }
    )


def align(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Images, at any depth.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where to.")] = Path(
        "aligned"
    ),
    template: Annotated[
        str,
        typer.Option(help="dlib150, arcface112, facenet160 or vgg224.", autocompletion=templates),
    ] = "dlib150",
    size: Annotated[
        int | None, typer.Option(min=16, help="Side of a chip of dlib150. [default: 150]")
    ] = None,
    padding: Annotated[
        float | None,
        typer.Option(min=0, help="Margin of dlib150, as a share of the face. [default: 0.25]"),
    ] = None,
    detector: Annotated[
        str,
        typer.Option(
            help="dlib-hog, dlib-cnn, mtcnn, or the path of YuNet's .onnx file.",
            autocompletion=detectors,
        ),
    ] = "dlib-hog",
    which_face: Which = "nearest-centre",
    keep_all: Annotated[
        bool, typer.Option("--keep-all", help="Cut images without a face around their centre.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes. [default: one per core]")
    ] = None,
) -> None:
    """Cut the face out of every image of a folder.

    Chips are what models with the same 'align' see. Images without a face are listed, and shown in
    no_face.png. chips.csv says which chip is of which image, alignment.json how they were cut.
    Called again, it goes on where it stopped.
    """
    from facebench.data.pairs.table import SHOWN, shown
    from facebench.faces.alignment import align_folder
    from facebench.store import open_store

    done = align_folder(
        folder,
        output,
        template=template,
        size=size,
        padding=padding,
        detector=detector,
        which_face=which_face,
        keep_all=keep_all,
        num_workers=workers,
        kept=open_store(),
    )
    if done.resumed:
        talk().say(f"{done.resumed} images were done already.")
    for name in done.no_face:
        talk().say(f"No face found: {name}")
    for reason in done.bad.values():
        talk().say(f"Left out: {reason}")
    if done.strays:
        several = len(done.strays) > 1
        told = shown(done.strays[:SHOWN], len(done.strays))
        talk().warn(
            [
                f"{len(done.strays)} PNG file{'s' if several else ''} in {output} "
                f"{'are' if several else 'is'} of no image in {folder}, and not in chips.csv: "
                f"{told}. Remove what is not wanted."
            ]
        )
    talk().result(f"{output}")
    talk().say(f"{done.written} chips, {len(done.no_face)} images without a face.")
    talk().data(
        {
            "output": str(output),
            "written": done.written,
            "resumed": done.resumed,
            "no_face": done.no_face,
            "bad_images": done.bad,
            "strays": done.strays,
        }
    )


def decode_all(experiment: Experiment) -> None:
    """Decode every image of every task, and tell all that cannot be.

    Raises
    ------
    ConfigError
        With a sentence for every bad image.
    """
    from concurrent.futures import ThreadPoolExecutor

    from facebench.data.images import open_image
    from facebench.errors import ConfigError, ImageError
    from facebench.experiment.building import image_files
    from facebench.utils.progress import Progress

    def problem(path: Path) -> str | None:
        try:
            open_image(path)
        except ImageError as error:
            return str(error)
        return None

    wanted = image_files(experiment)
    problems = []
    with ThreadPoolExecutor() as pool, Progress("Decoding", len(wanted)) as progress:
        for found in pool.map(problem, wanted):
            progress.advance(1)
            if found is not None:
                problems.append(found)
    if problems:
        raise ConfigError(*problems)
