"""Study and test lists of an experiment on recognition memory."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facebench.data.identity import people_of
from facebench.data.pairs import row_name
from facebench.errors import PairsError
from facebench.metrics.labels import LabelError, as_labels
from facebench.tasks.shared.image_tables import ImageTable, read_image_table
from facebench.types import StrPath

__all__ = ["StudyTables"]

_log = logging.getLogger(__name__)
_WORDS = {"old": "1", "new": "0"}


class StudyTables:
    """What was studied, and what was shown at test.

    Parameters
    ----------
    study, test : str, Path or DataFrame
        A row per image; the test table says which are old.
    owner, task : str
        The task's class and name, for messages.
    image_column, identity_column, old_column, list_column, condition_column : str
        Columns, see `RecognitionMemoryTask`.

    Attributes
    ----------
    study_images, test_images : array of str
        Names of images.
    old : bool array, shape [N]
        Which test items were studied.
    rows : DataFrame
        The test table.
    has_lists, has_conditions : bool
        Whether there are several study lists, and conditions.

    Raises
    ------
    PairsError
        If a table lacks something, test items are of one kind only, or contradict the study list.
    """

    def __init__(
        self,
        study: StrPath | pd.DataFrame,
        test: StrPath | pd.DataFrame,
        *,
        owner: str,
        task: str,
        image_column: str,
        identity_column: str,
        old_column: str,
        list_column: str,
        condition_column: str,
    ) -> None:
        self._study = read_image_table(
            study, parameter="study", owner=owner, columns=(image_column,)
        )
        self._test = read_image_table(
            test, parameter="test", owner=owner, columns=(image_column, old_column)
        )
        self._task, self._path = task, test
        self.rows = self._test.rows
        self.study_images, self.test_images = (
            table.texts("image_column", image_column).to_numpy(dtype=object)
            for table in (self._study, self._test)
        )
        self.old = self._labels(self._test.texts("old_column", old_column), old_column)
        self._identity_column = identity_column
        self.has_lists = list_column in self._study.rows
        if self.has_lists != (list_column in self.rows):
            msg = (
                f"The column {list_column!r} of {owner} names the study list of an image, and must "
                "be in both tables or in neither."
            )
            raise PairsError(msg)
        self._list_column = list_column
        self.has_conditions = condition_column in self.rows
        self._condition_column = condition_column
        self._check()

    def _row(self, position: int) -> str:
        is_table = isinstance(self._path, pd.DataFrame)
        return f"{row_name(position, None if is_table else self._path)} of the test table"

    def _labels(self, cells: pd.Series, column: str) -> NDArray[np.bool_]:
        lowered = cells.str.lower().replace(_WORDS)
        try:
            old = as_labels(lowered).astype(bool)
        except LabelError as error:
            msg = (
                f"The {column!r} column must hold old/new, 1/0, true/false or yes/no. Got "
                f"{cells.iloc[error.position]!r:.200} in {self._row(error.position)}."
            )
            raise PairsError(msg) from error
        if old.all() or not old.any():
            msg = f"Task {self._task!r} needs old and new test items. All are of one kind."
            raise PairsError(msg)
        return np.asarray(old)

    @cached_property
    def lists(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """The list of each studied and of each test image; '' where there is one list."""
        if not self.has_lists:
            return np.full(len(self.study_images), ""), np.full(len(self.test_images), "")
        first, second = (
            table.texts("list_column", self._list_column).to_numpy(dtype=str)
            for table in (self._study, self._test)
        )
        return first, second

    @cached_property
    def conditions(self) -> NDArray[Any]:
        """The condition of each test item; '' for those that count in every condition."""
        if not self.has_conditions:
            return np.full(len(self.test_images), "", dtype=object)
        return np.asarray(self.rows[self._condition_column].astype(object).fillna(""), dtype=object)

    def _named(self, table: ImageTable, images: NDArray[Any]) -> NDArray[Any]:
        if self._identity_column in table.rows:
            named = table.texts("identity_column", self._identity_column)
            return np.asarray(named, dtype=str)
        return people_of(images)

    @cached_property
    def people(self) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """Who each studied and each test image shows; None where that is not known."""
        studied = self._named(self._study, self.study_images)
        tested = self._named(self._test, self.test_images)
        if (studied == "").any() or (tested == "").any():
            return None
        wrong = self._contradicting(studied, tested)
        if wrong.size and self._identity_column not in self.rows:
            # The folders hold something else than people.
            return None
        if wrong.size:
            row = int(wrong[0])
            label, said = ("old", "was not") if self.old[row] else ("new", "was")
            msg = (
                f"Labels must agree with the study list. {str(tested[row])!r:.200} in "
                f"{self._row(row)} is labelled {label} and {said} studied ({wrong.size} such rows)."
            )
            raise PairsError(msg)
        return studied, tested

    def _contradicting(self, studied: NDArray[Any], tested: NDArray[Any]) -> NDArray[Any]:
        first, second = self.lists
        known = pd.MultiIndex.from_arrays([first, studied])
        shown = pd.MultiIndex.from_arrays([second, tested])
        return np.flatnonzero(shown.isin(known) != self.old)

    @cached_property
    def same_image(self) -> NDArray[np.bool_]:
        """Which test items are shown in the very image that was studied."""
        first, second = self.lists
        known = pd.MultiIndex.from_arrays([first, self.study_images])
        return np.asarray(pd.MultiIndex.from_arrays([second, self.test_images]).isin(known))

    def _check(self) -> None:
        keys = pd.MultiIndex.from_arrays([self.lists[1], self.test_images])
        if keys.has_duplicates:
            row = int(keys.duplicated().argmax())
            msg = (
                f"Each image is tested once in a list. {self.test_images[row]!r:.200} of "
                f"{self._row(row)} occurs more than once; name lists in a column "
                f"{self._list_column!r} if there are several."
            )
            raise PairsError(msg)
        missing = sorted(set(self.lists[1].tolist()) - set(self.lists[0].tolist()))
        if missing:
            msg = f"Nothing was studied in the list {missing[0]!r:.200} of the test table."
            raise PairsError(msg)
        wrong = np.flatnonzero(self.same_image & ~self.old)
        if wrong.size:
            row = int(wrong[0])
            msg = (
                f"A new item must not be studied. {self.test_images[row]!r:.200} in "
                f"{self._row(row)} is in the study list ({wrong.size} such rows)."
            )
            raise PairsError(msg)
        if self.people is None and not self.same_image[self.old].all():
            n_other = int((self.old & ~self.same_image).sum())
            _log.warning(
                "Task %r: %d of %d old items are not in the study list under the same name, and "
                "who they show is not known (no column %r, and folders do not tell).",
                self._task, n_other, int(self.old.sum()), self._identity_column,
            )  # fmt: skip
