"""What is wrong with the data of a run: missing, doubled, contradictory, leaking."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from facebench.results.pair_rows import PairRows, identity_of
from facebench.results.task_facts import TaskFacts

__all__ = ["Finding", "pair_findings", "run_findings"]

_NAMED = 3


@dataclass(frozen=True)
class Finding:
    """One thing to know about the data.

    Attributes
    ----------
    task : str
        Where; empty for the whole run.
    what : str
        What was looked for.
    count : int
        How often it was found.
    detail : str
        Where, or what it means.
    """

    task: str
    what: str
    count: int
    detail: str = ""


def pair_findings(task: str, pairs: PairRows) -> list[Finding]:
    """Look through the pairs of a task.

    Parameters
    ----------
    task : str
        Its name.
    pairs : PairRows
        Its pairs, in any one layer.

    Returns
    -------
    list of Finding
        Also of what was looked for and not found.
    """
    if not pairs.has_pairs:
        return []
    first = pairs.frame["img1"].astype(str).to_numpy()
    second = pairs.frame["img2"].astype(str).to_numpy()
    itself = first == second
    ordered = [(a, b) if a < b else (b, a) for a, b in zip(first, second, strict=True)]
    repeated = pd.Series(ordered).duplicated().to_numpy()
    findings = [
        Finding(task, "Pairs without a distance", int((~pairs.usable).sum())),
        Finding(task, "Pairs given more than once", int(repeated.sum()), _pairs(ordered, repeated)),
        Finding(task, "Images paired with themselves", int(itself.sum()), _pairs(ordered, itself)),
    ]
    if pairs.labels is not None:
        people = [(identity_of(a), identity_of(b)) for a, b in ordered]
        known = all(a is not None and b is not None for a, b in people)
        if known and any((a == b) for a, b in people):
            same = pd.Series([a == b for a, b in people]).to_numpy()
            against = same != (pairs.labels == 1)
            detail = _pairs(ordered, against)
            findings.append(
                Finding(task, "Labels against the names of folders", int(against.sum()), detail)
            )
    return findings


def run_findings(manifest: Mapping[str, Any], tasks: Mapping[str, TaskFacts]) -> list[Finding]:
    """Collect what the run itself noticed.

    Parameters
    ----------
    manifest : dict
        The run's manifest.
    tasks : mapping of str to TaskFacts
        Tasks with results.

    Returns
    -------
    list of Finding
    """
    findings = []
    data = manifest.get("data") or {}
    for task in tasks:
        images = (data.get(task) or {}).get("images") or {}
        if "n_missing" in images:
            detail = f"of {images.get('n_images')}, when the run was saved"
            findings.append(Finding(task, "Missing images", int(images["n_missing"]), detail))
        for key, what in (
            ("copies", "Identical files under several names"),
            ("leaks", "Identical files under several people"),
        ):
            if key in images:
                groups = images[key]
                detail = "; ".join(", ".join(group) for group in groups[:_NAMED])
                findings.append(Finding(task, what, len(groups), detail))
    for model, remarks in (manifest.get("remarks") or {}).items():
        findings.extend(
            Finding("", f"{model}: {what}", int(count)) for what, count in remarks.items()
        )
    findings.extend(
        Finding("", f"Failed: {failure.get('what', '')}", 1, str(failure.get("error", "")))
        for failure in manifest.get("failures") or []
    )
    return findings


def _pairs(pairs: list[tuple[str, str]], chosen: Iterable[bool]) -> str:
    named = [f"{a} – {b}" for (a, b), is_chosen in zip(pairs, chosen, strict=True) if is_chosen]
    more = len(named) - _NAMED
    return "; ".join(named[:_NAMED]) + (f"; and {more} more" if more > 0 else "")
