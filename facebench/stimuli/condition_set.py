"""What `make_conditions` leaves behind: tables, lists, contact sheets, and how to find it."""

from __future__ import annotations

import csv
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facebench.data.made_stimuli import UPRIGHT
from facebench.faces.contact_sheets import contact_sheet
from facebench.stimuli.catalogue import CONDITIONS, Condition
from facebench.stimuli.manifests import read_manifest, write_manifest
from facebench.stimuli.pair_tables import build_tables, write_csv
from facebench.stimuli.sources import PreparedFace
from facebench.stimuli.whole_set import WholeSet

__all__ = [
    "ConditionSet",
    "LeftOut",
    "load_set",
    "read_left_out",
    "write_left_out",
    "write_set",
]

_log = logging.getLogger(__name__)
_LEFT_OUT, _IMAGES, _SHEETS = "left_out.csv", "images.csv", "contact-sheets"
_AVERAGES, _LUMINANCE, _SHAPE = "averages.csv", "luminance.csv", "mean_shape.csv"
_LUMINANCE_COLUMNS = (
    "image", "mean_before", "contrast_before", "mean", "contrast", "clipped",
)  # fmt: skip


@dataclass(frozen=True)
class LeftOut:
    """A photograph that could not be used, or not for one condition.

    Attributes
    ----------
    source : str
        The photograph, relative to the folder given.
    condition : str
        The label of the condition; empty if none could be made.
    reason : str
        Why.
    """

    source: str
    condition: str
    reason: str


@dataclass(frozen=True)
class ConditionSet:
    """The stimuli and pairs that `make_conditions` made.

    Attributes
    ----------
    images_path : Path
        The folder that image names in the tables are relative to.
    tables : dict of str to Path
        The tables of pairs, by name.
    contact_sheets : dict of str to Path
        A picture per condition, by label.
    made : dict of str to int
        How many photographs each condition could be made of, by label; ``upright`` counts those
        with a face.
    n_sources : int
        How many photographs were looked at.
    left_out : tuple of LeftOut
        What could not be used, also in ``left_out.csv``.
    """

    images_path: Path
    tables: dict[str, Path]
    contact_sheets: dict[str, Path]
    made: dict[str, int]
    n_sources: int
    left_out: tuple[LeftOut, ...]


def write_set(
    target: Path,
    settings: dict[str, Any],
    conditions: Sequence[Condition],
    faces: Sequence[PreparedFace],
    donors: Sequence[Sequence[int]],
    made: dict[str, set[str]],
    left_out: Sequence[LeftOut],
    *,
    whole: WholeSet,
    averages: Sequence[tuple[str, str]],
    luminance: Sequence[tuple[Any, ...]],
) -> None:
    """Write tables, contact sheets and lists, and the manifest that says all is done.

    `whole` is what was read of all faces, `averages` says which photograph is in which image,
    `luminance` what was matched.
    """
    tables = build_tables(
        conditions, faces, made, donors, n_pairs=settings["pairs"], seed=settings["seed"]
    )
    if not tables:
        _log.warning(
            "The faces of one person in one photograph make no pairs: no table is written."
        )
    for name, (columns, rows) in tables.items():
        write_csv(target / f"{name}.csv", columns, rows)
    for condition in conditions:
        names = [face.name for face in faces if face.name in made[condition.label]]
        folders = [UPRIGHT, *condition.folders]
        contact_sheet(target, folders, names, target / _SHEETS / f"{condition.label}.png")
    write_left_out(target, left_out)
    if whole.shape is not None:
        rows = [(f"{x:.3f}", f"{y:.3f}") for x, y in whole.shape]
        write_csv(target / _SHAPE, ("x", "y"), rows)
    if averages:
        write_csv(target / _AVERAGES, ("image", "photograph"), averages)
    if luminance:
        write_csv(target / _LUMINANCE, _LUMINANCE_COLUMNS, luminance)
        clipped = sum(float(row[-1]) > 0 for row in luminance)
        if clipped:
            _log.warning(
                "Of %d faces with matched luminance, %d have pixels cut off at black or white: see "
                "the column 'clipped' of %s.", len(luminance), clipped, _LUMINANCE,
            )  # fmt: skip
    write_csv(
        target / _IMAGES,
        ("image", "source", "identity", "face_width", "yaw", "donors"),
        [
            (
                face.name,
                face.source.relative,
                face.identity,
                f"{face.width:.2f}",
                f"{face.yaw:.1f}",
                " ".join(faces[i].name for i in lent),
            )
            for face, lent in zip(faces, donors, strict=True)
        ],
    )
    manifest = {
        "complete": True,
        "settings": settings,
        "made": {label: len(names) for label, names in made.items()},
        "tables": sorted(tables),
        "levels": {
            condition.label: {CONDITIONS[condition.kind].level: condition.level}
            for condition in conditions
            if condition.level is not None
        },
        "read": whole.as_record(),
    }
    write_manifest(target, manifest)


def load_set(target: Path) -> ConditionSet:
    """Find what `write_set` wrote."""
    manifest = read_manifest(target)
    return ConditionSet(
        images_path=target,
        tables={name: target / f"{name}.csv" for name in manifest["tables"]},
        contact_sheets={
            item["label"]: target / _SHEETS / f"{item['label']}.png"
            for item in manifest["settings"]["conditions"]
        },
        made=manifest["made"],
        n_sources=manifest["settings"]["source"]["images"],
        left_out=read_left_out(target),
    )


def write_left_out(target: Path, left_out: Sequence[LeftOut]) -> None:
    """List what could not be used."""
    rows = [(item.source, item.condition, item.reason) for item in left_out]
    write_csv(target / _LEFT_OUT, ("source", "condition", "reason"), rows)


def read_left_out(target: Path) -> tuple[LeftOut, ...]:
    """Read what `write_left_out` wrote."""
    with (target / _LEFT_OUT).open(encoding="utf-8", newline="") as file:
        return tuple(LeftOut(**row) for row in csv.DictReader(file))
