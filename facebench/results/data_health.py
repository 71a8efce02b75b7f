"""What a run says of its data: missing, doubled, contradictory, leaking; with what to expect."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pandas as pd

from facebench.data.health import health_report
from facebench.data.image_names import ImageName
from facebench.data.images import image_exists
from facebench.results.headline import best_layers
from facebench.results.provenance import Digests
from facebench.results.schema import DATA_HEALTH_FILE
from facebench.results.task_facts import TaskFacts

if TYPE_CHECKING:
    from facebench.data.pairs import ImagePaths

__all__ = ["DataNote", "health_notes", "look_at_data", "run_findings"]

_log = logging.getLogger(__name__)
# Decoding 10,000 photographs of 250 x 250 pixels takes some ten seconds; networks take minutes.
_MOST_DECODED = 10_000
_NAMED = 3
_DIFFERENT = "of different people"

# What findings of one kind are called together, and which data they need.
_OF_IMAGES = {
    "missing image": "Missing images",
    "unreadable image": "Images that cannot be read",
    "unknown colours": "Images of unknown colours, taken for sRGB",
    "identical images": "Identical images under several names",
    "near duplicates": "Near duplicates",
}
# Looked for where images are decoded.
_OF_DECODED = ("unknown colours", "near duplicates")
_LEAKS = {
    "identical images": "Leaks: identical images of different people, by folder",
    "near duplicates": "Leaks: near duplicates of different people, by folder",
}
_OF_PAIRS = {
    "repeated pair": "Pairs given more than once",
    "image with itself": "Images paired with themselves",
}
_OF_LABELS = {
    "contradicting labels": "Pairs with contradicting labels",
    "label against folder": "Labels against the names of folders",
}
_OF_DISTANCES = {
    "one person under two names?": "One person under two names? Impostor pairs like genuine ones",
    "two people under one name?": "Two people under one name? Genuine pairs like impostor ones",
}


@dataclass(frozen=True)
class DataNote:
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


def look_at_data(
    tasks: Mapping[str, Any],
    results: pd.DataFrame,
    distances: Mapping[str, Mapping[str, pd.DataFrame]],
    *,
    deep: bool,
    images_needed: bool = True,
    digests: Digests | None = None,
    files: Mapping[str, ImagePaths | list[Path]] = MappingProxyType({}),
) -> tuple[pd.DataFrame | None, dict[str, Any]]:
    """Look at the data of a run, with `health_report`.

    Parameters
    ----------
    tasks : mapping of str to task
        The tasks.
    results : DataFrame
        The tidy table: labels are held against the distances of the best layer.
    distances : mapping
        ``distances[model][task]``.
    deep : bool
        Decode the images for near duplicates, however many there are.
    images_needed : bool, default True
        False where no network needed the images, which then may be known by name only.
    digests : Digests, optional
        Gives the digests of images.
    files : mapping of str to ImagePaths or list of Path, optional
        By task, the files of its images, as far as the run has found them.

    Returns
    -------
    findings : DataFrame or None
        A row each; None where the data cannot be looked at.
    summary : dict
        For the manifest: n_images; decoded, whether near duplicates were looked for; found, a list
        of task, what, count and detail, also of what was looked for in vain; error.
    """
    n_images = len({name for task in tasks.values() for name in _images(task)})
    decode = deep or n_images <= _MOST_DECODED
    best = {task.name: _best_distances(task, results, distances) for task in tasks.values()}
    try:
        health = health_report(
            tasks.values(),
            best,
            decode=decode,
            images_needed=images_needed,
            digest_of=(digests or Digests()).of_file,
            files=files,
        )
    except Exception as error:
        # What only looks at the data must not cost a run of hours its manifest.
        _log.warning("The data of the run could not be checked: %s", error, exc_info=error)
        text = str(error) or type(error).__name__
        return None, {"n_images": n_images, "decoded": False, "found": [], "error": text}
    found = []
    for name, task in tasks.items():
        own = health.findings[health.findings["Task Name"] == name]
        kinds = _looked_for(task, decode=decode, distances=best[name] is not None)
        if not images_needed:
            kinds = [(kind, what) for kind, what in kinds if kind != "missing image"]
            found.append(_by_name_only(task))
        found += [_summed(own[own["Finding"] == kind], name, what) for kind, what in kinds]
        found += [
            _summed(own[(own["Finding"] == kind) & (own["Detail"] == _DIFFERENT)], name, what)
            for kind, what in _LEAKS.items()
            if decode or kind != "near duplicates"
        ]
    summary = {"n_images": health.n_images, "decoded": decode, "found": found, "error": None}
    return health.to_frame(), summary


def run_findings(
    manifest: Mapping[str, Any], tasks: Mapping[str, TaskFacts], results: pd.DataFrame
) -> list[DataNote]:
    """Collect what is known of a run's data.

    Parameters
    ----------
    manifest : dict
        The run's manifest.
    tasks : mapping of str to TaskFacts
        Tasks with results.
    results : DataFrame
        The tidy table.

    Returns
    -------
    list of DataNote
        Also of what was looked for and not found.
    """
    looked = (manifest.get("health") or {}).get("found") or []
    findings = [DataNote(**{name: one[name] for name in _FIELDS}) for one in looked]
    if not looked:
        findings += _missing_when_saved(manifest, tasks)
    for task, failed in results.groupby("task", sort=False)["n_failed"].max().items():
        if pd.notna(failed):
            detail = "in the layer with most"
            findings.append(DataNote(str(task), "Pairs without a distance", int(failed), detail))
    for model, remarks in (manifest.get("remarks") or {}).items():
        findings.extend(
            DataNote("", f"{model}: {what}", int(count)) for what, count in remarks.items()
        )
    findings.extend(
        DataNote("", f"Failed: {failure.get('what', '')}", 1, str(failure.get("error", "")))
        for failure in manifest.get("failures") or []
    )
    return findings


def health_notes(manifest: Mapping[str, Any]) -> list[str]:
    """Say what of the data was not looked at, and where all findings are."""
    health = manifest.get("health")
    if not health:
        return ["The images and pairs have not been checked: that is done when a run is complete."]
    if health.get("error"):
        return [f"The images and pairs could not be checked: {health['error']}"]
    notes = [f"Every finding, with its rows of the pairs file, is in {DATA_HEALTH_FILE}."]
    if not health.get("decoded"):
        notes.append(
            f"The {health.get('n_images')} images were compared byte by byte, but not decoded to "
            "look for near duplicates: 'facebench run --deep' does that for any number of images."
        )
    return notes


_FIELDS = tuple(DataNote.__dataclass_fields__)


def _missing_when_saved(
    manifest: Mapping[str, Any], tasks: Mapping[str, TaskFacts]
) -> Iterator[DataNote]:
    data = manifest.get("data") or {}
    for task in tasks:
        images = (data.get(task) or {}).get("images") or {}
        if "n_missing" in images:
            detail = f"of {images.get('n_images')}, when the run was saved"
            yield DataNote(task, _OF_IMAGES["missing image"], int(images["n_missing"]), detail)


def _images(task: Any) -> Iterator[tuple[str, str]]:
    """Give the folder and name of every different image of a task."""
    table = getattr(task, "measured_pairs", None)
    names = task.images if table is None else pd.unique(pd.concat([table["img1"], table["img2"]]))
    return ((str(task.images_path), str(name)) for name in names)


def _by_name_only(task: Any) -> dict[str, Any]:
    """Count the images that are not there, in a run that needed only their names."""
    listed = [name for _, name in _images(task)]
    names = set(ImageName.all_of(task.images_path, listed).values())
    absent = sum(not image_exists(name.path) for name in names)
    detail = f"of {len(names)}: no network needed them"
    what = "Images that are not there, known by name only"
    return {"task": task.name, "what": what, "count": absent, "detail": detail if absent else ""}


def _best_distances(
    task: Any, results: pd.DataFrame, distances: Mapping[str, Mapping[str, pd.DataFrame]]
) -> Any:
    if not (results["task"] == task.name).any():
        return None
    model, layer = next(iter(best_layers(results, task.name, task.facts()).items()))
    frame = distances.get(model, {}).get(task.name)
    if frame is None or "model_computed_distance" not in frame:
        return None
    own = frame["layer_name"].astype(str) == layer
    return frame.loc[own, "model_computed_distance"].to_numpy()


def _looked_for(task: Any, *, decode: bool, distances: bool) -> list[tuple[str, str]]:
    kinds = [*_OF_IMAGES.items()]
    if not decode:
        kinds = [(kind, what) for kind, what in kinds if kind not in _OF_DECODED]
    if hasattr(task, "pairs_df"):
        kinds += _OF_PAIRS.items()
        if getattr(task, "true_label", None) in task.pairs_df:
            kinds += _OF_LABELS.items()
            if distances:
                kinds += _OF_DISTANCES.items()
    return kinds


def _summed(rows: pd.DataFrame, task: str, what: str) -> dict[str, Any]:
    """Count findings of one kind, and name the first ones."""
    named = []
    n_more = 0
    for row in rows.itertuples(index=False):
        images = [image for image in (row[2], row[3]) if image]
        if images:
            named.append(" – ".join(images))
        elif more := re.fullmatch(r"and (\d+) more", row[6]):
            n_more += int(more[1])
    count = len(named) + n_more
    detail = "; ".join(named[:_NAMED])
    if count > _NAMED:
        detail += f"; and {count - _NAMED} more"
    return {"task": task, "what": what, "count": count, "detail": detail}
