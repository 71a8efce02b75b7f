"""The tidy tables of a run, and the version of what is in its folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "DATA_HEALTH_FILE",
    "DISTANCES_FILE",
    "FAILURES_FILE",
    "FAILURE_COLUMNS",
    "LOG_FILE",
    "MANIFEST_FILE",
    "NETWORK",
    "PEOPLE",
    "REPLICATES_FILE",
    "REPORT_FILE",
    "RESULTS_COLUMNS",
    "RESULTS_CSV",
    "RESULTS_FILE",
    "RESULTS_METADATA",
    "SCHEMA_VERSION",
    "STATISTICS_VERSION",
    "csv_metadata",
    "empty_failures",
    "empty_results",
]

SCHEMA_VERSION = 3
# Raised when a number or its interval comes out otherwise for the same distances: numbers of other
# versions are not ranked together. Runs of schema 3 that do not say are of the first.
STATISTICS_VERSION = 1

MANIFEST_FILE = "manifest.json"
RESULTS_FILE, RESULTS_CSV = "results.parquet", "results.csv"
RESULTS_METADATA = "results.csv-metadata.json"
DISTANCES_FILE, REPLICATES_FILE = "distances.parquet", "left_out.parquet"
DATA_HEALTH_FILE = "data_health.csv"
FAILURES_FILE = "failures_to_process.csv"
LOG_FILE, REPORT_FILE = "run.log", "report.html"

# Column, pandas type, the W3C's name of the type, meaning.
_RESULTS: tuple[tuple[str, str, str, str], ...] = (
    ("run", "string", "string", "The run: its name, and when it began."),
    ("model", "string", "string", "The network; 'People', or a group of participants."),
    (
        "layer",
        "string",
        "string",
        "Its layer; 'default' is what the network returns; empty of people.",
    ),
    ("layer_index", "Int64", "integer", "Position among the model's layers, from 0."),
    ("task", "string", "string", "The task's name."),
    ("task_type", "string", "string", "The task's class."),
    ("condition", "string", "string", "The condition, of tasks that have some."),
    ("metric", "string", "string", "What is measured."),
    ("value", "float64", "double", "The measured value, unrounded."),
    ("ci_low", "float64", "double", "Lower end of its 95 % interval."),
    ("ci_high", "float64", "double", "Upper end."),
    ("ci_method", "string", "string", "How the interval was made."),
    ("n_pairs", "Int64", "integer", "Pairs (or items) behind the value."),
    ("n_images", "Int64", "integer", "Different images in them."),
    ("n_identities", "Int64", "integer", "Different people, where file names tell."),
    ("n_failed", "Int64", "integer", "Pairs (or items) without a distance."),
    (
        "n_no_face",
        "Int64",
        "integer",
        "Pairs (or items) with an image in which no face was found;"
        " empty where the model looked for none.",
    ),
    ("distance", "string", "string", "The distance metric."),
    ("higher_is_better", "boolean", "boolean", "Empty where neither way is better."),
    ("remark", "string", "string", "What is odd about the layer's numbers; empty if nothing is."),
    ("source", "string", "string", "Whose the number is: 'network' or 'people'."),
)
# What `source` says; runs before version 3 know networks only.
NETWORK, PEOPLE = "network", "people"
RESULTS_COLUMNS: dict[str, str] = {name: kind for name, kind, _, _ in _RESULTS}

# The table of failures to process: a row for all pairs of a task and model, then one for every
# condition of every grouping (side of the pair, class, condition, group …).
FAILURE_COLUMNS: dict[str, str] = {
    **dict.fromkeys(("task", "model", "grouping", "condition"), "string"),
    # Pairs, and those with an image in which no face was found; of a task without pairs, images.
    **dict.fromkeys(("n_pairs", "n_failed", "n_images", "n_images_failed"), "Int64"),
    # Whether the failures of the grouping's conditions differ by more than chance, or much.
    "differs": "boolean",
}


def csv_metadata() -> str:
    """Describe results.csv as the W3C's "Metadata Vocabulary for Tabular Data" asks.

    Returns
    -------
    str
        JSON, for the file ``results.csv-metadata.json`` beside the table.
    """
    columns: list[dict[str, Any]] = [
        {"name": name, "titles": name, "datatype": kind, "dc:description": meaning}
        for name, _, kind, meaning in _RESULTS
    ]
    for column in columns:
        if column["datatype"] == "boolean":
            column["datatype"] = {"base": "boolean", "format": "True|False"}
    metadata = {
        "@context": "http://www.w3.org/ns/csvw",
        "url": RESULTS_CSV,
        "dc:title": "Results of a facebench run",
        "tableSchema": {"columns": columns},
    }
    return json.dumps(metadata, indent=2) + "\n"


def empty_failures() -> pd.DataFrame:
    """Give the table of failures to process of a run in which no model aligned faces."""
    import pandas as pd

    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in FAILURE_COLUMNS.items()})


def empty_results() -> pd.DataFrame:
    """Give the tidy table of a run that has no results yet."""
    import pandas as pd

    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in RESULTS_COLUMNS.items()})
