"""How many people a study needs, from a pilot run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from facebench.errors import InputError
from facebench.figures.output import checked_formats
from facebench.metrics.uncertainty.influence import auc_influence, mean_influence
from facebench.metrics.uncertainty.power import (
    ImageShare,
    expected_error,
    image_share,
    power_of_t_test,
)
from facebench.results.comparison.paired import Evidence
from facebench.results.headline import headline_rows
from facebench.results.pair_rows import PairRows, layers_of
from facebench.results.reader import Run, load_run
from facebench.types import StrPath

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PEOPLE", "known_to", "power", "write_power_figure"]

PEOPLE = (10, 20, 30, 50, 100, 200, 300, 500, 1000)
_FEWEST = 3


def power(
    run: Run | StrPath,
    people: Sequence[int] = PEOPLE,
    images: Sequence[int] | None = None,
    difference: float | None = None,
) -> pd.DataFrame:
    """Estimate the precision and power of a study with more people or more images of each.

    Parameters
    ----------
    run : Run or path
        A pilot run: the folder of a run, or what `load_run` gives.
    people : sequence of int
        Numbers of people, 3 or more.
    images : sequence of int, optional
        Images of each person; None takes as many as in the pilot.
    difference : float, optional
        The true difference that is to be found. None takes the one that the pilot shows between its
        two best models, or of a single model from chance.

    Returns
    -------
    DataFrame
        For each headline measure (best layer of each model) whose people are known, and each number
        of people and images: 'Half Width', half of the 95 % interval that is expected, and 'Power',
        the chance of P < .05. Power is of the paired difference of the two best models (the column
        'Versus' names the other one), or of one model against chance. Standard errors are those of
        the pilot, taken to fall with the root of the number of people. The gain from more images of
        each person is estimated from the pilot's pairs, by their AUC or mean distance.

    Raises
    ------
    InputError
        If a number is invalid, or no measure in the run has an interval by person.

    References
    ----------
    J. Cohen, "Statistical power analysis for the behavioral sciences" (1988).
    """
    import pandas as pd

    _check("people", people, _FEWEST)
    _check("images", images or [1], 1)
    if difference is not None and not (np.isfinite(difference) and difference != 0):
        msg = f"The 'difference' parameter of power must be a number but 0. Got {difference!r}."
        raise InputError(msg)
    found = run if isinstance(run, Run) else load_run(run)
    rows = [
        {**pilot, **study}
        for pilot, studies in _pilots(found, difference)
        for study in studies(people, images)
    ]
    if not rows:
        msg = (
            f"No headline number of {found.id} has an interval over three people or more, so that "
            "nothing can be predicted. People are known by the folders of images or by columns of "
            "the pairs file ('identity')."
        )
        raise InputError(msg)
    return pd.DataFrame(rows)


def write_power_figure(table: pd.DataFrame, path: Path) -> Path:
    """Draw what `power` found, a line per measure and number of images.

    Parameters
    ----------
    table : DataFrame
        From `power`.
    path : Path
        The PNG, PDF or SVG to write.
    """
    from facebench.figures.drawing.power import PowerCurve, power_figure
    from facebench.figures.drawing.style import write_figure

    checked_formats([path.suffix], "The format of a figure, by the end of its file's name,")
    keys = ["Task", "Measure", "Model", "Versus", "Images Per Person"]
    curves = []
    for (task, measure, model, versus, images), own in table.groupby(keys, sort=False):
        against = "" if versus == "chance" else f" against {versus}"
        numbers = (own[name].to_numpy(dtype=float) for name in ("People", "Half Width", "Power"))
        label = f"{task}: {measure}, {model}{against}, {images:g} images each"
        curves.append(PowerCurve(label, *numbers))
    write_figure(power_figure(curves, title="What more people would show"), path)
    return path


def known_to(rows: pd.DataFrame) -> str:
    """Say in a sentence what the present number of people can show; empty where that is unknown.

    Parameters
    ----------
    rows : DataFrame
        Headline rows of a task, the best model first.
    """
    usable = rows[(rows["n_identities"] >= _FEWEST) & rows["ci_low"].notna()]
    if usable.empty:
        return ""
    row = usable.iloc[0]
    half = (row["ci_high"] - row["ci_low"]) / 2
    if not np.isfinite(half):
        return ""
    digits = f"{half:.2f}" if half >= 0.01 else f"{half:.1g}"
    metric = row["metric"] if isinstance(row["condition"], float) else str(row["metric"])
    return f"With {int(row['n_identities'])} people, {metric} is known to ±{digits}."


def _check(name: str, numbers: Sequence[int], fewest: int) -> None:
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < fewest:
            msg = (
                f"The {name!r} parameter of power must be whole numbers of {fewest} or more. "
                f"Got {number!r}."
            )
            raise InputError(msg)


class _Studies:
    """What studies of other sizes would give for one measure."""

    def __init__(
        self, n_people: int, half: float, share: ImageShare, target: tuple[float, float]
    ) -> None:
        self._n_people = n_people
        self._error = half / float(scipy.special.stdtrit(n_people - 1, 0.975))
        self._share = share
        self._target = target

    def __call__(
        self, people: Sequence[int], images: Sequence[int] | None
    ) -> Iterator[dict[str, Any]]:
        difference, its_error = self._target
        for per_person in images or (self._share.n_images,):
            for n in people:
                size = (self._n_people, n, self._share, per_person)
                yield {
                    "People": n,
                    "Images Per Person": round(per_person, 1),
                    "Half Width": expected_error(self._error, *size)
                    * float(scipy.special.stdtrit(n - 1, 0.975)),
                    "Difference": difference,
                    "Power": power_of_t_test(difference, expected_error(its_error, *size), n),
                }


def _pilots(run: Run, difference: float | None) -> Iterator[tuple[dict[str, Any], _Studies]]:
    # A study's layer is not chosen by the study.
    rows = headline_rows(run.networks, run.tasks)
    rows = rows[rows["ci_low"].notna() & (rows["n_identities"] >= _FEWEST)]
    groups = rows.assign(condition=rows["condition"].fillna("")).groupby(
        ["task", "metric", "condition"], sort=False
    )
    for (task, metric, condition), own in groups:
        pairs = {row.model: _pairs(run, task, row.model, row.layer) for row in own.itertuples()}
        evidence = [
            Evidence(
                metric,
                condition or None,
                row.value,
                pairs[row.model],
                run.left_out.get((task, row.model, row.layer)),
            )
            for row in own.itertuples()
        ]
        best = own.iloc[0]
        n_people = int(best["n_identities"])
        half = float(best["ci_high"] - best["ci_low"]) / 2
        if not half > 0 or not np.isfinite(half):
            continue
        quantile = float(scipy.special.stdtrit(n_people - 1, 0.975))
        versus, target = "chance", (float("nan"), half / quantile)
        for one, other in list(combinations(range(len(evidence)), 2))[:1]:
            tested = evidence[one].minus(evidence[other])
            if tested is not None:
                versus = own.iloc[other]["model"]
                step = (tested.high - tested.low) / 2 / quantile
                target = (tested.difference, step)
        if versus == "chance":
            chance = {m.name: m.chance for m in run.tasks[task].measures}.get(metric)
            target = (np.nan if chance is None else best["value"] - chance, target[1])
        if difference is not None:
            target = (difference, target[1])
        pilot = {
            "Task": task,
            "Measure": f"{condition} {metric}".strip(),
            "Model": best["model"],
            "Versus": versus,
            "Pilot People": n_people,
        }
        share = _image_share(pairs[best["model"]], condition or None)
        yield pilot, _Studies(n_people, half, share, target)


def _pairs(run: Run, task: str, model: str, layer: str) -> PairRows | None:
    frame = run.task_distances(model, task, [layer])
    facts = run.tasks[task]
    if frame.empty or not {"img1", "img2"} <= set(frame.columns):
        return None
    return layers_of(frame, facts)[layer]


def _image_share(pairs: PairRows | None, condition: str | None) -> ImageShare:
    """Take the share of images from the AUC of the pairs, or else from their mean distance."""
    if pairs is None:
        return ImageShare(0.0, 1.0)
    rows = pairs.of_condition(condition)
    by, first, second = rows.sampling_units
    usable = rows.usable
    if by != "identity" or not usable.any():
        return ImageShare(0.0, 1.0)
    distances = rows.distances[usable]
    if rows.labels is None:
        influence = mean_influence(distances)
    else:
        influence = auc_influence(rows.labels[usable], -distances)
    names = np.concatenate([side[usable] for side in rows.names]).astype(str)
    images = np.split(np.unique(names, return_inverse=True)[1].astype(np.intp), 2)
    return image_share(
        np.asarray(influence.values), (first[usable], second[usable]), (images[0], images[1])
    )
