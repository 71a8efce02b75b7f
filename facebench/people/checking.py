"""A look at trials before a run: what was understood, what is odd, what exclusions leave."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from facebench.data.folder import images_below
from facebench.data.pairs.reading import read_pairs
from facebench.errors import InputError
from facebench.people.exclusions import excluded
from facebench.people.health import TrialHealth, divided_by, trial_health
from facebench.people.intervals import means_over
from facebench.people.names import with_names_of
from facebench.people.reading import read_all_trials
from facebench.types import StrPath

if TYPE_CHECKING:
    import pandas as pd

    from facebench.people.intervals import Over

__all__ = ["CheckedTrials", "check_trials"]

_SHOWN = ("Accuracy", "d'", "Criterion c", "P(Same)", "P(Old)", "Mean Rating", "Median RT")


class CheckedTrials(NamedTuple):
    """What there is to say about trials.

    Attributes
    ----------
    health : TrialHealth
        Counts, conditions and what is odd, before exclusions.
    means : DataFrame
        Measures by condition after exclusions, with intervals.
    notes, exclusions, findings : list of str
        What was assumed on reading, what each rule of exclusion left out, and what is odd.
    """

    health: TrialHealth
    means: pd.DataFrame
    notes: list[str]
    exclusions: list[str]
    findings: list[str]


def check_trials(
    file: StrPath, images: StrPath | None = None, *, over: Over = "participants"
) -> CheckedTrials:
    """Read trials and judge them.

    Parameters
    ----------
    file : str or Path
        The description of the trials, or a table in the form of `Trials`.
    images : str or Path, optional
        A folder of images, or a pairs table, whose names the trials must fit.
    over : {'participants', 'items', 'both'}, default 'participants'
        What intervals of means are over.

    Returns
    -------
    CheckedTrials

    Raises
    ------
    InputError
        If the trials cannot be read.
    """
    trials, said = read_all_trials(file)
    health = trial_health(trials)
    findings = [*health.findings]
    notes = trials.notes
    if images is not None:
        try:
            notes = with_names_of(trials, _names(Path(images)), str(images)).notes
        except InputError as error:
            findings.append(str(error))
    left = excluded(trials, said.exclude)
    by = [*(["group"] if left.groups else []), *divided_by(left)[:1]]
    means = means_over(left, by, over)
    shown = [
        name for name in means.columns if name.removesuffix(" CI Low").removesuffix(" CI High")
        in (*_SHOWN, *by, "Participants", "Items")
    ]  # fmt: skip
    return CheckedTrials(
        health,
        means[shown],
        list(notes),
        list(left.notes[len(trials.notes) :]),
        findings,
    )


def _names(path: Path) -> list[str]:
    if path.is_dir():
        return [image.relative_to(path).as_posix() for image in images_below(path)]
    pairs = read_pairs(path)
    return list(dict.fromkeys([*pairs["img1"], *pairs["img2"]]))
