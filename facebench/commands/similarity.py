"""rdm, predictors: distances between images as a file, and what several networks explain."""

from __future__ import annotations

import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from facebench.commands.completion import model_names
from facebench.commands.frame import talk
from facebench.commands.listing import ModelArguments
from facebench.commands.results import RunPath
from facebench.errors import InputError
from facebench.utils.suggestions import did_you_mean, listed

if TYPE_CHECKING:
    import pandas as pd

    from facebench.run.measurement import AnyModel
    from facebench.types import Float64Array

__all__ = ["predictors", "rdm"]

_CONFIGURATIONS = (".yaml", ".yml")


def rdm(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|CONFIG|FOLDER", help="A run, an experiment, or a folder of images."
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Which model. Of a folder: a name from `facebench models`.",
            autocompletion=model_names,
        ),
    ] = None,
    layers: Annotated[
        list[str] | None,
        typer.Option("--layer", "-l", help="A layer or pattern; repeatable. [default: all]"),
    ] = None,
    task: Annotated[str | None, typer.Option(help="Of a run: which task's distances.")] = None,
    distance: Annotated[
        str | None,
        typer.Option(help="Of an experiment or folder: cosine, euclidean, sqeuclidean …"),
    ] = None,
    arguments: ModelArguments = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help=".csv, .npz, .mat, or rsatoolbox's .h5"
        ),
    ] = Path("rdm.csv"),
) -> None:
    """Write the distances of all images in a layer as a matrix (RDM).

    One layer becomes a square .csv; several a row per pair. A .npz, .mat or .h5 file holds a matrix
    for each layer. Every task reads them back as ratings, predictors or nuisances.
    """
    from facebench.data.rdms import RDM_SUFFIXES, write_rdms
    from facebench.utils.files import check_replaceable

    if output.suffix.lower() not in RDM_SUFFIXES:
        msg = f"The output must be one of {', '.join(RDM_SUFFIXES)}. Got {output}."
        raise InputError(msg)
    check_replaceable(output)
    if source.suffix.lower() in _CONFIGURATIONS or (source.is_dir() and not _is_run(source)):
        if task is not None:
            msg = f"--task chooses among the tasks of a run. {source} is not a run."
            raise InputError(msg)
        frame, measure = _of_images(source, model, layers, distance, arguments or [])
    else:
        if distance is not None:
            msg = "--distance is for experiments and folders. A run has the distances of its tasks."
            raise InputError(msg)
        frame, measure = _of_run(source, model, layers, task)
    names, matrices = _matrices(frame)
    write_rdms(output, names, matrices, measure)
    talk().table(["layer", "images", "distance"], [(x, len(names), measure) for x in matrices])
    talk().result(str(output))
    talk().data({"output": str(output), "layers": list(matrices), "images": names})


def _is_run(folder: Path) -> bool:
    from facebench.data.made_stimuli import MadeStimuli
    from facebench.results.reader import latest_run
    from facebench.results.schema import MANIFEST_FILE

    manifest = latest_run(folder) / MANIFEST_FILE
    # Stimuli have a manifest of that name, too.
    made = MadeStimuli().folder_of(manifest)
    return manifest.is_file() and (made is None or made.path != manifest.parent)


def _of_images(
    source: Path,
    model: str | None,
    layers: list[str] | None,
    distance: str | None,
    arguments: list[str],
) -> tuple[pd.DataFrame, str]:
    """Compare all images of a folder, or of an experiment's tasks, in one model."""
    from facebench.commands.models import made_model
    from facebench.data.images import list_images
    from facebench.run.manager import MultiModelTaskManager
    from facebench.tasks.rsa import RsaTask

    if source.is_dir():
        network = made_model(model or "dlib-resnet", layers, arguments)
        names = [path.relative_to(source).as_posix() for path in list_images(source).images]
        folder = source
    else:
        network, names, folder = _of_configuration(source, model, layers)
    measure = distance or "cosine"
    task = RsaTask("rdm", folder, names, distance=measure)
    manager = MultiModelTaskManager([network], [task])
    # Where its tables lie for a moment concerns no one.
    logging.getLogger(manager.__module__).setLevel(logging.WARNING)
    with TemporaryDirectory() as temporary:
        manager.run_all_tasks_all_models(temporary, print_log=False, plots=False)
    return manager.model_task_distances_dfs[network.name]["rdm"], measure


