"""Telling whether two experiments would give the same results."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

from facebench.errors import FacebenchError, StoreError, WeightsError
from facebench.experiment.code_files import code_content, module_file
from facebench.experiment.config import Config
from facebench.experiment.locations import Located
from facebench.experiment.paths import LOCAL_DIR, named_file
from facebench.experiment.schema import ExperimentSettings
from facebench.models.file_kinds import is_index, parts_of_index
from facebench.store import EmbeddingStore
from facebench.store.file_digests import digest_all
from facebench.store.folder import existing_store

__all__ = ["data_digest", "experiment_digest"]

# Settings that say how a run is done, where to, and under which name: its results are the same.
_HOW = frozenset(
    {
        *("device", "batch_size", "num_workers", "cache", "packs", "max_memory"),
        *("output", "report", "layer_choice", "plots", "figures", "name"),
    }
)
# The entry 'location' of a tensor in an ONNX file, up to the length of its value.
_LOCATION = re.compile(rb"\x0a\x08location\x12([\x01-\x7f])")
# Folders that git and Python change by themselves; they hold no images.
_BY_THEMSELVES = (".git", "__pycache__")


def experiment_digest(config: Config) -> str:
    """Tell whether two experiments would give the same results.

    The digest covers models, tasks and what else decides the numbers; every file that the
    configuration names, by content (pairs, weights, plug-ins with the modules, files and
    environment variables that these name); every folder, by the names and contents of all files
    in it, also those reached through links; and facebench's own code. Batch size, device, cache and
    the like are left out, and so are the places and times of files and folders: a moved experiment
    is the same.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    from facebench.results.provenance import code_digest

    said = _contents(config, with_imports=True)
    said["seed"] = config.settings.seed
    said["facebench"] = code_digest()
    return _digest(said)


