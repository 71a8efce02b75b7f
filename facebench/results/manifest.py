"""What a run folder says of itself: read without what writing one takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facebench.errors import RunFolderError
from facebench.results.schema import MANIFEST_FILE, SCHEMA_VERSION

__all__ = ["read_manifest"]


def read_manifest(path: Path) -> dict[str, Any]:
    """Read what a run folder says of itself.

    Parameters
    ----------
    path : Path
        The folder.

    Returns
    -------
    dict

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
        manifest = json.loads(file.read_text(encoding="utf-8"))
        version = int(manifest["schema_version"])
        # Older versions wrote null for what there is not.
        manifest = {name: value for name, value in manifest.items() if value is not None}
        _check(manifest)
    except FileNotFoundError:
        msg = f"{path} is not a run folder: it has no {MANIFEST_FILE}. Give a folder NAME/TIME-ID."
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
    texts = {"name": path.parent.name, "created": "", "saved": "", "status": "interrupted"}
    return {**texts, **{name: {} for name in _OBJECTS}, "health": None, "failures": [], **manifest}


# What readers look into, and what they look into one by one.
_OBJECTS = (
    *("tasks", "models", "data", "code", "working_directory", "versions", "machine", "process"),
    *("health", "config", "seeds", "remarks", "provenance", "files"),
)
_ENTRIES = ("tasks", "models", "data")


def _check(manifest: dict[str, Any]) -> None:
    """Check the kinds of what readers look into."""
    wrong = [name for name in _OBJECTS if not isinstance(manifest.get(name, {}), dict)]
    wrong += [
        f"{part} {name!r}"
        for part in _ENTRIES
        if part not in wrong
        for name, value in manifest.get(part, {}).items()
        if not isinstance(value, dict)
    ]
    texts = ("name", "created", "saved", "status")
    wrong += [name for name in texts if not isinstance(manifest.get(name, ""), str)]
    if not isinstance(manifest.get("failures", []), list):
        wrong.append("failures")
    if wrong:
        msg = f"of another kind than expected: {', '.join(wrong[:5])}"
        raise ValueError(msg)


def _writer(manifest: Mapping[str, Any]) -> str:
    found = manifest.get("versions")
    return str(found.get("facebench", "unknown")) if isinstance(found, dict) else "unknown"
