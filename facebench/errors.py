"""Every error facebench raises on purpose, as one tree.

Each class is also a subclass of the built-in exception a caller would expect, so both
``except FacebenchError`` and ``except FileNotFoundError`` read naturally. Messages follow one
sentence: what was wrong, where, what was expected, and what to do.

::

    FacebenchError
    ├── InputError                (ValueError)         something given to facebench cannot be used
    │   ├── PairsError                                 a pairs table: columns, cells, syntax
    │   │   └── MissingPairsFileError (FileNotFoundError)
    │   ├── ImageError                                 an image that cannot be decoded
    │   │   └── MissingImageError     (FileNotFoundError)
    │   ├── MetricError                                a distance or correlation function
    │   ├── StimulusError                              a stimulus that cannot be made
    │   ├── ConfigError                                a configuration file or an override
    │   ├── RunFolderError                             a folder that is not a run, or too new
    │   └── DuplicateNameError                         two models or two tasks of one name
    ├── UnknownNameError          (KeyError)           no model, task or layer has this name
    ├── ModelError                (ValueError)         a network or what it returned
    │   ├── LayerOutputError                           shapes, NaN or infinity out of a layer
    │   └── WeightsError                               a checkpoint that does not fit or is unsafe
    │       └── MissingWeightsError   (FileNotFoundError)
    ├── ContractError             (AssertionError)     a plug-in that breaks its contract
    ├── StoreError                (OSError)            the embedding store: full, damaged, too new
    └── RunFailedError            (RuntimeError)       some models or tasks failed; others are done
"""

from __future__ import annotations

from typing_extensions import override

__all__ = [
    "ConfigError",
    "ContractError",
    "DuplicateNameError",
    "FacebenchError",
    "ImageError",
    "InputError",
    "LayerOutputError",
    "MetricError",
    "MissingImageError",
    "MissingPairsFileError",
    "MissingWeightsError",
    "ModelError",
    "PairsError",
    "RunFailedError",
    "RunFolderError",
    "StimulusError",
    "StoreError",
    "UnknownNameError",
    "WeightsError",
]


class FacebenchError(Exception):
    """Base of every error facebench raises on purpose."""


class InputError(FacebenchError, ValueError):
    """Something given to facebench cannot be used."""


class PairsError(InputError):
    """A pairs table lacks a column, holds an empty cell, or is not a table."""


class MissingPairsFileError(PairsError, FileNotFoundError):
    """The pairs file does not exist."""


class ImageError(InputError):
    """An image cannot be decoded."""


class MissingImageError(ImageError, FileNotFoundError):
    """The images folder, or images that a pairs table names, do not exist."""


class MetricError(InputError):
    """A distance or correlation function that cannot be used."""


class StimulusError(InputError):
    """A stimulus cannot be made from what was given."""


class ConfigError(InputError):
    """A configuration file, or an override of it, is not as it should be.

    Parameters
    ----------
    *problems : str
        A sentence for each problem, beginning with its place, ``file:line:column``.

    Attributes
    ----------
    problems : tuple of str
        The same.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)
        self.problems = problems

    @override
    def __str__(self) -> str:
        return "\n".join(self.problems)


class RunFolderError(InputError):
    """A folder holds no run, or one that this version cannot read."""


class DuplicateNameError(InputError):
    """Two models, or two tasks, share one name."""


class UnknownNameError(FacebenchError, KeyError):
    """No model, task or layer has this name."""

    @override
    def __str__(self) -> str:
        # KeyError shows the repr of its argument, which would print a sentence in quotes.
        return str(self.args[0]) if self.args else ""


class ModelError(FacebenchError, ValueError):
    """A network cannot be built, preprocessed for, or run."""


class LayerOutputError(ModelError):
    """A layer returned something that is not a finite batch of vectors of one size."""


class WeightsError(ModelError):
    """A checkpoint does not fit the network, cannot be read, or would run code."""


class MissingWeightsError(WeightsError, FileNotFoundError):
    """Weights are neither on this machine nor within reach."""


class ContractError(FacebenchError, AssertionError):
    """A model or task does not do what facebench asks of one."""


class StoreError(FacebenchError, OSError):
    """The embedding store cannot be opened, read or written."""


class RunFailedError(FacebenchError, RuntimeError):
    """Some models or tasks of a run failed; the others are finished and exported.

    Attributes
    ----------
    failures : tuple of (str, Exception)
        What failed, as ``"model"`` or ``"model / task"``, and why.
    """

    def __init__(self, message: str, failures: tuple[tuple[str, Exception], ...]) -> None:
        super().__init__(message)
        self.failures = failures

    @override
    def __reduce__(self) -> tuple[type, tuple[str, tuple[tuple[str, Exception], ...]]]:
        return type(self), (str(self), self.failures)
