"""What a run folder says of itself: read without what writing one takes."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facebench.errors import RunFolderError
from facebench.results.schema import MANIFEST_FILE, SCHEMA_VERSION

__all__ = ["read_manifest"]


def read_manifest(path: Path) -> dict[str, Any]:
    """Read what a run folder says of itself.

    Raises
    ------
    RunFolderError
        If there is none, it is damaged, or from a newer facebench.
    """
    file = path / MANIFEST_FILE
    try:
        if file.exists() and not file.is_file():
            # A pipe would be waited for without end.
            msg = f"{file} must be the manifest of a run, in JSON. It is not a file."
            raise RunFolderError(msg)
        manifest = json.loads(file.read_text(encoding="utf-8"), parse_constant=_no_constant)
        version = int(manifest["schema_version"])
        # Older versions wrote null for what there is not.
        manifest = {name: value for name, value in manifest.items() if value is not None}
        _check(manifest)
    except FileNotFoundError:
        msg = (
            f"There is no run in {path}: it has no {MANIFEST_FILE}. Give a folder "
            "runs/NAME/TIME-ID, or runs/NAME for the latest run in it."
        )
        raise RunFolderError(msg) from None
    except RunFolderError:
        raise
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        msg = f"{file} must be the manifest of a run, in JSON. It cannot be read: {error!r:.200}."
        raise RunFolderError(msg) from error
    if version > SCHEMA_VERSION:
        msg = (
            f"The run {path} has schema version {version}; this facebench reads up to "
            f"{SCHEMA_VERSION}. Install the facebench that wrote it, "
            f"{_writer(manifest)}, or a newer one."
        )
        raise RunFolderError(msg)
    empty: dict[str, Any] = {
        name: {} for name, part in _shape().model_fields.items() if part.default == {}
    }
    texts = {"name": path.parent.name, "created": "", "saved": "", "status": "interrupted"}
    return {**texts, **empty, "health": None, "failures": [], **manifest}


def _no_constant(text: str) -> float:
    msg = f"{text} is not JSON"
    raise ValueError(msg)


@functools.cache
def _shape() -> Any:
    """Describe what readers look into; anything else may stand beside it."""
    from pydantic import BaseModel

    class Reference(BaseModel):
        what: str
        value: float | None
        source: str

    class Task(BaseModel):
        type: str = ""
        question: str = ""
        sampling_unit: str = ""
        measures: list[dict[str, Any]] = []
        distance: str | None = None
        correlation: str | None = None
        label_column: str | None = None
        condition_column: str | None = None
        group_column: str | None = None
        identity: str | list[str] | None = None
        rating_columns: list[str] = []
        rates_similarity: bool = False
        images_path: str | None = None
        pairs_file: str | None = None
        normalized: bool = False
        remarks: dict[str, str] = {}
        effect: dict[str, str] = {}
        effect_name: str = ""
        compared: dict[str, int] = {}
        item_name: str = ""
        influences: dict[str, str] = {}
        references: list[Reference] = []
        people: dict[str, Any] = {}
        citations: list[str] = []

    class Note(BaseModel):
        task: str
        what: str
        count: int
        detail: str

    class Health(BaseModel):
        n_images: int | None = None
        found: list[Note] | None = None
        error: str | None = None

    class Failure(BaseModel):
        what: str = ""
        error: str = ""

    class Manifest(BaseModel):
        name: str = ""
        created: str = ""
        saved: str = ""
        status: str = ""
        tasks: dict[str, Task] = {}
        models: dict[str, dict[str, Any]] = {}
        data: dict[str, dict[str, Any]] = {}
        remarks: dict[str, dict[str, int]] = {}
        failures: list[Failure] = []
        health: Health | None = None
        code: dict[str, Any] = {}
        working_directory: dict[str, Any] = {}
        versions: dict[str, Any] = {}
        machine: dict[str, Any] = {}
        process: dict[str, Any] = {}
        config: dict[str, Any] = {}
        seeds: dict[str, Any] = {}
        provenance: dict[str, Any] = {}
        files: dict[str, Any] = {}

    return Manifest


def _check(manifest: dict[str, Any]) -> None:
    """Check the kinds of what readers look into."""
    from pydantic import ValidationError

    try:
        _shape().model_validate(manifest)
    except ValidationError as error:
        places = [" → ".join(map(str, one["loc"])) for one in error.errors(include_input=False)]
        msg = f"of another kind than expected: {', '.join(places[:5])}"
        raise ValueError(msg) from None


def _writer(manifest: Mapping[str, Any]) -> str:
    found = manifest.get("versions")
    return str(found.get("facebench", "unknown")) if isinstance(found, dict) else "unknown"
