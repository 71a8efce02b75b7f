"""Effects by name, the stimuli each is shown with, and the task that measures it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from facebench.data.made_stimuli import UPRIGHT
from facebench.errors import UnknownNameError
from facebench.experiment.starters.blocks import (
    MODELS,
    TASKS_HEAD,
    TaskBlock,
    quoted,
    relative_to,
    yaml_list,
)
from facebench.stimuli.catalogue import CONDITIONS, Condition
from facebench.stimuli.condition_set import ConditionSet
from facebench.stimuli.resolving import resolve
from facebench.stimuli.series import series_of, steps_of
from facebench.utils.suggestions import did_you_mean, listed

__all__ = [
    "EFFECTS",
    "GROUP_EFFECTS",
    "conditions_of",
    "needs_both_classes",
    "stimuli_experiment",
    "tasks_of",
]

EFFECTS: Mapping[str, tuple[str, ...]] = {
    "inversion": ("inverted",),
    "thatcher": ("thatcherised",),
    "composite": ("composite",),
    "critical-features": ("eyes-replaced", "mouth-replaced", "eye-distance", "mouth-height"),
}
"""The conditions of `facebench.stimuli` that an effect is shown with."""
GROUP_EFFECTS = {"other-race": ("own", "other"), "familiarity": ("familiar", "unfamiliar")}
"""Effects between groups of people, and what their tasks call the groups."""
_CRITICAL = ("eyes-replaced", "mouth-replaced")
_NAMES = {"inverted": "inversion", "thatcherised": "thatcher"}
_FEWEST_LEVELS = 3  # of SeriesTask
_PAIRWISE = frozenset({"verification", "average"})
_SCORED = frozenset({"effect", "inversion-effect", "composite-effect", "series"})
_HEAD = """\
# Written by `facebench stimuli`. Copy it into a file, {file}; then: facebench run {file}
name: {name}
distance: euclidean               # see `facebench metrics`

"""


def conditions_of(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Give the conditions that effects need.

    Parameters
    ----------
    names : iterable of str
        Effects, tasks such as 'inversion-effect', or conditions of `facebench.stimuli`, also with a
        level (rotated_30).

    Returns
    -------
    conditions : list of str
        Each once.
    groups : list of str
        The effects between groups of people.

    Raises
    ------
    UnknownNameError
        If there is no such effect; the message tells the closest.
    """
    conditions: dict[str, None] = {}
    groups: list[str] = []
    known = [*EFFECTS, *GROUP_EFFECTS, *CONDITIONS]
    for name in names:
        plain = name.removesuffix("-effect").casefold()
        if plain in GROUP_EFFECTS:
            groups.append(plain)
        elif plain in EFFECTS:
            conditions |= dict.fromkeys(EFFECTS[plain])
        elif name.casefold() in CONDITIONS or plain.rpartition("_")[0] in CONDITIONS:
            conditions[name.casefold()] = None
        else:
            msg = (
                f"There is no effect {name!r}.{did_you_mean(plain, known)} Effects are: "
                f"{listed([*EFFECTS, *GROUP_EFFECTS])}; or a condition against upright faces: "
                f"{listed(CONDITIONS)}."
            )
            raise UnknownNameError(msg)
    if conditions:
        # A level that a condition does not have is told before anything is made.
        resolve(conditions)
    return list(conditions), list(dict.fromkeys(groups))


def needs_both_classes(names: Sequence[str]) -> list[str]:
    """Name those conditions whose effect needs pairs of one person and of two."""
    return [c.label for c in _wanted(names) if CONDITIONS[c.kind].design in _PAIRWISE]


def _wanted(names: Sequence[str]) -> list[Condition]:
    """Give the conditions without those that they bring along.

    These are normal faces turned over, and rotation by 0 degrees.
    """
    return resolve(names)[: sum(name != UPRIGHT for name in names)]


