"""pairs, stimuli, align: from a folder of faces to what tasks need."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facebench.commands.frame import talk

if TYPE_CHECKING:
    from facebench.experiment import Experiment

__all__ = ["decode_all", "pairs"]

Faces = Annotated[Path, typer.Argument(metavar="FACES", help="A folder of NAME/*.jpg.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of what is drawn at random.")]


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
    every: Annotated[bool, typer.Option("--all", help="Every pair of images there is.")] = False,
    seed: Seed = 0,
) -> None:
    """Write a list of genuine and impostor pairs from a folder of faces."""
    from facebench.files import atomic_path
    from facebench.pairs import all_pairs, pairs_from_folder

    table = all_pairs(faces) if every else pairs_from_folder(faces, genuine, impostor, seed)
    with atomic_path(output) as temporary:
        table.to_csv(temporary, index=False)
    same = int(table["same"].sum())
    talk().say(f"{same} genuine and {len(table) - same} impostor pairs.")
    talk().result(str(output))
    talk().data({"output": str(output), "genuine": same, "impostor": len(table) - same})


def decode_all(experiment: Experiment) -> None:
    """Decode every image of every task, and tell all that cannot be.

    Parameters
    ----------
    experiment : Experiment
        The experiment.

    Raises
    ------
    ConfigError
        With a sentence for every bad image.
    """
    from concurrent.futures import ThreadPoolExecutor

    from facebench.errors import ConfigError, ImageError
    from facebench.experiment import images_of
    from facebench.images import open_image
    from facebench.progress import Progress

    def problem(path: Path) -> str | None:
        try:
            open_image(path)
        except ImageError as error:
            return str(error)
        return None

    wanted = images_of(experiment)
    problems = []
    with ThreadPoolExecutor() as pool, Progress("Decoding", len(wanted)) as progress:
        for found in pool.map(problem, wanted):
            progress.advance(1)
            if found is not None:
                problems.append(found)
    if problems:
        raise ConfigError(*problems)
