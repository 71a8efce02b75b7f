"""Distractors: people in a gallery without a probe. Files of embeddings, searched in parts."""

from __future__ import annotations

import glob
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import xxhash

from facebench.data.embedding_files.row_files import RowFiles, RowSource
from facebench.errors import InputError
from facebench.metrics.distances import zeros_as_nan
from facebench.metrics.search import Measure
from facebench.metrics.search_parts import (
    Engine,
    SearchPart,
    merge_parts,
    search_digest,
    search_part,
)
from facebench.metrics.templates import Normalise, single_templates
from facebench.store.pack_files import SUFFIX
from facebench.store.pack_rows import PackRows, holds_packs
from facebench.store.search_files import find_parts, write_part
from facebench.tasks.embedding import LayerSource
from facebench.types import Float64Array, FloatArray, IntArray, StrPath
from facebench.utils.files import safe_name
from facebench.utils.suggestions import did_you_mean_file

__all__ = ["Distractors", "Search", "SharedPart", "every_file"]

_log = logging.getLogger(__name__)


class Search(NamedTuple):
    """What is searched for among distractors.

    Attributes
    ----------
    probes : array, shape [P, D]
        Embeddings, finite.
    mates : int array, shape [P]
        Rows of their right templates among the enrolled people, -1 for none.
    mate_distances : array, shape [P]
        Distances to these.
    n_enrolled : int
        Enrolled people, who come first in the gallery.
    k : int
        How many of the nearest to keep.
    measure : {'cosine', 'euclidean', 'inner_product'}
    normalise : {'none', 'before', 'after', 'both'}
        What is done to distractors.
    engine : {'numpy', 'faiss'}
    factory : str or None
        The index of an approximate search, see `search_part`.
    """

    probes: FloatArray
    mates: IntArray
    mate_distances: Float64Array
    n_enrolled: int
    k: int
    measure: Measure
    normalise: Normalise
    engine: Engine
    factory: str | None

    def enrolled(self, templates: FloatArray, n_gallery: int) -> SearchPart:
        """Search the enrolled people, who are never searched approximately."""
        found = self._replace(factory=None).part(templates, 0, n_gallery)
        return replace(found, digest=self.digest())

    def part(
        self, rows: FloatArray | Iterator[FloatArray], first: int, n_gallery: int
    ) -> SearchPart:
        """Search rows of a gallery of `n_gallery`, from row `first` on."""
        return search_part(
            self.probes,
            rows,
            n_gallery=n_gallery,
            first=first,
            k=self.k,
            mates=self.mates,
            mate_distances=self.mate_distances,
            measure=self.measure,
            skip_failed=True,
            engine=self.engine,
            index=self.factory,
        )

    def digest(self) -> str:
        """Give the digest that parts of this search have."""
        mates = self.mates[:, None]
        return search_digest(
            self.probes, self.k, self.measure, self.mate_distances, mates, self.factory
        )


class SharedPart(NamedTuple):
    """A part of a search that a machine has made for all.

    Attributes
    ----------
    model, layer, task : str
        What was searched.
    first, stop : int
        The distractors.
    n_failed : int
        Those without an embedding.
    is_new : bool
        Whether it was searched now; not, if it was there.
    """

    model: str
    layer: str
    task: str
    first: int
    stop: int
    n_failed: int
    is_new: bool


