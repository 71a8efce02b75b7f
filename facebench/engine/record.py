"""What a run of one model came from and what it took: the provenance of its results."""

from __future__ import annotations

import functools
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib import metadata
from time import perf_counter
from types import MappingProxyType
from typing import Any

__all__ = ["PREPROCESSING", "ModelRecord", "library_versions"]

# Stands for the preprocessing where layers are named.
PREPROCESSING = ""
_LIBRARIES = ("facebench", "torch", "torchvision", "transformers", "numpy", "scipy", "Pillow")


@dataclass
class ModelRecord:
    """How a model's embeddings came about, in one pass or two (see `facebench.run.alignment`).

    Attributes
    ----------
    model : str
        Display name.
    weights_digest : str or None
        Of all parameters and buffers; None without a store, where it is not needed.
    settings_digest, preprocessing_digest : str or None
        Of the class, its settings and its code; of the preprocessing.
    file, file_digest : str or None
        What a model was read from that has no network, and its SHA-256; None of others.
    alignment : dict or None
        How the model aligned faces; None where it took images as they are.
    device, precision, layout : str
        Where and how it ran.
    accelerate : str or None
        The engine that ran the network, with its version; None is torch as it is.
    differences : dict of str to float
        Of another engine's layers from torch's on a first batch: the largest, as a share of the
        length of an image's row.
    sent_as : str
        What a graphics card was sent: 'uint8', if it computed the input from pixels, or 'float32'
        and why. Empty of a CPU.
    decoder : dict
        What decoded JPEGs, if not Pillow, and how far its pixels were from Pillow's.
    agreement : dict
        How far precision and memory layout, if they were asked for, took embeddings of the first
        images from those in float32; by layer, as a part of a row's length.
    n_images, n_hits, n_misses : int
        Different images; those found in the store with all that was asked; the others.
    n_forwards : int
        Images sent through the network.
    n_bad : int
        Images that could not be read.
    wrappers : dict
        What was done besides: views, centring or whitening, score normalisation by task.
    layers : dict of str to str
        Layer → 'kept', 'streamed' or 'spilled'.
    unsteady : dict of str to {'chance', 'batch'}
        Layers whose rows depend on more than the image, and on what; '' is the preprocessing.
    seconds : dict of str to float
        By phase: digest, store, decode (added up over processes), forward, distance, metric,
        export, plot.
    peak_memory : int
        Largest resident size of the process until then, in bytes.
    """

    model: str
    weights_digest: str | None = None
    settings_digest: str | None = None
    preprocessing_digest: str | None = None
    file: str | None = None
    file_digest: str | None = None
    alignment: dict[str, Any] | None = None
    device: str = "cpu"
    precision: str = "float32"
    layout: str = ""
    accelerate: str | None = None
    sent_as: str = ""
    decoder: dict[str, Any] = field(default_factory=dict)
    agreement: dict[str, Any] = field(default_factory=dict)
    n_images: int = 0
    n_hits: int = 0
    n_misses: int = 0
    n_forwards: int = 0
    n_bad: int = 0
    wrappers: dict[str, Any] = field(default_factory=dict)
    layers: dict[str, str] = field(default_factory=dict)
    unsteady: dict[str, str] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory: int = 0

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the time of a block to a phase."""
        started = perf_counter()
        try:
            yield
        finally:
            self.add(phase, perf_counter() - started)

    def add(self, phase: str, seconds: float) -> None:
        """Add seconds to a phase."""
        self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds

    def remarks(self) -> dict[str, int]:
        """Count what to keep in mind of the model's numbers, by what the summary calls it."""
        layers = len(self.unsteady.keys() - {PREPROCESSING})
        counts = {
            "Layers That Depend on Chance or Batch": layers,
            "Preprocessing Depends on Chance": len(self.unsteady) - layers,
        }
        return {what: count for what, count in counts.items() if count}

    def as_dict(self) -> dict[str, Any]:
        """Give everything as what JSON can hold."""
        content = asdict(self)
        content["seconds"] = {phase: round(spent, 4) for phase, spent in self.seconds.items()}
        return content


@functools.cache
def library_versions() -> Mapping[str, str]:
    """Versions of Python and of the libraries that results hang on, looked up once."""
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            # A clone that is used without being installed.
            continue
    return MappingProxyType(versions)
