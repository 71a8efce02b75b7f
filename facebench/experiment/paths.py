"""The files and folders that a configuration names, wherever it is read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from facebench.experiment.locations import Located

if TYPE_CHECKING:
    from facebench.experiment.config import Config

__all__ = ["LOCAL_DIR", "named_file", "with_absolute_paths"]

# What timm puts before the folder of a network.
LOCAL_DIR = "local-dir:"

# Where files are named, by which keys.
_NAMING = ("models", "tasks", "plugins", "distance")
_CLASSES = ("model", "task", "plugins", "distance", "distance_metric", "correlation", "network")
# What looks like a path there and is a text.
_TEXTS = ("strip",)
_PATHS = (
    *("pairs", "images", "weights", "path", "folder", "file", "repository"),
    *("centre", "whiten", "cohort", "version"),
)


def with_absolute_paths(config: Config) -> dict[str, Any]:
    """Give a configuration that says the same from any folder.

    Returns
    -------
    dict
        All settings, as JSON has them; every value that names an existing file or folder, by its
        absolute path, and numbers that are written otherwise than JSON does (1.10), as texts.
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
    if isinstance(item.value, str) and key not in _TEXTS:
        return _anywhere(item.value, key, item.place.folder)
    # As the name of a condition, 1.10 is another than 1.1.
    return item.written if item.written not in ("", str(item.value)) else item.value


def _anywhere(text: str, key: str, folder: Path) -> str:
    if text.startswith(LOCAL_DIR):
        inner = folder / Path(text.removeprefix(LOCAL_DIR)).expanduser()
        return f"{LOCAL_DIR}{inner.absolute()}"
    module, colon, attribute = text.partition(":")
    if colon and key in _CLASSES and not module.endswith(".py"):
        # 'module:Class' is looked for beside the configuration.
        beside = f"{module.replace('.', '/')}.py:{attribute}"
        text = beside if named_file(beside, folder)[0] is not None else text
    # A column may be called as some folder is.
    if key == "distractors":
        # A pattern, which names no file itself.
        return str((folder / Path(text).expanduser()).absolute())
    is_path = any(sign in text for sign in ("/", "\\", ".")) or key.endswith(_PATHS)
    path, attribute = named_file(text, folder) if is_path else (None, "")
    return text if path is None else f"{path.absolute()}{attribute}"


def named_file(text: str, folder: Path) -> tuple[Path | None, str]:
    """Find the file or folder that a text of a configuration names.

    Parameters
    ----------
    text : str
        Any text; 'file.py:Class' names a file too.
    folder : Path
        What it is relative to.

    Returns
    -------
    path : Path or None
        None where the text names nothing that is there.
    attribute : str
        What stands behind the file, as ':Class'.
    """
    name, colon, attribute = text.partition(".py:")
    try:
        path = folder / Path(f"{name}.py" if colon else text).expanduser()
        if path.is_file() or (path.is_dir() and text):
            return path, f":{attribute}" if colon else ""
    except (OSError, ValueError, RuntimeError):
        # Not a path: a name too long, or with a ~ of an unknown user.
        pass
    return None, ""
