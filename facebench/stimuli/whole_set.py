"""What conditions take of all faces together: mean shape, luminance to match, who is averaged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from facebench.data.made_stimuli import UPRIGHT
from facebench.errors import StimulusError
from facebench.faces.pictures import Field
from facebench.stimuli.catalogue import CONDITIONS, Condition
from facebench.stimuli.matching import Luminance
from facebench.stimuli.resolving import GROUPS
from facebench.stimuli.sources import PreparedFace, own_seed
from facebench.stimuli.warping import mean_shape
from facebench.stimuli.workers import AverageJob, MeasureJob, average, measure, measure_luminance

__all__ = ["WholeSet", "averages_of", "luminance_table", "read_set"]

# ``apply(title, function, jobs)`` gives the results in order, see `workers.in_order`.
Apply = Callable[[str, Callable[[Any], Any], Sequence[Any]], list[Any]]
_EVERYONE = "everyone"
_STREAM = 713


@dataclass(frozen=True)
class WholeSet:
    """What is read of all faces before conditions are made.

    Attributes
    ----------
    shape : ndarray [68, 2] or None
        The mean landmarks.
    targets : dict of str to Luminance
        By label, what faces are matched to.
    before : list of Luminance
        What they are.
    others : list of list of int
        For each face, the positions of other photographs of the same person.
    n_shapes : int
        How many faces the mean shape is of.
    """

    shape: Field | None = None
    targets: Mapping[str, Luminance] = field(default_factory=dict)
    before: Sequence[Luminance] = ()
    others: Sequence[Sequence[int]] = ()
    n_shapes: int = 0

    def as_record(self) -> dict[str, Any]:
        """Say for the manifest what was read, as JSON values."""
        record: dict[str, Any] = {}
        if self.targets:
            record["luminance"] = {
                label: {
                    "mean": target.mean,
                    "contrast": target.contrast,
                    **({"quantiles": list(target.quantiles)} if target.quantiles else {}),
                }
                for label, target in self.targets.items()
            }
        if self.shape is not None:
            record["mean_shape"] = {"faces": self.n_shapes}
        return record


def read_set(
    conditions: Sequence[Condition],
    faces: Sequence[PreparedFace],
    out: Path,
    seed: int,
    max_yaw: float | None,
    apply: Apply,
) -> WholeSet:
    """Read what the conditions need of all faces.

    Parameters
    ----------
    conditions : sequence of Condition
    faces : sequence of PreparedFace
    out : Path
        Where the upright faces are.
    seed : int
    max_yaw : float or None
        Heads turned by more are not counted; None takes each condition's own limit.
    apply : callable
        See `Apply`.

    Raises
    ------
    StimulusError
        If there are too few people for a mean shape, or photographs for an average.
    """
    shape, before, n_shapes = None, [], 0
    targets: dict[str, Luminance] = {}
    shaped = [c for c in conditions if CONDITIONS[c.kind].reads == "shape"]
    if shaped:
        limit = shaped[0].max_yaw if max_yaw is None else max_yaw
        frontal = [face for face in faces if abs(face.yaw) <= limit]
        n_people = len({face.identity for face in frontal})
        if n_people < 2:
            msg = (
                f"The condition {shaped[0].label!r} needs faces of 2 or more people, whose mean "
                f"shape is exaggerated. Found {n_people} who are turned by at most {limit:g} "
                "degrees."
            )
            raise StimulusError(msg)
        n_shapes = len(frontal)
        shape = mean_shape(
            [face.landmarks for face in frontal], [face.identity for face in frontal]
        )
    matched = [c for c in conditions if CONDITIONS[c.kind].reads == "luminance"]
    if matched:
        jobs = [MeasureJob(out, UPRIGHT, face) for face in faces]
        before = apply("Measuring luminance", measure_luminance, jobs)
        known = [luminance for luminance in before if luminance is not None]
        if not known:
            msg = f"The condition {matched[0].label!r} needs faces within their pictures. Got none."
            raise StimulusError(msg)
        mean = Luminance.average(known)
        targets = {
            c.label: mean.with_given(c.parameters["mean"], c.parameters["contrast"])
            if c.parameters
            else mean.of_histogram()
            for c in matched
        }
    return WholeSet(shape, targets, before, _others(conditions, faces, seed, max_yaw), n_shapes)


def _others(
    conditions: Sequence[Condition],
    faces: Sequence[PreparedFace],
    seed: int,
    max_yaw: float | None,
) -> list[list[int]]:
    averaging = [c for c in conditions if CONDITIONS[c.kind].others]
    if not averaging:
        return [[] for _ in faces]
    limit = averaging[0].max_yaw if max_yaw is None else max_yaw
    most = max(CONDITIONS[c.kind].others for c in averaging)
    people: dict[str, list[int]] = {}
    for index, face in enumerate(faces):
        if abs(face.yaw) <= limit:
            people.setdefault(face.identity, []).append(index)
    others = []
    for index, face in enumerate(faces):
        own = [i for i in people.get(face.identity, []) if i != index]
        rng = np.random.default_rng([_STREAM, own_seed(seed, face.name)])
        others.append(sorted(own[i] for i in rng.permutation(len(own))[:most].tolist()))
    if not any(others):
        msg = (
            f"The condition {averaging[0].label!r} needs people with two or more photographs in "
            f"which a face is found, turned by at most {limit:g} degrees. There are none."
        )
        raise StimulusError(msg)
    return others


def averages_of(
    conditions: Sequence[Condition],
    faces: Sequence[PreparedFace],
    whole: WholeSet,
    out: Path,
    max_yaw: float | None,
    apply: Apply,
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Make the averages of all photographs of each person, and of each group of people.

    Returns
    -------
    members : list of (str, str)
        The image and one of the photographs in it, a row for each; also of the averages of others.
    failed : list of (str, str)
        An image that could not be made, and why.
    """
    members: list[tuple[str, str]] = []
    failed: list[tuple[str, str]] = []
    for condition in conditions:
        if not CONDITIONS[condition.kind].others:
            continue
        limit = condition.max_yaw if max_yaw is None else max_yaw
        frontal = [face for face in faces if abs(face.yaw) <= limit]
        people: dict[str, list[PreparedFace]] = {}
        groups: dict[str, list[PreparedFace]] = {}
        for face in frontal:
            people.setdefault(face.identity, []).append(face)
            groups.setdefault(_group(face), []).append(face)
        wanted = {
            f"{condition.label}/{who}.png": shown for who, shown in people.items() if len(shown) > 1
        }
        wanted |= {
            f"{condition.label}{GROUPS}/{group}.png": shown
            for group, shown in groups.items()
            if len({face.identity for face in shown}) > 1
        }
        jobs = [
            AverageJob(
                out, name, tuple(shown), tuple(1 / len(people[face.identity]) for face in shown)
            )
            for name, shown in wanted.items()
        ]
        reasons = apply("Averaging", average, jobs)
        for job, reason in zip(jobs, reasons, strict=True):
            if reason:
                failed.append((job.name, reason))
            else:
                members += [(job.name, face.name) for face in job.members]
        (folder,) = condition.folders
        for face, others in zip(faces, whole.others, strict=True):
            if abs(face.yaw) <= limit:
                members += [(f"{folder}/{face.name}", faces[i].name) for i in others]
    return members, failed


