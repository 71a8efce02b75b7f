"""What any task of pairs can be told to do besides: score normalisation."""

from __future__ import annotations

from typing import Any, Self

from facebench.data.tables import as_path
from facebench.errors import InputError
from facebench.metrics.score_normalisation import NORM_KINDS
from facebench.tasks.shared.distance_metric import DistanceMetric
from facebench.types import StrPath

__all__ = ["TaskOptions"]


class TaskOptions:
    """Options of every `BaseTask`.

    Attributes
    ----------
    score_norm : dict or None
        How distances are normalised, see `set_score_norm`.
    """

    distance_metric_name: str
    score_norm: dict[str, Any] | None = None
    _distance_metric: DistanceMetric

    def set_score_norm(
        self, kind: str | None, cohort: StrPath | None = None, top: int | None = None
    ) -> Self:
        """Have a run normalise the distances by those to a cohort of other people.

        A run embeds the cohort with every model, and refuses it where one of its images, or people,
        is evaluated too. Images without a face are left out of it.

        Parameters
        ----------
        kind : {'z', 't', 's', 'as'} or None
            See `facebench.metrics.score_normalisation.normalise`; None takes distances as they are.
        cohort : str or Path
            Images of other people: a folder of NAME/*.jpg, a .bin pack, or a CSV file with a column
            ``image`` of names relative to its own folder.
        top : int, default 300
            For 'as': how many nearest cohort images count; all of them where there are fewer.

        Returns
        -------
        task
            Itself.

        Raises
        ------
        InputError
            If a value is another one.
        """
        if kind is None:
            self.score_norm = None
            self._name_distance()
            return self
        short = kind.removesuffix("-norm").lower() if isinstance(kind, str) else kind
        if short not in NORM_KINDS:
            msg = (
                "The 'kind' of score normalisation must be one of "
                f"{', '.join(map(repr, NORM_KINDS))}. Got {kind!r} instead."
            )
            raise InputError(msg)
        if cohort is None:
            msg = "Score normalisation needs a 'cohort': a folder of images of other people."
            raise InputError(msg)
        as_path(cohort, "cohort")
        is_number = isinstance(top, int) and not isinstance(top, bool)
        if top is not None and (short != "as" or not is_number or top < 2):
            msg = (
                "The 'top' of score normalisation must be a number of cohort images of at least 2, "
                f"together with kind 'as'. Got {top!r} instead."
            )
            raise InputError(msg)
        self.score_norm = {"kind": short, "cohort": cohort, "top": top}
        self._name_distance()
        return self

    def _name_distance(self) -> None:
        norm = "" if self.score_norm is None else f", {self.score_norm['kind']}-norm"
        self.distance_metric_name = self._distance_metric.name + norm
