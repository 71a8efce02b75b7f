"""Images of trials found among those of a task: the same rules as for files of embeddings.

Back slashes and the writing of accents make no difference. Experiments often serve images from
another folder, so a name may also begin with folders that the task's names lack, or lack folders
or the suffix that they have, where only one image can be meant. Another suffix or case is another
image.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import PurePosixPath

from facebench.data.folder import IMAGE_SUFFIXES
from facebench.data.image_names import alike_name
from facebench.errors import InputError
from facebench.people.trials import FILE, RESPONSE, ROW, Trials
from facebench.utils.suggestions import did_you_mean, listed

__all__ = ["ImageFinder", "with_names_of"]

_NONE = "none"


class ImageFinder:
    """Finds the images of trials among those of a task, by name.

    Slashes and the writing of accents make no difference. A name without a folder, with further
    folders before it, or without suffix is that of the one image that it can be.

    Parameters
    ----------
    known : iterable of str
        The images of the task.
    """

    def __init__(self, known: Iterable[str]) -> None:
        self.known = list(dict.fromkeys(known))
        self._alike = {alike_name(name): name for name in self.known}
        self._by_stem: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for name, own in self._alike.items():
            parts = _parts(name)
            self._by_stem.setdefault(parts[-1], []).append((parts, own))

    def find(self, name: str) -> str | None:
        """Give the task's name of an image; None where there is none, or more than one."""
        found = self.candidates(name)
        return found[0] if len(found) == 1 else None

    def candidates(self, name: str) -> list[str]:
        """Give the images that a name may mean: the one of this very name, else all it fits."""
        alike = alike_name(name)
        if alike in self._alike:
            return [self._alike[alike]]
        suffix = PurePosixPath(alike).suffix.lower()
        parts = _parts(alike)
        found = []
        for other, own in self._by_stem.get(parts[-1], ()):
            shared = min(len(other), len(parts))
            has_other_suffix = (
                suffix in IMAGE_SUFFIXES and PurePosixPath(own).suffix.lower() != suffix
            )
            if other[-shared:] == parts[-shared:] and not has_other_suffix:
                found.append(own)
        return found

    def hint(self, name: str) -> str:
        """Say which image may be meant."""
        stem = _parts(alike_name(name))[-1].casefold()
        other = next((own for own in self.known if _parts(own)[-1].casefold() == stem), None)
        if other is not None:
            return f" It exists with another suffix, case or folder: {other!r}."
        like = f" Names there are like {self.known[0]!r}." if self.known else ""
        return did_you_mean(name, self.known) or like


def _parts(name: str) -> tuple[str, ...]:
    path = PurePosixPath(name)
    plain = path.with_suffix("") if path.suffix.lower() in IMAGE_SUFFIXES else path
    return plain.parts or ("",)


def with_names_of(trials: Trials, names: Iterable[str], where: str) -> Trials:
    """Give trials whose images have the names that a task has for them.

    Parameters
    ----------
    trials : Trials
        The trials.
    names : iterable of str
        The names of the task's images.
    where : str
        What has these names, for messages: 'the pairs of task 'inversion''.

    Returns
    -------
    Trials
        With a note where names were matched by their ends.

    Raises
    ------
    InputError
        If images are not among the names, or several may be meant: with the file and row of the
        first, and the name that may have been meant.
    """
    finder = ImageFinder(names)
    columns = trials.shown
    used = dict.fromkeys(
        name for column in columns for name in trials.table[column].dropna() if name
    )
    renamed: dict[str, str] = {}
    missing = []
    for name in used:
        found = finder.candidates(name)
        if len(found) > 1:
            msg = (
                f"The image {name!r} of the trials{_place(trials, name)} may be any of several in "
                f"{where}: {listed(map(repr, found[:3]))}. Name it there with its folder."
            )
            raise InputError(msg)
        if found:
            renamed[name] = found[0]
        else:
            missing.append(name)
    if missing:
        hint = finder.hint(missing[0])
        msg = (
            f"{len(missing):,} of {len(used):,} images of the trials are not in {where}, first "
            f"{missing[0]!r}{_place(trials, missing[0])}.{hint} `images` in the description of the "
            "trials says how names follow (strip, pattern, names)."
        )
        raise InputError(msg)
    _refuse_merged(renamed, where)
    changed = {name: other for name, other in renamed.items() if name != other}
    if not changed:
        return trials
    table = trials.table.copy()
    table[columns] = table[columns].replace(changed)
    if trials.kind == "choice":
        table[RESPONSE] = table[RESPONSE].replace(
            {name: other for name, other in changed.items() if name != _NONE}
        )
    elif trials.kind == "order":
        table[RESPONSE] = table[RESPONSE].map(
            lambda said: "|".join(changed.get(part, part) for part in said.split("|")),
            na_action="ignore",
        )
    by_end = [name for name, other in changed.items() if alike_name(name) != alike_name(other)]
    notes = trials.notes
    if by_end:
        first = by_end[0]
        notes = (
            *notes,
            f"{len(by_end):,} images were matched by their ends, such as {first!r} with "
            f"{changed[first]!r}.",
        )
    return replace(trials, table=table, notes=notes)


def _refuse_merged(renamed: dict[str, str], where: str) -> None:
    """Refuse two images of the trials that would become one."""
    first: dict[str, str] = {}
    for name, other in renamed.items():
        before = first.setdefault(other, name)
        if alike_name(before) != alike_name(name):
            msg = (
                f"Two images of the trials, {before!r} and {name!r}, both match {other!r} in "
                f"{where}. Name them with their folders."
            )
            raise InputError(msg)


def _place(trials: Trials, name: str) -> str:
    """Say where an image is first named."""
    table = trials.table
    if FILE not in table:
        return ""
    rows = table[(table[trials.shown] == name).any(axis=1)]
    return f" ({rows[FILE].iloc[0]}, row {rows[ROW].iloc[0]})"