def data_digest(config: Config) -> str:
    """Tell whether any file or folder that an experiment names has changed.

    Unlike `experiment_digest` it is the same before and after plug-ins were imported, which may
    change the environment.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    return _digest(_contents(config, with_imports=False))


def _digest(said: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def _contents(config: Config, *, with_imports: bool) -> dict[str, Any]:
    """Put the content of files and folders in place of their names."""
    store = existing_store(config.settings.cache_dir)
    with nullcontext() if store is None else closing(store):
        contents = _Contents(config, store, with_imports=with_imports)
        return {
            key: contents.of_item(item)
            for key, item in config.source.value.items()
            if key not in _HOW and not _goes_without_saying(key, item)
        }


def _goes_without_saying(key: str, item: Located) -> bool:
    default = ExperimentSettings.model_fields[key].get_default(call_default_factory=True)
    return bool(item.plain() == default)


class _Contents:
    """Reads files and folders, each once; a store remembers the digests of files."""

    def __init__(self, config: Config, store: EmbeddingStore | None, *, with_imports: bool) -> None:
        settings = config.settings
        own = (settings.output, settings.packs, None if store is None else store.folder)
        # Where runs, shards and the store write does not count.
        self._without = {os.path.realpath(folder) for folder in own if folder is not None}
        self._store = store
        self._with_imports = with_imports
        self._folders: dict[str, str] = {}
        self._by_key = {"people": self._of_people, "distractors": self._of_distractors}

    def of_item(self, item: Located) -> Any:
        if isinstance(item.value, dict):
            return {
                key: self._by_key.get(key, self.of_item)(value) for key, value in item.value.items()
            }
        if isinstance(item.value, list):
            return [self.of_item(value) for value in item.value]
        if isinstance(item.value, str):
            return self._of_text(item.value, item.place.folder)
        # As the name of a condition, 1.10 is another than 1.1.
        return item.written or item.value

    def _of_people(self, item: Located) -> Any:
        """Read the description of trials, and the files that it names."""
        from facebench.people.reading import files_of_trials

        said, value, folder = self.of_item(item), item.plain(), item.place.folder
        try:
            if isinstance(value, str):
                files = files_of_trials(folder / Path(value).expanduser())
            else:
                files = files_of_trials(value, folder)
            return [said, self._of_files(files)]
        except FacebenchError:
            # The reader of the trials reports it.
            return said

    def _of_distractors(self, item: Located) -> Any:
        """Read the files of all models and layers that an entry names by a pattern."""
        from facebench.tasks.shared.distractors import every_file

        said = self.of_item(item)
        if not isinstance(said, str):
            return said
        return [said, self._of_files(every_file(item.place.folder / Path(said).expanduser()))]

    def _of_text(self, text: str, folder: Path) -> Any:
        if text.startswith(LOCAL_DIR):
            return {LOCAL_DIR: self._of_text(text.removeprefix(LOCAL_DIR), folder)}
        path, attribute = named_file(text, folder)
        if path is None and text.count(":") == 1:
            # 'module:Class', of the user's own.
            module, _, attribute = text.partition(":")
            path = module_file(module, folder)
        if path is None:
            return text
        if path.is_dir():
            return {"folder": self._of_folder(path)}
        try:
            if path.suffix == ".py" and self._with_imports:
                content = code_content(path, folder, self._of_folder)
                return {"code": content, "in": attribute}
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            parts = self._of_files(_files_beside(path))
            return {"file": [digest, *parts] if parts else digest, "in": attribute}
        except OSError:
            # The reader of the file reports it.
            return text

    def _of_folder(self, folder: Path) -> str:
        real = os.path.realpath(folder)
        if real not in self._folders:
            found = list(_walk(real, self._without))
            files = [Path(real, name) for name, other in found if other is None]
            digests = iter(self._of_files(files))
            lines = [(name, next(digests) if other is None else other) for name, other in found]
            self._folders[real] = hashlib.sha256(repr(sorted(lines)).encode()).hexdigest()
        return self._folders[real]

    def _of_files(self, files: list[Path]) -> list[str]:
        try:
            known = digest_all(files) if self._store is None else self._store.image_digests(files)
        except StoreError:
            # The run will say what is wrong with the store.
            known = digest_all(files)
        return ["unreadable" if digest is None else digest.hex() for digest in known]


def _files_beside(path: Path) -> list[Path]:
    """Find the files beside one that hold its weights."""
    if path.suffix == ".onnx":
        return _outside_of_onnx(path)
    if is_index(path):
        try:
            return [part for part in parts_of_index(path) if part.is_file()]
        except WeightsError:
            # The reader of the file reports it.
            return []
    return []


def _outside_of_onnx(path: Path) -> list[Path]:
    """Find the files beside a large ONNX file that hold its weights."""
    content = path.read_bytes()
    found = set()
    for match in _LOCATION.finditer(content):
        length = match[1][0]
        name = os.fsdecode(content[match.end() : match.end() + length])
        found.add(path.parent / name)
    return sorted(part for part in found if part.is_file())


def _walk(root: str, without: set[str]) -> Iterator[tuple[str, str | None]]:
    """Go through a folder and all that its links lead to, every folder once.

    Yields names relative to `root`; of a file with None, of a link to a folder met elsewhere with
    where that is. Links that lead nowhere, such as the lock files of editors, are left out.
    """
    # A link to a folder above holds the folder itself, and maybe the whole disk.
    met = {**dict.fromkeys(map(str, Path(root).parents), "above"), root: "."}
    pending, linked = [root], list[tuple[str, str]]()
    while pending or linked:
        if not pending:
            # Real folders come first, so that what a folder counts as hangs on no link's name.
            path, real = linked.pop(0)
            if real in met:
                yield os.path.relpath(path, root), f"is {met[real]}"
                continue
            met[real] = os.path.relpath(path, root)
            pending.append(path)
        here = pending.pop()
        try:
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError:
            yield os.path.relpath(here, root), "unreadable"
            continue
        for entry in entries:
            try:
                is_folder, is_file = entry.is_dir(), entry.is_file()
            except OSError:
                # A link to itself.
                continue
            if is_file:
                yield os.path.relpath(entry.path, root), None
            elif is_folder and entry.name not in _BY_THEMSELVES:
                real = os.path.realpath(entry.path)
                if real in without:
                    continue
                if entry.is_symlink() or here not in met:
                    linked.append((entry.path, real))
                else:
                    met[real] = os.path.relpath(entry.path, root)
                    pending.append(entry.path)
