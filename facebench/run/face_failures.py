"""Failures to process: images in which a model that aligns faces found none, by condition.

Such an image is cut around its centre instead. Where that happens more often in one condition than
in another, the conditions are preprocessed differently, and their difference may be due to that.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facebench.engine import Embeddings
from facebench.errors import InputError
from facebench.faces import NO_FACE
from facebench.results.face_failures import listed_failures, uneven_failures
from facebench.results.schema import FAILURE_COLUMNS
from facebench.run.measurement import AnyTask
from facebench.tasks.base import BaseTask
from facebench.types import IntArray, OnNoFace

__all__ = ["FaceFailures", "count_failures", "images_without_face"]

# Conditions differ if the shares of their pairs with a failure lie further apart than this …
_FAR_APART = 0.25
# … or further than this, and more than chance lets expect: Fisher's exact test of one condition's
# images against the others', with Bonferroni's correction for several conditions.
_APART, _UNLIKELY = 0.01, 0.05


@dataclasses.dataclass(frozen=True)
class FaceFailures:
    """The failures to process of one model in one task.

    Attributes
    ----------
    task, model : str
        Their names.
    table : DataFrame
        The columns of `facebench.results.schema.FAILURE_COLUMNS`: first a row for all pairs, then
        one for every condition of every grouping.
    """

    task: str
    model: str
    table: pd.DataFrame

    @property
    def n_failed(self) -> int:
        """Pairs (or images, of a task without pairs) with a failure."""
        return int(self.table["n_failed"].iloc[0])

    @property
    def differing(self) -> list[str]:
        """Sentences on the groupings whose conditions differ in their failures."""
        return uneven_failures(self.table)

    def refuse(self, on_no_face: OnNoFace | None) -> None:
        """Stop a task whose failures are not to be accepted.

        Parameters
        ----------
        on_no_face : {'keep', 'skip', 'stop'} or None
            'stop' stops at any failure, None where conditions differ.

        Raises
        ------
        InputError
            If it is to stop: where faces were not found, and what to do.
        """
        if on_no_face not in (None, "stop"):
            return
        differing = self.differing
        if not self.n_failed or (on_no_face is None and not differing):
            return
        told = differing or [
            f"Task {self.task!r}, model {self.model!r}: no face was found in "
            f"{listed_failures(self.table.iloc[:1])}."
        ]
        msg = (
            f"{' '.join(told)} Such images are cut around their centre instead of being aligned, "
            f"so {'the conditions' if differing else 'images'} are preprocessed differently. "
            "Use images that are all aligned the same way, with align=False; or say "
            "on_no_face='skip' to leave their pairs out, or on_no_face='keep' to accept the "
            "central cuts."
        )
        raise InputError(msg)


def images_without_face(embeddings: Embeddings) -> NDArray[np.bool_]:
    """Tell of every image, by number, whether a face was looked for and not found."""
    found = np.zeros(len(embeddings.rows), dtype=bool)
    found[[image for image, notes in embeddings.image_notes.items() if NO_FACE in notes]] = True
    return found


def count_failures(
    task: AnyTask, model: str, sides: Sequence[IntArray], failed: NDArray[np.bool_]
) -> FaceFailures:
    """Count the failures to process of a task, for every condition.

    Parameters
    ----------
    task : BaseTask or EmbeddingTask
        The task.
    model : str
        The model's name.
    sides : sequence of int array, shape [N]
        The images of img1 and img2 of every pair, or of every item, by number.
    failed : bool array
        By image number, from `images_without_face`.
    """
    everything = [np.full(len(side), "all", dtype=object) for side in sides]
    parts = [_counts(everything, sides, failed).assign(grouping="", condition="")]
    for grouping, labels in task.groupings().items():
        counted = _counts(labels, sides, failed)
        # Distances are symmetric: a side differs only where other images stand on it.
        differs = _differ(counted, "images" if grouping == "side" else "pairs")
        parts.append(counted.assign(grouping=grouping, differs=differs))
    table = pd.concat(parts, ignore_index=True)
    table = table.assign(task=task.name, model=model)
    if not isinstance(task, BaseTask):
        table["n_pairs"] = pd.NA
    return FaceFailures(task.name, model, table[list(FAILURE_COLUMNS)].astype(FAILURE_COLUMNS))


def _counts(
    labels: Sequence[NDArray[Any]], sides: Sequence[IntArray], failed: NDArray[np.bool_]
) -> pd.DataFrame:
    """Count rows and images, and those with a failure, for every condition but ''."""
    codes, names = pd.factorize(np.concatenate([np.asarray(side, object) for side in labels]))
    codes = codes.reshape(len(sides), -1)
    bad = np.stack([failed[side] for side in sides])
    size = len(names)

    def rows(chosen: NDArray[np.bool_]) -> IntArray:
        counts = sum(
            np.bincount(own[here], minlength=size) for own, here in zip(codes, chosen, strict=True)
        )
        # A row that is in a condition with both its images counts once.
        both = np.logical_and.reduce([*chosen, *(codes == codes[0])])
        return np.asarray(counts - (len(sides) - 1) * np.bincount(codes[0][both], minlength=size))

    pairs = np.unique(np.stack([codes.ravel(), np.concatenate(list(sides))]), axis=1)
    counted = pd.DataFrame(
        {
            "condition": names,
            "n_pairs": rows(np.ones_like(bad)),
            "n_failed": rows(bad),
            "n_images": np.bincount(pairs[0], minlength=size),
            "n_images_failed": np.bincount(pairs[0][failed[pairs[1]]], minlength=size),
            "differs": False,
        }
    )
    return counted[counted["condition"] != ""]


def _differ(counted: pd.DataFrame, what: Literal["images", "pairs"]) -> bool:
    """Tell whether failures are unevenly spread over conditions."""
    if len(counted) < 2 or not counted["n_failed"].any():
        return False
    of_pairs = counted["n_failed"] / counted["n_pairs"]
    of_images = counted["n_images_failed"] / counted["n_images"]
    shares = of_images if what == "images" else of_pairs
    apart = shares.max() - shares.min()
    if apart > _FAR_APART or apart <= _APART:
        return bool(apart > _FAR_APART)
    from scipy.stats import fisher_exact

    failed, images = (counted[name].to_numpy() for name in ("n_images_failed", "n_images"))
    tables = [
        [[own, total - own], [failed.sum() - own, images.sum() - total - (failed.sum() - own)]]
        for own, total in zip(failed, images, strict=True)
    ]
    n_tests = len(tables) if len(tables) > 2 else 1
    return bool(min(fisher_exact(table).pvalue for table in tables) * n_tests < _UNLIKELY)