def _of_configuration(
    source: Path, model: str | None, layers: list[str] | None
) -> tuple[AnyModel, list[str], Path]:
    from facebench.experiment.building import build_experiment
    from facebench.experiment.config import load_config
    from facebench.run.task_images import image_names

    experiment = build_experiment(load_config(source))
    found = _the_one([each.name for each in experiment.models], model, "model", source)
    network = next(each for each in experiment.models if each.name == found)
    folders = {str(task.images_path) for task in experiment.tasks}
    if len(folders) > 1:
        msg = f"The tasks of {source} have images in several folders: {listed(sorted(folders))}."
        raise InputError(msg)
    names = dict.fromkeys(name for task in experiment.tasks for name in image_names(task))
    if layers:
        msg = f"The layers of {network.name!r} are those that {source} names. Leave out --layer."
        raise InputError(msg)
    return network, list(names), Path(folders.pop())


def _of_run(
    folder: Path, model: str | None, layers: list[str] | None, task: str | None
) -> tuple[pd.DataFrame, str]:
    from facebench.models.layer_globs import expand_layers
    from facebench.results.reader import load_run

    run = load_run(folder)
    chosen = _the_one(list(run.tasks), task, "task", folder)
    of_model = _the_one(run.models, model, "model", folder)
    frame = run.task_distances(of_model, chosen)
    if not {"img1", "img2", "model_computed_distance"} <= set(frame.columns):
        msg = f"Task {chosen!r} of {folder} has no distances of pairs."
        raise InputError(msg)
    if layers:
        there = list(dict.fromkeys(frame["layer_name"]))
        wanted = expand_layers(layers, there, there, owner=f"model {of_model!r} in the run")
        frame = frame[frame["layer_name"].isin(wanted)]
    return frame, str(run.tasks[chosen].distance or "")


def _the_one(there: list[str], asked: str | None, what: str, source: Path) -> str:
    if asked is None and len(there) == 1:
        return there[0]
    if asked in there:
        return str(asked)
    hint = "" if asked is None else did_you_mean(asked, there)
    msg = f"Say which {what} of {source} (--{what}): {listed(there)}.{hint}"
    raise InputError(msg)


def _matrices(frame: pd.DataFrame) -> tuple[list[str], dict[str, Float64Array]]:
    """Arrange the pairs of each layer as an RDM; pairs that are not there are NaN."""
    import numpy as np

    from facebench.metrics.rdm import rdm_from_pairs

    names = list(dict.fromkeys([*frame["img1"], *frame["img2"]]))
    place = {name: number for number, name in enumerate(names)}
    found: dict[str, Float64Array] = {}
    for layer, rows in frame.groupby("layer_name", sort=False):
        first, second = (np.array([place[name] for name in rows[s]]) for s in ("img1", "img2"))
        vector = rdm_from_pairs(first, second, rows["model_computed_distance"], len(names))
        missing = int(np.isnan(vector).sum())
        if missing:
            talk().warn([f"{missing} of {vector.size} pairs have no distance in {layer!r}."])
        found[str(layer)] = vector
    return names, found


def predictors(
    run: RunPath,
    wanted: Annotated[
        str,
        typer.Option(
            "--predictors",
            "-p",
            metavar="NAME,NAME,…",
            help="Models, MODEL:LAYER, or columns of the task (pixels); NAME=… renames one.",
        ),
    ],
    task: Annotated[str | None, typer.Option(help="The task with the ratings.")] = None,
    scale: Annotated[str, typer.Option(help="'pearson', or 'spearman' for ranks.")] = "pearson",
    nonnegative: Annotated[
        bool,
        typer.Option("--nonnegative", help="Also weigh them without negative weights (NNLS)."),
    ] = False,
    folds: Annotated[
        int | None, typer.Option(help="Folds of images. [default: one image each, 10 from 31 on]")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of folds and splits.")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="A .csv file to write.")
    ] = None,
) -> None:
    """Say how much of people's ratings several networks explain.

    Together, each alone, and each beyond the others.
    """
    from facebench.results.reader import load_run
    from facebench.utils.files import write_csv

    found = load_run(run)
    chosen = _the_one(list(found.tasks), task, "task", run)
    table = found.predictors(
        chosen, wanted, scale=scale, nonnegative=nonnegative, n_folds=folds, seed=seed
    )
    shown = table.copy()
    for column in ("value", "ci_low", "ci_high"):
        shown[column] = [f"{number:.3f}" if number == number else "" for number in table[column]]
    talk().table(list(table.columns), shown.to_numpy().tolist())
    facts = table.attrs
    talk().say(
        f"{facts['pairs']} pairs of {facts['images']} images, {facts['raters']} raters. "
        f"Intervals: {facts['method']}."
    )
    talk().warn([f"{remark[0].upper()}{remark[1:]}." for remark in facts["remarks"]])
    if output is not None:
        write_csv(table, output)
        talk().say(f"The table is {output}.")
    talk().data({"predictors": table.to_dict("records"), **facts})
