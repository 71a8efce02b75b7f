"""Results that were recorded elsewhere, in the form in which a network's pass gives its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facebench.data.image_names import ImageName
from facebench.engine.memory import FLOAT, peak_memory
from facebench.engine.outputs import Embeddings
from facebench.engine.plan_tables import LayerPlan, ModelPlan
from facebench.engine.record import ModelRecord
from facebench.engine.request import EmbeddingRequest
from facebench.errors import ImageError, InputError
from facebench.models.embeddings import NamedVectors
from facebench.models.recorded import RecordedModel
from facebench.models.scores import ScoresModel
from facebench.types import Float64Array, IntArray, OnBadImage

__all__ = ["PairsToFind", "plan_recorded", "read_recorded"]

_SHOWN = 5


class PairsToFind(NamedTuple):
    """Pairs of which a task needs the distance.

    Attributes
    ----------
    task : str
        Its name.
    first, second : int array, shape [P]
        The images, as numbers of different names.
    """

    task: str
    first: IntArray
    second: IntArray


def read_recorded(
    model: RecordedModel,
    request: EmbeddingRequest,
    names: Sequence[ImageName],
    pairs: Sequence[PairsToFind],
    on_bad_image: OnBadImage,
    record: ModelRecord | None = None,
) -> Embeddings:
    """Find what a model has of the images, or pairs, that tasks want.

    Parameters
    ----------
    model : RecordedModel
        The model.
    request : EmbeddingRequest
        What tasks want.
    names : sequence of ImageName
        The images of the request, by number.
    pairs : sequence of PairsToFind
        What a model of scores is asked.
    on_bad_image : {'stop', 'skip'}
        Whether an image without a vector, or a pair without a score, ends the run.
    record : ModelRecord, optional
        Where to note what it came from.

    Returns
    -------
    Embeddings
        Of a model of scores: the distances of each task's pairs.

    Raises
    ------
    MissingImageError, PairsError
        If images or pairs are not there.
    ImageError
        If the run is to stop where one has no result.
    """
    if isinstance(model, NamedVectors):
        found = _vectors(model, request, names, on_bad_image)
    elif isinstance(model, ScoresModel):
        found = _scores(model, pairs, names, on_bad_image)
    else:
        msg = f"Model {model.name!r} must have embeddings or scores. Got a {type(model).__name__}."
        raise InputError(msg)
    if record is not None:
        record.device = ""
        record.file, record.file_digest = str(model.file.absolute()), model.digest
        record.weights_digest = model.weights_digest
        record.n_images, record.n_bad = len(names), len(found.bad_images)
        record.layers = dict.fromkeys(model.extract_layers, "kept")
        record.peak_memory = peak_memory()
    return found


def _vectors(
    model: NamedVectors,
    request: EmbeddingRequest,
    names: Sequence[ImageName],
    on_bad_image: OnBadImage,
) -> Embeddings:
    places = model.find(names)
    bad = np.flatnonzero(~model.is_whole[places]).tolist()
    if bad and on_bad_image == "stop":
        msg = _without(
            f"{len(bad)} of {len(names)} images have NaN in their embedding in {model.file}",
            [repr(names[number].name) for number in bad],
            "their pairs",
        )
        raise ImageError(msg)
    rows = places.copy()
    rows[bad] = -1
    return Embeddings(
        layers=model.vectors,
        row_of={
            path: int(rows[number])
            for path, number in request.number_of.items()
            if rows[number] >= 0
        },
        rows=rows,
        bad_images=_reasons(request.images, bad),
        names=list(model.extract_layers),
    )


def _reasons(images: Sequence[Path], bad: Sequence[int]) -> dict[Path, str]:
    return {images[number]: "its embedding has NaN" for number in bad}


def _scores(
    model: ScoresModel,
    wanted: Sequence[PairsToFind],
    names: Sequence[ImageName],
    on_bad_image: OnBadImage,
) -> Embeddings:
    streamed: dict[str, dict[str, Float64Array]] = {layer: {} for layer in model.extract_layers}
    for pairs in wanted:
        first = [names[number] for number in pairs.first.tolist()]
        second = [names[number] for number in pairs.second.tolist()]
        rows = model.find(first, second)
        for layer, distances in model.distances.items():
            streamed[layer][pairs.task] = distances[rows]
            without = np.flatnonzero(np.isnan(distances[rows])).tolist()
            if without and on_bad_image == "stop":
                msg = _without(
                    f"{len(without)} of {len(rows)} pairs of task {pairs.task!r} have no score "
                    f"{layer!r} in {model.file}",
                    [f"{first[row].name!r}, {second[row].name!r}" for row in without],
                    "them",
                )
                raise ImageError(msg)
    return Embeddings(
        rows=np.arange(len(names)),
        names=list(model.extract_layers),
        streamed=streamed,
        given=model.description,
    )


def _without(beginning: str, shown: Sequence[str], what: str) -> str:
    return (
        f"{beginning}: {'; '.join(shown[:_SHOWN])}{'; …' if len(shown) > _SHOWN else ''}. "
        f"on_bad_image='skip' leaves {what} out, and counts them."
    )


def plan_recorded(model: RecordedModel, n_images: int) -> ModelPlan:
    """Plan what is only read.

    Parameters
    ----------
    model : RecordedModel
        The model.
    n_images : int
        Images that tasks want.
    """
    vectors = model.vectors if isinstance(model, NamedVectors) else {}
    widths = {layer: rows.shape[1] for layer, rows in vectors.items()}
    return ModelPlan(
        model=model.name,
        n_images=n_images,
        n_stored=n_images,
        n_to_embed=0,
        n_forwards=0,
        layers=[
            LayerPlan(layer, widths.get(layer, 1), "kept", n_images)
            for layer in model.extract_layers
        ],
        memory_bytes=sum(rows.size for rows in vectors.values()) * FLOAT,
        disk_bytes=0,
        seconds=None,
        note=f"read from {model.file}.",
    )
