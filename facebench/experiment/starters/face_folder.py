"""A look at a folder of faces: who is in it, and what can be asked of its images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facebench.data.folder import ImageFolder, list_images
from facebench.data.identity import NAME_RULE, person_by
from facebench.errors import InputError, MissingImageError
from facebench.utils.suggestions import did_you_mean_file

__all__ = ["EXPECTED", "FaceFolder", "look_at"]

EXPECTED = (
    "Expected: a folder of images per person, NAME/*.jpg: two people or more, and one with two "
    "images."
)
_SHOWN = 4


@dataclass(frozen=True)
class FaceFolder:
    """What a folder of faces holds.

    Attributes
    ----------
    path : Path
        The folder.
    images : list of str
        Names relative to it.
    people : dict of str to int
        How many images each person has; empty where nothing says who is in an image.
    rule : str or None
        The rule for identities that was given; None where folders name people.
    offer : str
        What would say who is in images that lie flat.
    remarks : tuple of str
        What was passed over or taken, a sentence each.
    """

    path: Path
    images: list[str]
    people: dict[str, int]
    rule: str | None = None
    offer: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def n_genuine(self) -> int:
        """How many pairs of one person there are."""
        return sum(n * (n - 1) // 2 for n in self.people.values())

    @property
    def n_impostor(self) -> int:
        """How many pairs of two people there are."""
        total = sum(self.people.values())
        return total * (total - 1) // 2 - self.n_genuine

    @property
    def why_no_pairs(self) -> str:
        """Why there are no pairs of both kinds; '' where there are."""
        if not self.people:
            n_images = len(self.images)
            return f"The {n_images} images of {self.path} are not sorted into folders. {self.offer}"
        if len(self.people) == 1:
            (who,) = self.people
            return (
                f"All {len(self.images)} images of {self.path} are of one person, {who}. "
                f"{EXPECTED} Give the folder above, if the people are there, or {self.path / who}, "
                f"if {who} is not a person."
            )
        if not self.n_genuine:
            return (
                f"Each of the {len(self.people)} people of {self.path} has one image, so that no "
                f"pair shows one person twice. {EXPECTED} With one image of each there are "
                "--ratings, and --effects thatcher, composite and critical-features."
            )
        return ""


def look_at(folder: Path, rule: str | None = None) -> FaceFolder:
    """Find out what a folder of faces holds.

    Parameters
    ----------
    folder : Path
        The folder.
    rule : str, optional
        Who is in an image, see `facebench.data.identity.person_by`. Default: its folder.

    Raises
    ------
    InputError
        If there is no such folder, there are no images in it, they lie too deep, or the rule finds
        no person in one.
    """
    if not folder.is_dir():
        what = f"does not exist (looked in {Path.cwd()}).{did_you_mean_file(folder)}"
        msg = f"The folder {folder} {what} {EXPECTED}"
        if folder.exists():
            msg = f"{folder} is a file. {EXPECTED}"
        raise InputError(msg)
    try:
        every = list_images(folder)
    except MissingImageError as error:
        msg = f"{error} {EXPECTED}"
        raise InputError(msg) from error
    names = [path.relative_to(folder).as_posix() for path in every.images]
    remarks = tuple(filter(None, (_passed_over(every),)))
    if rule is not None:
        return _by_rule(folder, names, rule, remarks)
    flat = [name for name in names if "/" not in name]
    deep = [name for name in names if name.count("/") > 1]
    found = [name for name in names if name.count("/") == 1]
    if not found and deep and not flat:
        above = Counter(name.rsplit("/", 2)[0] for name in deep)
        nearest = folder / above.most_common(1)[0][0]
        msg = (
            f"The images of {folder} are too many folders deep, such as {deep[0]}. "
            f"{EXPECTED} Give {nearest}, if its folders are people."
        )
        raise InputError(msg)
    if not found:
        return FaceFolder(folder, names, {}, None, _offer(flat), remarks)
    if flat or deep:
        where = f"directly in {folder}" if flat else "deeper than NAME/*.jpg"
        remarks = (
            *remarks,
            f"Left out: {len(flat) + len(deep)} images that lie {where}, such as "
            f"{(flat or deep)[0]}.",
        )
    people = Counter(name.partition("/")[0] for name in found)
    return FaceFolder(folder, found, dict(people), remarks=remarks)


def _by_rule(folder: Path, names: list[str], rule: str, remarks: tuple[str, ...]) -> FaceFolder:
    person = person_by(rule)
    who = {name: person(name) for name in names}
    unknown = [name for name, one in who.items() if not one]
    if unknown:
        msg = (
            f"--identity {rule!r} finds no person in {len(unknown)} of the {len(names)} images of "
            f"{folder}, such as {unknown[0]}. Give a rule that fits all, or move these images away."
        )
        raise InputError(msg)
    people = dict(Counter(who.values()))
    taken = f"People by --identity {rule!r}: {_listed(people)}."
    return FaceFolder(folder, names, people, rule, remarks=(*remarks, taken))


def _offer(names: Sequence[str]) -> str:
    """Say how people could be told from the names of files."""
    person = person_by(NAME_RULE)
    people = Counter(person(name) for name in names)
    if "" not in people and len(people) > 1 and max(people.values()) > 1:
        return (
            f"By their names they would show {len(people)} people, {_listed(people)}: add "
            f"--identity {NAME_RULE} to take that, --identity with a regular expression whose "
            "group is the person to take another part, or sort them into folders NAME/*.jpg."
        )
    return (
        "Nothing says who is in them: sort them into folders NAME/*.jpg, or add --identity with a "
        f"regular expression whose group finds the person in a name such as {names[0]}."
    )


def _listed(people: dict[str, int]) -> str:
    shown = [f"{who} ({n})" for who, n in list(people.items())[:_SHOWN]]
    return ", ".join(shown) + (", …" if len(people) > _SHOWN else "")


def _passed_over(listed: ImageFolder) -> str:
    kinds = {suffix: n for suffix, n in listed.passed_over.items() if suffix != "hidden"}
    return str(ImageFolder(listed.images, kinds))
