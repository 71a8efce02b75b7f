"""The contract of a model whose results were recorded elsewhere: read from a file, not computed."""

from __future__ import annotations

import hashlib
from abc import ABC
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from facebench.data.embedding_files.opening import the_file
from facebench.errors import InputError
from facebench.models.layer_globs import expand_layers
from facebench.types import StrPath

__all__ = ["RecordedModel"]


class RecordedModel(ABC):
    """What another program, a service or people said of images, in the place of a network.

    It has no network, preprocessing or weights: `BaseModel` is the contract of those. A run asks it
    for what it has of the images that tasks name, which need not be on this machine, and measures
    that as it measures a network's. Its results are never put into the embedding store.

    Parameters
    ----------
    name : str
        Display name, unique in a run.
    files : sequence of path
        What it is read from.

    Attributes
    ----------
    name : str
        Its name.
    file : Path
        What it is read from.
    digest : str
        SHA-256 of that.
    extract_layers : list of str
        What the file has several of, in place of a network's layers.
    has_vectors : bool
        Whether it has embeddings, rather than distances of pairs only.
    citations : sequence of str
        What to cite for it: entries in BibTeX, or keys of facebench's own references.
    """

    has_vectors: ClassVar[bool] = True
    control: str | None = None
    series: Mapping[str, Any] | None = None
    # No preprocessing that could make remarks or look for faces.
    expected_notes: tuple[str, ...] = ()
    on_no_face: None = None
    citations: Sequence[str] = ()
    # Of what encoded it, where that had weights and is known.
    weights_digest: str | None = None
    extract_layers: list[str]

    def __init__(self, name: str, files: Sequence[StrPath]) -> None:
        if not isinstance(name, str) or not name.strip():
            msg = f"The 'name' of a {type(self).__name__} must be a text. Got {name!r} instead."
            raise InputError(msg)
        self.name = name
        self.file = the_file(files[0], "file")
        total = hashlib.sha256()
        for path in files:
            with Path(path).open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
        self.digest = total.hexdigest()

    @override
    def __repr__(self) -> str:
        layers = ", ".join(self.extract_layers)
        return f"{type(self).__name__}({self.name!r}, layers: {layers}, from {self.file})"

    def get_layer_names(self, simplified: bool = False) -> list[str]:
        """List the layers that are read.

        Parameters
        ----------
        simplified : bool, default False
            Makes no difference: they hold no others.

        Returns
        -------
        list of str
        """
        return list(self.extract_layers)


def chosen_layers(asked: str | Iterable[str] | None, there: Sequence[str]) -> list[str]:
    """Find the layers of a file that are asked for by name or pattern; None is all."""
    if asked is None:
        return list(there)
    patterns = [asked] if isinstance(asked, str) else list(asked)
    return expand_layers(patterns, there, there, owner="this file")
