"""Labelled distances behind the rows of a table, as the pictures of verification need them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from facebench.columns import LAYER, MODEL, TASK
from facebench.errors import InputError
from facebench.figures.records.tables import as_numbers, cell_text, layer_distances, row_labels

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from facebench.figures.records.tables import Distances
    from facebench.types import Float64Array

__all__ = ["LayerScores", "each_layer", "identity_columns"]

COMPUTED = "model_computed_distance"


class LayerScores(NamedTuple):
    """The comparisons of one model-layer.

    Attributes
    ----------
    model, label : str
        The model, and what the model-layer is called.
    frame : DataFrame
        The rows of the distances table.
    genuine : array of bool, shape [N]
        Whether a pair is of one person.
    distances : array, shape [N]
        NaN where a comparison failed.
    threshold : float
        The largest accepted distance; NaN if there is none.
    """

    model: str
    label: str
    frame: pd.DataFrame
    genuine: NDArray[np.bool_]
    distances: Float64Array
    threshold: float

    @property
    def has_both_classes(self) -> bool:
        """Whether error rates can be told."""
        return bool(self.genuine.any() and not self.genuine.all())

    def accepted(self) -> NDArray[np.bool_]:
        """Tell which pairs are taken for one person at the threshold."""
        from facebench.metrics.accuracy import accepted_at

        return accepted_at(-self.distances, -self.threshold)

    def error_text(self) -> str:
        """Write both error rates at the threshold."""
        from facebench.figures.drawing.style import percent

        accepted = self.accepted()
        parts = []
        for name, wrong, chosen in (
            ("FMR", accepted, ~self.genuine),
            ("FNMR", ~accepted, self.genuine),
        ):
            if chosen.any():
                parts.append(f"{name} {percent(round(float(wrong[chosen].mean()), 4))}")
        return "  ".join(parts)

    def count_text(self) -> str:
        """Write how many pairs there are, and how many of them failed."""
        import numpy as np

        failed = int(np.isnan(self.distances).sum())
        pairs = f"{len(self.distances):,} pair{'s' * (len(self.distances) != 1)}"
        return f"{pairs}, {failed:,} failed" if failed else pairs


def each_layer(
    rows: pd.DataFrame,
    distances: Distances,
    label_column: str,
    where: str,
    *,
    columns: Sequence[str] = (),
    threshold_column: str | None = None,
) -> Iterator[LayerScores]:
    """Go through the model-layers of a task's rows, each once.

    Parameters
    ----------
    rows : DataFrame
        The rows of one task.
    distances : mapping
        ``distances[model_name][task_name]``.
    label_column : str
        The column of genuine (1) and impostor (0).
    where : str
        Who asks, for errors.
    columns : sequence of str
        Further columns that the distances need.
    threshold_column : str, optional
        The column of `rows` with the threshold; without it the threshold of the best accuracy on
        the pairs themselves.

    Yields
    ------
    LayerScores
        In the order of the rows.
    """
    import numpy as np

    from facebench.metrics.labels import LabelError, as_labels
    from facebench.metrics.verification import best_accuracy

    task = rows[TASK].iloc[0]
    chosen = np.full(len(rows), np.nan)
    if threshold_column is not None:
        chosen = as_numbers(rows[threshold_column], f"The {threshold_column!r} column of {where}")
    seen = set()
    for model, layer, label, given in zip(
        rows[MODEL], rows[LAYER], row_labels(rows), chosen, strict=True
    ):
        if (model, layer) in seen:
            continue
        seen.add((model, layer))
        frame = layer_distances(
            distances, model, task, layer, (label_column, COMPUTED, *columns), where
        )
        what = f"column of distances[{model!r}][{task!r}] of {where}"
        try:
            genuine = as_labels(frame[label_column]).astype(bool)
        except LabelError as error:
            message = (
                f"The {label_column!r} {what} must hold {error.expected}. "
                f"Got {error.value!r} in row {error.position}."
            )
            raise InputError(message) from error
        computed = as_numbers(frame[COMPUTED], f"The {COMPUTED!r} {what}")
        found = LayerScores(cell_text(model), label, frame, genuine, computed, float(given))
        if threshold_column is None and found.has_both_classes:
            best = best_accuracy(genuine, computed, higher_is_better=False).threshold
            found = found._replace(threshold=best)
        yield found


def identity_columns(identity: object, where: str) -> tuple[str, ...]:
    """Give the columns that identities are read from.

    Raises
    ------
    InputError
        If it is neither 'folder', two columns, nor None.
    """
    if identity is None:
        return ()
    if identity == "folder":
        return ("img1", "img2")
    if (
        isinstance(identity, (tuple, list))
        and len(identity) == 2
        and all(isinstance(column, str) for column in identity)
    ):
        return tuple(identity)
    message = (
        f"The 'identity' parameter of {where} must be 'folder', two columns or None. "
        f"Got {identity!r} instead."
    )
    raise InputError(message)
