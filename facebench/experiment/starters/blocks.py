"""Pieces of YAML: a task with its settings, paths, texts."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["MODELS", "TASKS_HEAD", "TaskBlock", "quoted", "relative_to", "yaml_list"]

_COMMENT_AT = 34
MODELS = """\
models:                           # by name; see `facebench models`
  dlib-resnet:
    model: dlib-resnet            # its weights came with pip
    # align: false                # for images that are cut out already; default: cut the face out
    # layers: ["layer5.*", fc]    # names, patterns or 'all'; see `facebench layers dlib-resnet`

  untrained:                      # the same network, never trained: what the images alone give
    model: dlib-resnet
    pretrained: false
    # align: false

  # Another network, all 39 layers of it:
  # vgg16:
  #   model: vgg16
  #   layers: all
"""
"""The models of a first experiment: one that was trained on faces, and its untrained control."""

TASKS_HEAD = "tasks:                            # by name; see `facebench tasks`\n"


@dataclass(frozen=True)
class TaskBlock:
    """One task of an experiment.

    Attributes
    ----------
    name, task : str
        Its own name, and which task it is.
    settings : dict of str to str
        Further keys and their values, written as YAML.
    comments : dict of str to str
        Behind which key what is said.
    notes : tuple of str
        Lines that follow as comments: settings that may be wanted.
    table : Path or None
        Its pairs, where they were written before.
    """

    name: str
    task: str
    settings: Mapping[str, str]
    comments: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    table: Path | None = None

    def text(self) -> str:
        """Write it as it stands below ``tasks:``."""
        said = {"task": self.task, **self.settings}
        lines = [f"  {_key(self.name)}:"]
        for key, value in said.items():
            comment = self.comments.get(key, "")
            line = f"    {key}: {value}"
            lines.append(f"{line:<{_COMMENT_AT - 2}}  # {comment}" if comment else line)
        lines += [f"    # {note}" for note in self.notes]
        return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    is_plain = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if is_plain else quoted(name)


def yaml_list(texts: list[str]) -> str:
    """Write texts as a list in one line.

    Examples
    --------
    >>> yaml_list(["upright", "low-pass_8"])
    '["upright", "low-pass_8"]'
    """
    return f"[{', '.join(map(quoted, texts))}]"


def relative_to(path: Path, folder: Path) -> str:
    """Write a path relative to the folder of an experiment, where it is on the same drive."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        # On another drive.
        return path.resolve().as_posix()


def quoted(text: str) -> str:
    """Write a text as YAML that means nothing but itself."""
    return json.dumps(text.replace("$", "$$"), ensure_ascii=False)