def _group(face: PreparedFace) -> str:
    """Return the folder above the folder of a person; everyone where there is none."""
    above = PurePosixPath(face.name).parent.parent
    return "-".join(above.parts) or _EVERYONE


def luminance_table(
    conditions: Sequence[Condition],
    faces: Sequence[PreparedFace],
    made: Mapping[str, set[str]],
    whole: WholeSet,
    out: Path,
    apply: Apply,
) -> list[tuple[Any, ...]]:
    """Measure what was matched: a row per image, with what was cut off at black and white."""
    before = {face.name: luminance for face, luminance in zip(faces, whole.before, strict=False)}
    rows: list[tuple[Any, ...]] = []
    for condition in conditions:
        if CONDITIONS[condition.kind].reads != "luminance":
            continue
        shown = [face for face in faces if face.name in made[condition.label]]
        jobs = [MeasureJob(out, condition.label, face) for face in shown]
        measured = apply("Measuring luminance", measure, jobs)
        for face, (after, clipped) in zip(shown, measured, strict=True):
            was = before[face.name]
            rows.append(
                (
                    f"{condition.label}/{face.name}",
                    f"{was.mean:.5f}",
                    f"{was.contrast:.5f}",
                    f"{after.mean:.5f}",
                    f"{after.contrast:.5f}",
                    f"{clipped:.5f}",
                )
            )
    return rows
