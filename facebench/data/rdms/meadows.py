"""Exports of the Meadows platform: arrangements of stimuli by one participant or several.

The 1D form in .mat has ``stimuli`` and ``rdmutv``, with the participant's nickname behind each if
there are several; the tree in .json has ``stimuli`` and ``rdm`` for each task, at any depth.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from facebench.data.embedding_files.matlab import matlab_names
from facebench.data.rdms.table import Part
from facebench.errors import InputError
from facebench.utils.matlab import refuse_crashing_matlab

__all__ = ["is_meadows", "meadows_parts", "parts_of_tree"]

_STIMULI, _VECTOR = "stimuli", "rdmutv"


def is_meadows(path: Path) -> bool:
    """Tell whether a .mat file is one of Meadows; those are of MATLAB's version 5."""
    import scipy.io

    refuse_crashing_matlab(path)
    try:
        variables = {name for name, *_ in scipy.io.whosmat(path)}
    except (NotImplementedError, ValueError):
        # Of version 7.3, or damaged: its reader says so.
        return False
    return any(name.startswith(_VECTOR) for name in variables) and any(
        name.startswith(_STIMULI) for name in variables
    )


def meadows_parts(path: Path) -> list[Part]:
    """Read the 1D form, an RDM for each participant."""
    import scipy.io

    variables = scipy.io.loadmat(path)
    parts = []
    for key in [name for name in variables if name.startswith(_VECTOR)]:
        nickname = key.removeprefix(_VECTOR).strip("_").replace("_", "-")
        stimuli = f"{_STIMULI}{key.removeprefix(_VECTOR)}"
        stimuli = stimuli if stimuli in variables else _STIMULI
        if stimuli not in variables:
            msg = f"{path} has {key!r} but no stimuli of this participant."
            raise InputError(msg)
        names = [name.strip() for name in matlab_names(path, stimuli, variables[stimuli])]
        parts.append(_part(nickname or path.stem, names, variables[key], path))
    return parts


def parts_of_tree(tree: Any, path: Path) -> list[Part]:
    """Find every RDM in a tree: nested in participants, in tasks, or in neither.

    Parameters
    ----------
    tree : object
        What the JSON file holds.
    path : Path
        The file.

    Returns
    -------
    list of Part
        Labelled by participant, by task where one participant has several.

    Raises
    ------
    InputError
        If there is none, or its length does not fit the stimuli.
    """
    found = list(_walk(tree, ()))
    if not found:
        msg = (
            f"{path} holds no arrangement: nothing in it has both 'stimuli' and 'rdm'. Export the "
            "tree structure of a multiple-arrangement task from Meadows."
        )
        raise InputError(msg)
    whose = [keys[0] if keys else path.stem for keys, _ in found]
    parts = []
    for (keys, entry), label in zip(found, whose, strict=True):
        task = entry.get("task")
        of_task = task.get("name") if isinstance(task, dict) else None
        if whose.count(label) > 1:
            label = f"{label} {of_task or ' '.join(keys[1:])}".strip()
        names = [
            str(one.get("name", "") if isinstance(one, dict) else one) for one in entry["stimuli"]
        ]
        parts.append(_part(label, names, entry["rdm"], path))
    return parts


def _walk(tree: Any, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    if isinstance(tree, dict):
        if isinstance(tree.get("rdm"), list) and isinstance(tree.get("stimuli"), list):
            yield keys, tree
            return
        for key, value in tree.items():
            yield from _walk(value, keys if key == "tasks" else (*keys, str(key)))
    elif isinstance(tree, list):
        for value in tree:
            yield from _walk(value, keys)


def _part(label: str, names: list[str], values: Any, path: Path) -> Part:
    try:
        vector = np.asarray(values, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        msg = f"{path} must hold numbers as the RDM of {label!r}."
        raise InputError(msg) from error
    n_pairs = len(names) * (len(names) - 1) // 2
    if vector.size != n_pairs:
        msg = (
            f"{path} has {vector.size} distances of {label!r} for {len(names)} stimuli. There must "
            f"be {n_pairs}."
        )
        raise InputError(msg)
    return Part(label, names, vector)
