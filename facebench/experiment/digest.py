"""Telling whether two experiments would give the same results."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from facebench.experiment.code_files import code_content
from facebench.experiment.config import Config
from facebench.experiment.locations import Located
from facebench.experiment.paths import named_file
from facebench.experiment.schema import ExperimentSettings

__all__ = ["experiment_digest"]

# Settings that say how a run is done, where to, and under which name: its results are the same.
_HOW = frozenset(
    {
        *("device", "batch_size", "num_workers", "cache", "max_memory"),
        *("output", "report", "plots", "name"),
    }
)


def experiment_digest(config: Config) -> str:
    """Tell whether two experiments would give the same results.

    The digest covers models, tasks and what else decides the numbers; every file that the
    configuration names, by content (pairs, weights, plug-ins with the modules, files and
    environment variables that these name); every folder, by the names, sizes
    and times of all files in it; and facebench's own code. Batch size, device, cache and the like
    are left out, and so are the places of files and folders: a moved experiment is the same.

    Parameters
    ----------
    config : Config
        The configuration.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    from facebench.results.provenance import code_digest

    without = config.settings.output.resolve()
    said = {
        key: _canonical(item, without)
        for key, item in config.source.value.items()
        if key not in _HOW and not _goes_without_saying(key, item)
    }
    said["seed"] = config.settings.seed
    said["facebench"] = code_digest()
    text = json.dumps(said, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _goes_without_saying(key: str, item: Located) -> bool:
    default = ExperimentSettings.model_fields[key].get_default(call_default_factory=True)
    return bool(item.plain() == default)


def _canonical(item: Located, without: Path) -> Any:
    """Put the content of files and folders in place of their names."""
    if isinstance(item.value, dict):
        return {key: _canonical(value, without) for key, value in item.value.items()}
    if isinstance(item.value, list):
        return [_canonical(value, without) for value in item.value]
    if isinstance(item.value, str):
        return _content(item.value, item.place.folder, without)
    return item.value


def _content(text: str, folder: Path, without: Path) -> Any:
    path, attribute = named_file(text, folder)
    if path is None and text.count(":") == 1:
        # 'module:Class', beside the configuration.
        module, _, name = text.partition(":")
        path, attribute = named_file(f"{module.replace('.', '/')}.py:{name}", folder)
    try:
        if path is not None and path.is_dir():
            return {"folder": _tree_digest(path, without)}
        if path is not None and path.suffix == ".py":
            return {"code": code_content(path, folder), "in": attribute}
        if path is not None:
            with path.open("rb") as file:
                return {"file": hashlib.file_digest(file, "sha256").hexdigest(), "in": attribute}
    except OSError:
        # Unreadable for this user: the name has to do.
        pass
    return text


def _tree_digest(folder: Path, without: Path) -> str:
    digest = hashlib.sha256()
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and Path(where, name).resolve() != without
        )
        for name in sorted(files):
            path = Path(where, name)
            state = path.stat()
            line = (path.relative_to(folder).as_posix(), state.st_size, state.st_mtime_ns)
            digest.update(repr(line).encode())
    return digest.hexdigest()
