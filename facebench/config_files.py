"""The files and folders that a configuration names: a digest of all, and where they are."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from facebench.config import Config
from facebench.located import Located
from facebench.settings import Settings

__all__ = ["experiment_digest", "with_absolute_paths"]

# Settings that say how a run is done, where to, and under which name: its results are the same.
_HOW = frozenset(
    {"device", "batch_size", "num_workers", "cache", "max_memory", "output", "report", "name"}
)
# Where files are named, by which keys.
_NAMING = ("models", "tasks", "plugins", "distance")
_CLASSES = ("model", "task", "plugins", "distance", "distance_metric", "correlation")
_PATHS = ("pairs", "images", "weights", "path", "folder", "file")


def experiment_digest(config: Config) -> str:
    """Tell whether two experiments would give the same results.

    The digest covers models, tasks and what else decides the numbers; every file that the
    configuration names, by content (pairs, weights, plug-ins); every folder, by the names, sizes
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


def with_absolute_paths(config: Config) -> dict[str, Any]:
    """Give a configuration that says the same from any folder.

    Parameters
    ----------
    config : Config
        The configuration.

    Returns
    -------
    dict
        All settings, as JSON has them; whatever names a file or folder that is there, by its
        absolute path.
    """
    said = config.source.value
    return {
        **config.settings.model_dump(mode="json"),
        **{key: _resolved(said[key], key) for key in _NAMING if key in said},
    }


def _resolved(item: Located, key: str) -> Any:
    if isinstance(item.value, dict):
        return {name: _resolved(value, name) for name, value in item.value.items()}
    if isinstance(item.value, list):
        return [_resolved(value, key) for value in item.value]
    if isinstance(item.value, str):
        return _anywhere(item.value, key, item.place.folder)
    return item.value


def _anywhere(text: str, key: str, folder: Path) -> str:
    module, colon, attribute = text.partition(":")
    if colon and key in _CLASSES and not module.endswith(".py"):
        # 'module:Class' is looked for beside the configuration.
        beside = f"{module.replace('.', '/')}.py:{attribute}"
        text = beside if _named(beside, folder)[0] is not None else text
    # A column may be called as some folder is.
    is_path = any(sign in text for sign in ("/", "\\", ".")) or key.endswith(_PATHS)
    path, attribute = _named(text, folder) if is_path else (None, "")
    return text if path is None else f"{path.absolute()}{attribute}"


def _goes_without_saying(key: str, item: Located) -> bool:
    default = Settings.model_fields[key].get_default(call_default_factory=True)
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


def _named(text: str, folder: Path) -> tuple[Path | None, str]:
    """Find the file or folder that a text names, and what it says behind: 'file.py:Class'."""
    name, colon, attribute = text.partition(".py:")
    try:
        path = folder / Path(f"{name}.py" if colon else text).expanduser()
        if path.is_file() or (path.is_dir() and text):
            return path, f":{attribute}" if colon else ""
    except (OSError, ValueError, RuntimeError):
        # No path at all: a name too long, or with a ~ of nobody.
        pass
    return None, ""


def _content(text: str, folder: Path, without: Path) -> Any:
    path, attribute = _named(text, folder)
    try:
        if path is not None and path.is_dir():
            return {"folder": _tree_digest(path, without)}
        if path is not None:
            with path.open("rb") as file:
                return {"file": hashlib.file_digest(file, "sha256").hexdigest(), "in": attribute}
    except OSError:
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
