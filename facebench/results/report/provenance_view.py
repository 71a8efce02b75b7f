"""What a page says of where a run came from, and how to repeat it."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from typing import Any

import yaml

from facebench.columns import NETWORK_LAYERS
from facebench.results.reader import Run

__all__ = ["flat", "provenance_view", "shown_time"]


def provenance_view(run: Run) -> dict[str, Any]:
    """Arrange a run's provenance.

    Returns
    -------
    dict
        configuration: the YAML to repeat it with, or ''. groups: (title, [(name, value)]).
        steps: (words, command), to repeat it.
    """
    manifest = run.manifest
    config = manifest.get("config") or {}
    # An experiment's file says what is in its settings; a script may have put in what it likes.
    settings = _without_none(config.get("settings", config))
    known = {
        "Run": {
            "run": run.id,
            "status": run.status,
            "begun": manifest.get("created"),
            "saved": manifest.get("saved"),
            "folder": str(run.path),
            "experiment file": config.get("file"),
            "experiment digest": config.get("digest"),
            "command": " ".join(map(str, (manifest.get("process") or {}).get("command", []))),
        },
        "Models": {
            name: {key: value for key, value in model.items() if key != NETWORK_LAYERS}
            for name, model in manifest["models"].items()
        },
        "Data": {
            task: {key: value for key, value in data.items() if key != "images"}
            | {"images": (data.get("images") or {}).get("digest")}
            for task, data in (manifest.get("data") or {}).items()
        },
        "Code": {
            "code": manifest.get("code"),
            "working directory": manifest.get("working_directory"),
        },
        "Versions": manifest.get("versions"),
        "Machine": manifest.get("machine"),
        "Seeds": manifest.get("seeds"),
        "Timings, cache and weights": manifest.get("provenance"),
    }
    return {
        "configuration": yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
        if config
        else "",
        "groups": [(title, flat(content)) for title, content in known.items() if content],
        "steps": _steps(manifest, bool(config)),
    }


def shown_time(text: Any) -> str:
    """Write a time as people read it.

    Examples
    --------
    >>> shown_time("2026-03-01T09:05:07+00:00")
    '2026-03-01 09:05 UTC'
    """
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return str(text or "")
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Write nested settings as names and texts.

    Examples
    --------
    >>> flat({"a": {"b": 1, "c": [2, 3]}})
    [('a › b', '1'), ('a › c', '[2, 3]')]
    """
    if isinstance(value, dict):
        return [
            pair
            for key, item in value.items()
            for pair in flat(item, f"{prefix} › {key}" if prefix else str(key))
        ]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return [(prefix, text)]


def _without_none(value: Any) -> Any:
    """Leave out what was not said."""
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value


def _steps(manifest: dict[str, Any], has_config: bool) -> list[tuple[str, str]]:
    """List what to do: (words, command)."""
    version = (manifest.get("versions") or {}).get("facebench", "")
    code = (manifest.get("code") or {}).get("git") or {}
    own = (manifest.get("working_directory") or {}).get("git") or {}
    steps = []
    if code.get("commit"):
        steps.append((_checkout("facebench's repository", code), f"git checkout {code['commit']}"))
        steps.append(("Install it:", "pip install ."))
    else:
        steps.append(("Install facebench:", f"pip install facebench=={version}"))
    if own.get("commit") and own != code:
        steps.append((_checkout("your own repository", own), f"git checkout {own['commit']}"))
    if has_config:
        words = "Save the configuration below as experiment.yaml, and run it:"
        steps.append((words, "facebench run experiment.yaml"))
    else:
        command = (manifest.get("process") or {}).get("command") or []
        steps.append(("Run the script again:", "python " + shlex.join(map(str, command))))
    return steps


def _checkout(what: str, git: dict[str, Any]) -> str:
    changed = ", which had changes that were not committed" if git.get("changed") else ""
    return f"In {what}{changed}:"
