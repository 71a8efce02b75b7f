"""One model's run over its images, phase by phase.

1. Look up: what the store knows of the model; if it knows all layers, the pass can be planned.
2. Learn: else a first batch tells which layers there are, and how wide they are.
3. Pass: what is missing goes through the network; see `model_pass`.
4. Result: what was found, what it took, and which images could not be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from facebench.engine.agreement import agreement_with_float32
from facebench.engine.cache import ModelCache
from facebench.engine.fingerprint import detector_code, running
from facebench.engine.forward import Forward
from facebench.engine.image_log import ImageLog
from facebench.engine.jpeg_decoding import decoded_by, decoder_difference
from facebench.engine.loading import Batch, Loader
from facebench.engine.memory import keeping_freed_memory, peak_memory
from facebench.engine.model_pass import FirstOutputs, ModelPass, OnFirstOutputs, PassTools
from facebench.engine.outputs import Embeddings
from facebench.engine.pass_plan import first_batch_size
from facebench.engine.placement import window_of
from facebench.engine.record import ModelRecord
from facebench.engine.request import EmbeddingRequest
from facebench.engine.settings import Settings
from facebench.engine.steadiness import warn_of_unsteadiness
from facebench.errors import InputError
from facebench.models.acceleration import engine_version
from facebench.models.base import BaseModel
from facebench.store import EmbeddingStore
from facebench.types import IntArray
from facebench.utils.progress import Progress

__all__ = ["run_model"]


def run_model(
    model: BaseModel,
    request: EmbeddingRequest,
    settings: Settings,
    on_first_outputs: OnFirstOutputs | None = None,
    record: ModelRecord | None = None,
    *,
    keep_all: bool = False,
) -> Embeddings:
    """Give all tasks what they want of a model, in one pass over their images.

    Parameters
    ----------
    model : BaseModel
        The model.
    request : EmbeddingRequest
        What tasks want.
    settings : Settings
        How to run.
    on_first_outputs : callable, optional
        Called with some of the model's layers, [n, D], before the rest is made.
    record : ModelRecord, optional
        Where to note what it took.
    keep_all : bool, default False
        Keep every layer in memory, over the budget if need be, and give rows of
        readable images only.

    Raises
    ------
    ImageError
        If an image cannot be read and the run is to stop then.
    ModelError
        If the preprocessing or an output of the model cannot be used.
    StoreError
        If the store cannot be written to: what was written stays.
    """
    record = record or ModelRecord(model.name)
    n_images = len(request.images)
    budget = settings.budget
    engine = settings.engine_of(model)
    with record.timed("digest"):
        cache = ModelCache.of(model, request, settings)

    def note_unsteady(unsteady: Mapping[str, str], *, is_stored: bool = False) -> None:
        new = {layer: why for layer, why in unsteady.items() if layer not in record.unsteady}
        warn_of_unsteadiness(model, new, is_stored=is_stored)
        record.unsteady.update(new)
        cache.keep_unsteady(new)

    def compare(batch: Batch, autocast: Callable[[], Any], limit: int | None) -> None:
        if not record.agreement:
            record.agreement = agreement_with_float32(
                model, batch, settings.precision, autocast, limit
            )

    is_usual = settings.precision == "float32" and settings.layout is None
    forward = Forward(
        model,
        settings.precision,
        n_images,
        layout=settings.layout or cache.layout(),
        on_layout=cache.keep_layout,
        on_unsteady=note_unsteady,
        engine=engine,
        batch_size=settings.batch_size,
        on_first=None if is_usual else compare,
    )
    if settings.decoder == "torchvision" and not record.decoder:
        record.decoder = decoder_difference(model.name, settings.decoder, request.images)
    with ExitStack() as stack:
        stack.enter_context(keeping_freed_memory(window_of(budget)))
        stack.enter_context(running(model))
        stack.enter_context(keeping_faces(model, settings.store))
        stack.enter_context(decoded_by(settings.decoder))
        loader = stack.enter_context(
            Loader(model, settings.num_workers, n_images, settings.decoder)
        )
        progress = stack.enter_context(Progress(model.name, n_images))
        images = ImageLog(model, request, settings.on_bad_image, progress)
        first_outputs = FirstOutputs(on_first_outputs)
        tools = PassTools(
            model, request, settings, keep_all, budget, record, cache, forward, loader, images,
            first_outputs,
        )  # fmt: skip
        the_pass = _look_up(tools, stack)
        if the_pass is not None and record.n_hits:
            note_unsteady(cache.unsteady(), is_stored=True)
        the_pass = the_pass or _learn(tools, stack)
        if the_pass is not None:
            the_pass.run()
        _note(tools, the_pass)
        return _result(tools, the_pass)


@contextmanager
def keeping_faces(model: BaseModel, store: EmbeddingStore | None) -> Iterator[None]:
    """Keep the faces that a model finds in a block in the store, for all models."""
    aligner = model.active_aligner
    if aligner is None:
        yield
        return
    if model.hint_column is not None and aligner.hints is None:
        msg = (
            f"Model {model.name!r} takes the face that the column {model.hint_column!r} of pairs "
            "tables points at, but there is no such table. Give 'which_face' another rule."
        )
        raise InputError(msg)
    before, aligner.kept = aligner.kept, store
    aligner.detector_code = detector_code(aligner.detector)
    try:
        yield
    finally:
        aligner.kept = before


def _look_up(tools: PassTools, stack: ExitStack) -> ModelPass | None:
    """Begin the pass with what the store knows; None if it has not met all of the layers."""
    widths = tools.cache.widths()
    if widths is None:
        return None
    the_pass = stack.enter_context(ModelPass(tools, widths))
    the_pass.take_stored()
    the_pass.show_stored()
    return the_pass


def _learn(tools: PassTools, stack: ExitStack) -> ModelPass | None:
    """Begin the pass with a first batch of a new model; None if no image could be read."""
    n_images = len(tools.request.images)
    size = first_batch_size(tools.model, tools.settings, keep_all=tools.keep_all)
    the_pass = None
    for first in range(0, n_images, size):
        images = list(range(first, min(first + size, n_images)))
        batch, numbers = next(tools.batches([images]))
        for numbers_run, paths, layers in tools.outputs(batch, numbers):
            if the_pass is None:
                widths = {layer: tensor[0].numel() for layer, tensor in layers.items()}
                the_pass = stack.enter_context(ModelPass(tools, widths))
                the_pass.take_stored()
            the_pass.take(numbers_run, paths, layers)
        if not tools.images.is_bound_to_stop:
            tools.images.count(images)
        if the_pass is not None:
            the_pass.let_go()
            tools.note_batch(images)
            break
    return the_pass


def _note(tools: PassTools, the_pass: ModelPass | None) -> None:
    """Note what the run took, and what the next one should know."""
    record, forward = tools.record, tools.forward
    record.n_images += len(tools.request.images)
    record.n_bad += len(tools.images.bad)
    record.n_forwards += forward.n_forwards
    record.device = str(tools.model.device)
    record.precision = tools.settings.precision
    engine = tools.settings.engine_of(tools.model)
    if engine != "none":
        record.accelerate = engine_version(engine)
        tools.cache.keep_differences(forward.differences)
        record.differences |= tools.cache.differences() | forward.differences
    record.sent_as = tools.loader.sent_as or record.sent_as
    if tools.loader.card_decoder is not None:
        record.decoder = tools.loader.card_decoder.facts or record.decoder
    record.layout = str(tools.model.memory_format).removeprefix("torch.")
    if the_pass is not None:
        record.layers |= {layer: the_pass.plan.how(layer) for layer in the_pass.plan.widths}
    facts = {**tools.cache.facts(), "alignment": tools.model.face_alignment}
    for name, value in facts.items():
        # Of two passes, the first one is that in which the model aligns.
        if getattr(record, name) is None:
            setattr(record, name, value)
    tools.cache.keep_pace(forward.seconds_per_image)
    record.peak_memory = peak_memory()


def _result(tools: PassTools, the_pass: ModelPass | None) -> Embeddings:
    """Put together what tasks get."""
    bad_files = tools.images.bad_files()
    tables = {} if the_pass is None else the_pass.tables()
    bad = list(tools.images.bad)
    if bad and tools.keep_all:
        good = np.setdiff1d(np.arange(len(tools.request.images)), bad)
        tables = {layer: rows[good] for layer, rows in tables.items()}
    rows = _row_numbers(len(tools.request.images), bad, packed=tools.keep_all)
    return Embeddings(
        layers=tables,
        row_of={
            path: int(rows[number])
            for path, number in tools.request.number_of.items()
            if rows[number] >= 0
        },
        rows=rows,
        bad_images=bad_files,
        notes=tools.images.counted_notes(),
        image_notes={image: notes for image, notes in tools.images.notes.items() if notes},
        names=[] if the_pass is None else list(the_pass.plan.widths),
        streamed={} if the_pass is None else the_pass.distances(),
    )


def _row_numbers(n_images: int, bad: list[int], *, packed: bool) -> IntArray:
    """Give the row of every image, -1 of those that could not be read."""
    rows = np.arange(n_images)
    if packed:
        good = np.ones(n_images, dtype=bool)
        good[bad] = False
        rows = np.cumsum(good) - 1
    rows[bad] = -1
    return rows
