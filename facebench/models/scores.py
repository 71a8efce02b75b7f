"""Distances or similarities of image pairs that were computed, or judged, elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import numpy as np

from facebench.data.image_names import ImageName, NameIndex
from facebench.data.pairs.rows import row_name
from facebench.data.pairs.scores import read_scored_pairs, score_column
from facebench.data.rdms import is_rdm_file, pairs_of_rdms, read_rdms
from facebench.errors import InputError, PairsError
from facebench.models.embeddings import without_beginning
from facebench.models.recorded import RecordedModel, chosen_layers
from facebench.types import Float64Array, IntArray, StrPath
from facebench.utils.suggestions import listed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Polarity", "ScoresModel"]

_log = logging.getLogger(__name__)
_SHOWN = 5
# Cosine similarities of equal vectors are 1 to rounding.
_ROUNDING = 1e-6
Polarity = Literal["distance", "similarity"]
_USUAL = ("score", "distance", "similarity")


class ScoresModel(RecordedModel):
    r"""A score of every pair from a table: of a commercial system, a paper, or people.

    Tasks of pairs run on it: their ``model_computed_distance`` is what the table says, whatever
    distance the task computes of embeddings. So do `MatchingTask`, `RankingTask`, `OddOneOutTask`
    and `RsaTask`. Tasks that need embeddings refuse it.

    Parameters
    ----------
    name : str
        Display name, unique in a run.
    file : str or Path
        A .csv, .tsv or .parquet table with ``img1`` and ``img2`` (or ``p1`` and ``p2``) and
        columns of scores, or a file of RDMs (`facebench.data.rdms.read_rdms`). It may be the pairs
        file of the task itself.
    polarity : {'distance', 'similarity'}
        Whether a larger score means less alike or more alike.
    extract_layers : str or list of str, optional
        The columns of scores: each is a layer. None takes the column 'score', 'distance' or
        'similarity', if there is one of them.
    maximum : float, default 1
        Of similarities: the largest that the scale has. The distance is this minus the similarity.
    strip : str, optional
        See `EmbeddingsModel`.

    Raises
    ------
    InputError
        If the table cannot be read, a score is not a number, a pair has two different scores, or a
        similarity lies above `maximum`.

    Notes
    -----
    A pair may be listed in either order. An empty cell stands for a pair without a score: see
    `on_bad_image` of `MultiModelTaskManager`. Names are found as `EmbeddingsModel` says.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> file = Path(tempfile.mkdtemp()) / "people.csv"
    >>> _ = file.write_text("img1,img2,rating\na/1.jpg,b/1.jpg,6\n")
    >>> people = ScoresModel("people", file, "similarity", "rating", maximum=7)
    >>> people.distances["rating"]
    array([1.])
    """

    has_vectors: ClassVar[bool] = False

    def __init__(
        self,
        name: str,
        file: StrPath,
        polarity: Polarity,
        extract_layers: str | Iterable[str] | None = None,
        *,
        maximum: float = 1.0,
        strip: str = "",
    ) -> None:
        if polarity not in get_args(Polarity):
            msg = (
                "The 'polarity' parameter of ScoresModel must be 'distance' (larger is less alike) "
                f"or 'similarity' (larger is more alike). Got {polarity!r} instead."
            )
            raise InputError(msg)
        if isinstance(maximum, bool) or not _is_finite(maximum):
            msg = (
                "The 'maximum' parameter of ScoresModel must be a number, the largest similarity "
                f"of the scale. Got {maximum!r} instead."
            )
            raise InputError(msg)
        super().__init__(name, [file])
        self.polarity = polarity
        self.maximum = float(maximum)
        table = _table(self.file)
        self.extract_layers = self._columns(table, extract_layers)
        if wrong := self._told_otherwise():
            _log.warning(
                "Model %r: %s of %s is declared to be a %s. Is the polarity right?",
                name, listed(map(repr, wrong)), self.file, polarity,
            )  # fmt: skip
        self.distances: dict[str, Float64Array] = {
            layer: self._as_distances(layer, score_column(table, layer, self.file))
            for layer in self.extract_layers
        }
        sides = [
            without_beginning(table[side].tolist(), strip, self.file) for side in ("img1", "img2")
        ]
        different = list(dict.fromkeys([*sides[0], *sides[1]]))
        self._index = NameIndex(different, self.file)
        number_of = {name: number for number, name in enumerate(different)}
        self._row_of: dict[tuple[int, int], int] = {}
        for row, (one, other) in enumerate(zip(*sides, strict=True)):
            key = _either_order(number_of[one], number_of[other])
            first = self._row_of.setdefault(key, row)
            if first != row:
                self._refuse_contradiction(first, row, one, other)

    @property
    def description(self) -> str:
        """What distances are, in the place of the name of a distance metric."""
        if self.polarity == "distance":
            return f"distance in {self.file.name}"
        return f"{self.maximum:g} - similarity in {self.file.name}"

    def _columns(self, table: pd.DataFrame, asked: str | Iterable[str] | None) -> list[str]:
        there = [str(column) for column in table.columns if column not in ("img1", "img2")]
        if asked is not None:
            return chosen_layers(asked, there)
        usual = [column for column in there if column.casefold() in _USUAL]
        if len(usual) != 1:
            msg = (
                f"{self.file} does not say which columns are scores (it has: {', '.join(there)}). "
                "Name them as layers."
            )
            raise InputError(msg)
        return usual

    def _told_otherwise(self) -> list[str]:
        """Find the columns whose names say the other polarity."""
        other = "dist" if self.polarity == "similarity" else "simil"
        names = {
            layer: layer.casefold().replace("dissimil", "dist") for layer in self.extract_layers
        }
        return [layer for layer, name in names.items() if other in name]

    def _as_distances(self, layer: str, scores: Float64Array) -> Float64Array:
        if self.polarity == "distance":
            if n_negative := int((scores < 0).sum()):
                _log.warning(
                    "Model %r: %d of %d distances %r are below 0. Tasks that relate distances to "
                    "each other, such as relative-difference, need a scale that begins at 0.",
                    self.name, n_negative, scores.size, layer,
                )  # fmt: skip
            return scores
        above = np.flatnonzero(scores > self.maximum + _ROUNDING * max(1.0, abs(self.maximum)))
        if above.size:
            row = int(above[0])
            msg = (
                f"The similarities {layer!r} of {self.file} must be {self.maximum:g} at most. "
                f"{above.size} are larger; the first is {scores[row]:g} in "
                f"{row_name(row, self.file)}. Say the largest similarity of the scale as 'maximum'."
            )
            raise InputError(msg)
        distances = self.maximum - scores
        known = ~np.isnan(scores)
        n_merged = np.unique(scores[known]).size - np.unique(distances[known]).size
        if n_merged:
            _log.warning(
                "Model %r: %d different similarities of %r are one distance, %g minus them, in 64 "
                "bits. Give distances, or the logarithm of such similarities.",
                self.name, n_merged + 1, layer, self.maximum,
            )  # fmt: skip
        return distances

    def _refuse_contradiction(self, first: int, row: int, one: str, other: str) -> None:
        for layer, values in self.distances.items():
            if not np.array_equal(values[first], values[row], equal_nan=True):
                msg = (
                    f"{self.file} has two scores {layer!r} of the pair {one!r}, {other!r}: in "
                    f"{row_name(first, self.file)} and {row_name(row, self.file)}. Keep one, or "
                    "their mean."
                )
                raise PairsError(msg)

    def find(self, first: Sequence[ImageName], second: Sequence[ImageName]) -> IntArray:
        """Find the row of every pair, listed in either order.

        Parameters
        ----------
        first, second : sequence of ImageName
            The images of each pair.

        Returns
        -------
        int array
            Places in `distances`.

        Raises
        ------
        PairsError
            If pairs are not there, counting them and naming the first five.
        InputError
            If a name may mean several.
        """
        number_of = {image: self._index.find(image) for image in dict.fromkeys([*first, *second])}
        rows: list[int] = []
        missing: list[tuple[ImageName, ImageName]] = []
        for one, other in zip(first, second, strict=True):
            numbers = number_of[one], number_of[other]
            row = None
            if numbers[0] is not None and numbers[1] is not None:
                row = self._row_of.get(_either_order(numbers[0], numbers[1]))
            if row is None:
                missing.append((one, other))
            else:
                rows.append(row)
        if missing:
            shown = "; ".join(f"{one.name!r}, {other.name!r}" for one, other in missing[:_SHOWN])
            unknown = next(
                (image for pair in missing for image in pair if number_of[image] is None), None
            )
            hint = (
                ""
                if unknown is None
                else self._index.hint(
                    unknown, all_missing=all(row is None for row in number_of.values())
                )
            )
            msg = (
                f"{len(missing)} of {len(first)} pairs have no row in {self.file}, the file of "
                f"model {self.name!r}: {shown}{'; …' if len(missing) > _SHOWN else ''}.{hint}"
            )
            raise PairsError(msg)
        return np.array(rows, dtype=np.intp)


def _is_finite(number: object) -> bool:
    return isinstance(number, int | float | np.number) and isfinite(number)


def _either_order(one: int, other: int) -> tuple[int, int]:
    return (one, other) if one <= other else (other, one)


def _table(file: Path) -> pd.DataFrame:
    """Read pairs and scores, a row per pair, also of RDMs."""
    if is_rdm_file(file):
        return pairs_of_rdms(read_rdms(file)).rename(columns={"rating": "score"})
    return read_scored_pairs(file)
