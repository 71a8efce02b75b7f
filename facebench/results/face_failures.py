"""What a run says of images in which no face was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

__all__ = ["failing_conditions", "listed_failures", "on_no_face", "uneven_failures"]

_SHOWN = 4
_TOLD = {
    "keep": "Images in which no face was found were kept, cut around their centre (on_no_face: "
    "keep).",
    "skip": "Pairs with an image in which no face was found were left out, as those of images that "
    "cannot be read (on_no_face: skip).",
    "stop": "Tasks with an image in which no face was found were stopped (on_no_face: stop).",
}
_DEFAULT = (
    "Images in which no face was found were kept, cut around their centre; tasks whose conditions "
    "differ in them were stopped."
)


def listed_failures(rows: pd.DataFrame) -> str:
    """List the shares of images without a face, the largest first.

    Parameters
    ----------
    rows : DataFrame
        Rows of the table of failures to process, of one grouping.

    Returns
    -------
    str
        "32 of 32 images of condition 'inverted', 1 of 32 images of condition 'upright'"; conditions
        without failure follow as such.
    """
    import pandas as pd

    shares = rows["n_images_failed"] / rows["n_images"]
    ordered = rows.loc[shares.sort_values(ascending=False, kind="stable").index]
    # The most and the least affected conditions tell the difference.
    chosen = ordered
    if len(ordered) > _SHOWN:
        chosen = pd.concat([ordered.iloc[: _SHOWN - 1], ordered.iloc[-1:]])
    named, whole = [], []
    for row in chosen.itertuples():
        where = f" of {row.grouping} {row.condition!r}" if row.condition else ""
        if row.n_images_failed:
            named.append(f"{row.n_images_failed} of {row.n_images} images{where}")
        else:
            whole.append(f"all {row.n_images} images{where}")
    more = len(ordered) - len(chosen)
    text = ", ".join(named) + (f" (and {more} conditions between them)" if more else "")
    return text + (f"; faces were found in {', '.join(whole)}" if whole else "")


def uneven_failures(failures: pd.DataFrame) -> list[str]:
    """Say which conditions differ in their failures to process.

    Parameters
    ----------
    failures : DataFrame
        The columns of `facebench.results.schema.FAILURE_COLUMNS`.

    Returns
    -------
    list of str
        A sentence per task, model and grouping.
    """
    unequal = failures[failures["differs"].fillna(value=False).astype(bool)]
    return [
        f"Task {task!r}, model {model!r}: no face was found in {listed_failures(rows)}."
        for (task, model, _), rows in unequal.groupby(["task", "model", "grouping"], sort=False)
    ]


def failing_conditions(failures: pd.DataFrame) -> list[str]:
    """Say in which conditions no face was found in some images.

    Parameters
    ----------
    failures : DataFrame
        The columns of `facebench.results.schema.FAILURE_COLUMNS`.

    Returns
    -------
    list of str
        A sentence per task and model; by condition where the task has some.
    """
    found = []
    for (task, model), rows in failures.groupby(["task", "model"], sort=False):
        if not (rows["n_images_failed"] > 0).any():
            continue
        grouping = rows["grouping"].fillna("")
        by_condition = rows[grouping == "condition"]
        whole = rows[grouping == ""]
        chosen = by_condition if len(by_condition) else whole if len(whole) else rows
        found.append(
            f"Task {task!r}, model {model!r}: no face was found in {listed_failures(chosen)}."
        )
    return found


def on_no_face(manifest: Mapping[str, Any]) -> str:
    """Say what was done with images without a face."""
    provenance = manifest.get("provenance", {})
    settings = provenance.get("settings")
    said = settings.get("on_no_face") if isinstance(settings, dict) else None
    models = provenance.get("models")
    own = [
        f"Model {name!r}: on_no_face: {record['alignment']['on_no_face']}."
        for name, record in (models.items() if isinstance(models, dict) else ())
        if isinstance(record, dict) and (record.get("alignment") or {}).get("on_no_face")
    ]
    return " ".join([_TOLD.get(str(said), _DEFAULT), *own])
