"""Where a run happened and what with: machine, versions, code, data."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import facebench
from facebench.types import StrPath

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
_COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


class Digests:
    """SHA-256 of files as they are now: an instance looks at each once."""

    def __init__(self) -> None:
        self._found: dict[str, str | None] = {}

    def of_file(self, path: StrPath) -> str | None:
        """Give the digest of a file, or of an image in a pack; None if it cannot be read."""
        name = os.fspath(path)
        if name not in self._found:
            # What decodes images is not loaded to read a run.
            from facebench.data.digests import known_sha256

            digest = known_sha256(name)
            self._found[name] = None if digest is None else digest.hex()
        return self._found[name]

    def of_files(self, files: Iterable[Path]) -> str:
        """Give one digest of files, by their names and contents; of packs the name is enough."""
        from facebench.store.pack_files import SUFFIX

        total = hashlib.sha256()
        for path in files:
            content = None if path.suffix == SUFFIX else self.of_file(path)
            total.update(f"{path.name} {content}\n".encode("utf-8", "surrogatepass"))
        return total.hexdigest()

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
        from facebench.data.pairs import resolve_images

        total = hashlib.sha256()
        wanted = sorted(set(names))
        # By real paths, as a run reads images: what it has digested is not read again.
        # Strings, not Paths: a table may name 100,000 images.
        root, joined = os.path.realpath(folder), os.path.join
        digests = {name: self.of_file(joined(root, name)) for name in wanted}
        # Names may be spelt another way on disk.
        unknown = [name for name, digest in digests.items() if digest is None]
        for name, path in resolve_images(folder, unknown).items():
            digests[name] = self.of_file(path)
        missing = 0
        for name, digest in digests.items():
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
    repository = _repository(folder)
    if git is None or repository is None:
        return None
    # A repository's own configuration can have git run any program (core.fsmonitor, filters,
    # hooks). It may be a stranger's: git gets the objects and the index, and none of the rest.
    with tempfile.TemporaryDirectory() as empty:
        for part in ("refs", "objects"):
            (Path(empty) / part).mkdir()
        head = _head(repository)
        if head is None:
            return None
        commit, branch = head
        (Path(empty) / "HEAD").write_text(commit + "\n", encoding="ascii")
        common = _common(repository)
        environment = {
            **os.environ,
            "GIT_DIR": empty,
            "GIT_WORK_TREE": str(_work_tree(folder.resolve())),
            "GIT_OBJECT_DIRECTORY": str(common / "objects"),
            "GIT_INDEX_FILE": str(repository / "index"),
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_ATTR_NOSYSTEM": "1",
        }
        try:
            done = subprocess.run(
                [
                    git,
                    *("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={empty}"),
                    *("status", "--porcelain", "--untracked-files=no", "--ignore-submodules=dirty"),
                ],
                capture_output=True,
                timeout=_GIT_SECONDS,
                check=True,
                env=environment,
                cwd=_work_tree(folder.resolve()),
            )
            changed: bool | None = bool(done.stdout.strip())
        except (OSError, subprocess.SubprocessError):
            changed = None
    return {"commit": commit, "branch": branch, "changed": changed}


def _work_tree(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if (path / ".git").exists())


def _repository(folder: Path) -> Path | None:
    """Find the folder that git keeps its files in, without asking git."""
    try:
        folder = folder.resolve()
        git = _work_tree(folder) / ".git"
        if git.is_file():
            # Of a linked work tree or a submodule.
            named = git.read_text(encoding="utf-8", errors="replace").strip()
            git = git.parent / named.removeprefix("gitdir:").strip()
        return git if (git / "HEAD").is_file() else None
    except (OSError, ValueError, StopIteration):
        return None


def _common(repository: Path) -> Path:
    """Give the folder that linked work trees share."""
    try:
        return repository / (repository / "commondir").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return repository


def _head(repository: Path) -> tuple[str, str] | None:
    """Read the commit and the branch of a repository ('HEAD' where none is checked out)."""
    try:
        head = (repository / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return (head, "HEAD") if _COMMIT.fullmatch(head) else None
        name = head.removeprefix("ref: ")
        if not name.startswith("refs/") or ".." in name:
            return None
        common = _common(repository)
        if (common / name).is_file():
            commit = (common / name).read_text(encoding="utf-8").strip()
        else:
            packed = (common / "packed-refs").read_text(encoding="utf-8").splitlines()
            commit = next(line.split()[0] for line in packed if line.endswith(f" {name}"))
    except (OSError, ValueError, StopIteration):
        return None
    return (commit, name.removeprefix("refs/heads/")) if _COMMIT.fullmatch(commit) else None


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
        # Numbers of processes are used again.
        return bool(abs(started - float(identity.get("started", started))) < 2)
    except (psutil.Error, KeyError, TypeError, ValueError, OverflowError):
        return False
