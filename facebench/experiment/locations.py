"""Values that know where they were written."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typing_extensions import override

__all__ = ["Located", "Place"]


@dataclass(frozen=True)
class Place:
    """Where something was written.

    Attributes
    ----------
    source : str
        The file as it was named, or the option.
    line, column : int
        From 1; 0 where there are none.
    folder : Path
        What relative paths there are relative to.
    """

    source: str
    line: int
    column: int
    folder: Path

    @override
    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass
class Located:
    """A value and its place.

    Attributes
    ----------
    value : dict of str to Located, list of Located, or scalar
        The value.
    place : Place
        Where it begins.
    keys : dict of str to Place
        Of a mapping, where its keys are.
    written : str
        Of a number, how it is written: as a text it is '1.10', not '1.1'.
    """

    value: Any
    place: Place
    keys: dict[str, Place] = field(default_factory=dict)
    written: str = ""

    @property
    def is_mapping(self) -> bool:
        """Whether it is a mapping."""
        return isinstance(self.value, dict)

    def plain(self) -> Any:
        """Give the value without places.

        Returns
        -------
        object
            Of dicts, lists, text, numbers, truth values and None.
        """
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        return self.value

    def as_texts(self, read: Any) -> Any:
        """Give numbers that were read as texts the way they are written.

        Parameters
        ----------
        read : object
            What was made of the value.

        Returns
        -------
        object
            The same, with the texts.
        """
        if isinstance(read, str) and self.written:
            return self.written
        is_list = isinstance(self.value, list) and isinstance(read, list | tuple)
        if is_list and len(read) == len(self.value):
            parts = zip(self.value, read, strict=True)
            return type(read)(item.as_texts(part) for item, part in parts)
        if isinstance(self.value, dict) and isinstance(read, dict):
            return {
                key: self.value[key].as_texts(part) if key in self.value else part
                for key, part in read.items()
            }
        return read