def tasks_of(
    made: ConditionSet, conditions: Sequence[str], folder: Path
) -> tuple[list[TaskBlock], list[str]]:
    """Give a task for every table of a set of stimuli.

    Parameters
    ----------
    made : ConditionSet
        The stimuli.
    conditions : sequence of str
        The conditions that were asked for.
    folder : Path
        The folder of the experiment.

    Returns
    -------
    tasks : list of TaskBlock
    problems : list of str
        Why there is no task for a condition.
    """
    asked = resolve(conditions)
    images = quoted(relative_to(made.images_path, folder))
    by_table: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {}
    in_series: set[str] = set()
    for name, steps in series_of(asked).items():
        if len(steps_of(steps)) >= _FEWEST_LEVELS:
            by_table[name] = _series(steps[0])
            in_series |= {c.label for c in steps}
    for condition in _wanted(conditions):
        if condition.label not in in_series:
            by_table[condition.label] = _task_of(condition, asked)
    features = [c for c in asked if CONDITIONS[c.kind].design == "feature"]
    if len(features) > 1:
        for condition in features:
            by_table.pop(condition.label, None)
        by_table["critical-features"] = _features(features)
    tasks, problems = [], []
    for name, (task, settings, comments) in by_table.items():
        if name not in made.tables:
            problems.append(
                f"There are no pairs for {name!r}: no photograph or person is suitable."
            )
            continue
        scored = task in _SCORED and "measure" not in settings
        missing = _missing_class(made.tables[name]) if scored else ""
        if missing:
            problems.append(
                f"{made.tables[name]} holds no pairs of {missing}, which the effect of {name!r} "
                "is measured by: it takes two people or more, and several with two photographs in "
                "which a face is found."
            )
            continue
        block = {
            "pairs": quoted(relative_to(made.tables[name], folder)),
            "images": images,
            **settings,
        }
        short = _NAMES.get(name, name)
        tasks.append(TaskBlock(short, task, block, comments, table=made.tables[name]))
    return tasks, problems


def _task_of(
    condition: Condition, asked: Sequence[Condition]
) -> tuple[str, dict[str, str], dict[str, str]]:
    """Give the task for the table of one condition."""
    kind = CONDITIONS[condition.kind]
    label = condition.label
    if condition.kind == "inverted":
        return "inversion-effect", {}, {"task": "AUC upright - AUC inverted"}
    if kind.design == "thatcher":
        return "thatcher-effect", {}, {"task": "is the change seen better upright?"}
    if kind.design == "composite":
        return "composite-effect", {}, {"task": "AUC misaligned - AUC aligned"}
    if kind.design == "average":
        contrast = yaml_list([label, UPRIGHT])
        return "effect", {"contrast": contrast}, {"task": "AUC of averages - AUC of photographs"}
    if kind.design in ("feature", "morph"):
        return "conditioned-average", {}, {"task": "mean distance of a face and its change"}
    standard = UPRIGHT
    if kind.baseline not in (None, condition.level):
        standard = next(
            c.label for c in asked if c.kind == condition.kind and c.level == kind.baseline
        )
    contrast = yaml_list([standard, label])
    return "effect", {"contrast": contrast}, {"contrast": "AUC of the first - AUC of the second"}


def _series(step: Condition) -> tuple[str, dict[str, str], dict[str, str]]:
    kind = CONDITIONS[step.kind]
    said = {} if kind.design in _PAIRWISE else {"measure": "mean distance"}
    if kind.level == "angle":
        said["period"] = "360"
    return "series", said, {"task": "the measure at every level, and its threshold"}


def _features(features: Sequence[Condition]) -> tuple[str, dict[str, str], dict[str, str]]:
    critical = [c.label for c in features if c.kind in _CRITICAL]
    other = [c.label for c in features if c.kind not in _CRITICAL]
    if not critical or not other:
        return "conditioned-average", {}, {"task": "mean distance of a face and its change"}
    sides = {"critical": yaml_list(critical), "other": yaml_list(other)}
    return "critical-features-effect", sides, {"critical": "changes that people rely on"}


def _missing_class(table: Path) -> str:
    import pandas as pd

    same = set(pd.read_csv(table, usecols=["same"])["same"])
    return "" if same == {0, 1} else "two people" if same == {1} else "one person"


def stimuli_experiment(
    made: ConditionSet, conditions: Sequence[str], folder: Path
) -> tuple[str, list[str]]:
    """Write the experiment that uses a set of stimuli.

    Parameters
    ----------
    made, conditions, folder
        See `tasks_of`.

    Returns
    -------
    text : str
        YAML; '' where no table can be measured.
    problems : list of str
        Why there is no task for a condition.
    """
    tasks, problems = tasks_of(made, conditions, folder)
    if not tasks:
        return "", problems
    name = made.images_path.resolve().name
    head = _HEAD.format(name=quoted(name), file="experiment.yaml")
    blocks = "\n".join(task.text() for task in tasks)
    return f"{head}{MODELS}\n{TASKS_HEAD}{blocks}", problems