class Distractors:
    """Where the distractors of every model and layer are.

    Parameters
    ----------
    pattern : str or Path
        A file, several (with ``*``), or a folder of packs; ``{model}`` and ``{layer}`` stand for
        their names, as names of files have them.
    task : str
        The task's name, for messages.
    """

    def __init__(self, pattern: StrPath, task: str) -> None:
        self.pattern = str(pattern)
        self._task = task

    def check(self, sources: Sequence[LayerSource]) -> None:
        """Look at the files of all layers, before any network runs; raises InputError."""
        of_file: dict[Path, LayerSource] = {}
        for source in sources:
            if source.adjusted:
                msg = (
                    f"Model {source.model!r} is centred or whitened in the run, and the "
                    f"distractors of task {self._task!r} are not. Leave this model out."
                )
                raise InputError(msg)
            files = self._files(source)
            if holds_packs(files[0]):
                continue
            self._opened(files, source)
            for path in files:
                first = of_file.setdefault(path, source)
                is_array = path.suffix == ".npy"
                if first is not source and (is_array or first.model != source.model):
                    msg = (
                        f"{path} would hold the distractors of task {self._task!r} for "
                        f"{first.model!r}, layer {first.layer!r}, and for {source.model!r}, layer "
                        f"{source.layer!r}. Each needs its own: write {{model}} and {{layer}} "
                        f"into 'distractors' ({self.pattern}) where their names are."
                    )
                    raise InputError(msg)

    def check_width(self, source: LayerSource, width: int) -> None:
        """Refuse files of another width; in packs, rows are of the layer or not there."""
        if not holds_packs(self._files(source)[0]):
            self.open(source, width)

    def open(self, source: LayerSource, width: int) -> RowSource:
        """Open the distractors of a layer.

        Parameters
        ----------
        source : LayerSource
            Which.
        width : int
            Values of its embeddings.

        Raises
        ------
        InputError
            If there are none, or they have another width.
        """
        files = self._files(source)
        rows: RowSource
        if holds_packs(files[0]):
            rows = PackRows(files[0], source.key(), source.dtype, source.images)
        else:
            rows = self._opened(files, source)
        if rows.width != width:
            msg = (
                f"The distractors of task {self._task!r} in {files[0]} have {rows.width} values, "
                f"embeddings of {source.model!r}, layer {source.layer!r}, have {width}. They must "
                "be of the same model and layer."
            )
            raise InputError(msg)
        return rows

    def _opened(self, files: list[Path], source: LayerSource) -> RowFiles:
        try:
            return RowFiles(files, source.layer)
        except InputError as error:
            msg = f"The distractors of task {self._task!r}: {error}"
            raise InputError(msg) from error

    def _files(self, source: LayerSource) -> list[Path]:
        named = {"{model}": source.model, "{layer}": source.layer}
        text = escaped = self.pattern
        for mark, name in named.items():
            if mark in text and not name:
                msg = (
                    f"The distractors of task {self._task!r} are those of a {mark[1:-1]} "
                    f"({self.pattern}): measure it in a run, which knows its name."
                )
                raise InputError(msg)
            text = text.replace(mark, safe_name(name))
            escaped = escaped.replace(mark, glob.escape(safe_name(name)))
        if Path(text).exists():
            found = [Path(text)]
        else:
            found = sorted(Path(path) for path in glob.glob(escaped, recursive=True))  # noqa: PTH207
        if not found:
            hint = "" if glob.has_magic(escaped) else did_you_mean_file(Path(text))
            msg = (
                f"The distractors of task {self._task!r} for {source.model!r}, layer "
                f"{source.layer!r}, do not exist: {text} (looked in {Path.cwd()}).{hint}"
            )
            raise InputError(msg)
        if found[0].is_dir() and not (len(found) == 1 and holds_packs(found[0])):
            msg = (
                f"The distractors of task {self._task!r} must be files of embeddings, or a folder "
                f"of packs. {found[0]} is a folder without packs: name its files, as "
                f"{found[0]}/*.npy."
            )
            raise InputError(msg)
        return found

    def search(self, search: Search, rows: RowSource, source: LayerSource) -> SearchPart:
        """Search all distractors, or take the parts that other machines have searched."""
        parts: list[SearchPart] = []
        done = 0
        start, total = search.n_enrolled, search.n_enrolled + rows.n_rows
        for part, digest in self._known(search, source):
            first, stop = part.first - start, part.stop - start
            if part.n_gallery != total:
                _log.warning(
                    "Task %r: a part of a search is of %d distractors, not %d, and is not used.",
                    self._task,
                    part.n_gallery - start,
                    rows.n_rows,
                )
                continue
            if first < done or first == stop:
                continue
            if _digest(search, rows, first, stop) != digest:
                _log.warning(
                    "Task %r: distractors %d to %d are not those that another machine has "
                    "searched, and are searched again.",
                    self._task,
                    first,
                    stop - 1,
                )
                continue
            if done < first:
                parts.append(_searched(search, rows, done, first)[0])
            parts.append(part)
            done = stop
        n_known = sum(part.stop - part.first for part in parts)
        if done < rows.n_rows or not parts:
            parts.append(_searched(search, rows, done, rows.n_rows)[0])
        if source.searches is not None:
            _log.info(
                "Task %r, model %r, layer %r: %d distractors, %d of them searched before.",
                self._task,
                source.model,
                source.layer,
                rows.n_rows,
                n_known,
            )
        return merge_parts(parts)

    def search_share(
        self, search: Search, rows: RowSource, source: LayerSource, number: int, count: int
    ) -> SharedPart:
        """Search a share of the distractors, and publish what was found."""
        first, stop = (rows.n_rows * (number + more) // count for more in (0, 1))
        begin, end = search.n_enrolled + first, search.n_enrolled + stop
        told = [0]

        def after_block(n_rows: int) -> None:
            told.append(n_rows)
            if source.after_block is not None:
                source.after_block(n_rows)

        for known, digest in self._known(search, source):
            if (known.first, known.stop) == (begin, end) and digest == _digest(
                search, rows, first, stop
            ):
                part, is_new = known, False
                break
        else:
            part, digest = _searched(search, rows, first, stop, after_block)
            write_part(self._folder(source), part, digest)
            # A signal that came with the last block costs nothing.
            after_block(stop - first - sum(told))
            is_new = True
        return SharedPart(
            source.model, source.layer, self._task, first, stop, part.n_failed, is_new
        )

    def _known(self, search: Search, source: LayerSource) -> list[tuple[SearchPart, str]]:
        if source.searches is None:
            return []
        return find_parts(self._folder(source), search.digest())

    def _folder(self, source: LayerSource) -> Path:
        if source.searches is None:
            msg = "Machines share parts of a search in the folder of packs. Name one: packs: DIR."
            raise InputError(msg)
        return source.searches.joinpath(*map(safe_name, (self._task, source.model, source.layer)))


def every_file(pattern: StrPath) -> list[Path]:
    """Find the files of all models and layers that a pattern may mean, those of packs too."""
    text = str(pattern)
    for mark in ("{model}", "{layer}"):
        text = text.replace(mark, "*")
    literal = [Path(text)] if Path(text).exists() else []
    found = literal or [Path(path) for path in glob.glob(text, recursive=True)]  # noqa: PTH207
    packs = [path for folder in found if folder.is_dir() for path in folder.glob(f"*{SUFFIX}")]
    return sorted(path for path in [*found, *packs] if path.is_file())


def _searched(
    search: Search,
    rows: RowSource,
    first: int,
    stop: int,
    after_block: Callable[[int], None] | None = None,
) -> tuple[SearchPart, str]:
    """Search some distractors; gives a digest of what was read, too."""
    digest, left = xxhash.xxh3_128(search.normalise.encode()), [stop - first]

    def templates() -> Iterator[FloatArray]:
        for block in rows.blocks(first, stop):
            digest.update(block.data)
            whole = zeros_as_nan(block) if search.measure == "cosine" else block
            yield single_templates(whole, search.normalise)
            left[0] -= len(block)
            if left[0] and after_block is not None:
                after_block(len(block))

    n_gallery = search.n_enrolled + rows.n_rows
    try:
        part = search.part(templates(), search.n_enrolled + first, n_gallery)
    except ValueError as error:
        # Of an index that cannot be made.
        raise InputError(str(error)) from error
    if part.stop - part.first != stop - first:
        msg = (
            f"{stop - first} distractors should have been read, and {part.stop - part.first} were."
        )
        raise InputError(msg)
    return part, digest.hexdigest()


def _digest(search: Search, rows: RowSource, first: int, stop: int) -> str:
    digest = xxhash.xxh3_128(search.normalise.encode())
    for block in rows.blocks(first, stop):
        digest.update(block.data)
    return digest.hexdigest()
