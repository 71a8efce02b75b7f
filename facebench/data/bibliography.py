"""What to cite: publications by key, BibTeX that users give, and how both are written out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facebench.errors import InputError

if TYPE_CHECKING:
    from pybtex.database import BibliographyData, Entry

__all__ = [
    "BIBTEX_BESIDE_DATA",
    "add_publication",
    "as_bibtex",
    "citations_beside",
    "citations_of",
    "known_publications",
    "publications",
    "reference_list",
    "short_citation",
]

# Beside a table of pairs: what to cite for the data.
BIBTEX_BESIDE_DATA = "references.bib"
_MOST_BYTES = 1_000_000


@cache
def known_publications() -> BibliographyData:
    """Give the publications that facebench's own models, tasks and data sets name by key."""
    text = resources.files("facebench.data").joinpath("references.bib").read_text("utf-8")
    return _parsed(text, "facebench's references.bib")


def citations_of(owner: Any) -> list[str]:
    """Collect what a model or task asks to be cited for.

    Parameters
    ----------
    owner : object
        Its ``citations``, and those of the classes it is derived from: keys of facebench's own
        references, or entries in BibTeX.

    Returns
    -------
    list of str
        Each once, those of base classes first.

    Raises
    ------
    InputError
        If one is neither.
    """
    places = [vars(cls).get("citations", ()) for cls in reversed(type(owner).__mro__)]
    places.append(getattr(owner, "citations", ()))
    found: dict[str, None] = {}
    for place in places:
        # Anything may be called so in a user's class.
        if isinstance(place, str) or not isinstance(place, Iterable):
            msg = (
                f"The 'citations' of {type(owner).__name__} must be a sequence of keys or of "
                f"BibTeX entries. Got {place!r:.80} instead."
            )
            raise InputError(msg)
        found.update(dict.fromkeys(map(str, place)))
    publications(found, f"The 'citations' of {type(owner).__name__}")
    return list(found)


def citations_beside(table: Path) -> list[str]:
    """Read what to cite for the data from ``references.bib`` in the folder of a table.

    Returns
    -------
    list of str
        An entry of BibTeX each; empty where there is no such file.

    Raises
    ------
    InputError
        If the file is not BibTeX.
    """
    path = table.parent / BIBTEX_BESIDE_DATA
    if not path.is_file():
        return []
    try:
        if path.stat().st_size > _MOST_BYTES:
            msg = f"{path} must hold what to cite for the data beside it. It is too large."
            raise InputError(msg)
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} must be BibTeX in UTF-8. It cannot be read: {error}."
        raise InputError(msg) from error
    entries = _parsed(text, str(path)).entries
    return [as_bibtex({key: entry}).strip() for key, entry in entries.items()]


def publications(citations: Iterable[str], owner: str = "A citation") -> dict[str, Entry]:
    """Look citations up.

    Parameters
    ----------
    citations : iterable of str
        Keys of facebench's own references, or entries in BibTeX.
    owner : str
        Whose they are, for errors.

    Returns
    -------
    dict of str to Entry
        Publications by key, each once. Where two different ones have the same key, the later one
        has a letter after it.

    Raises
    ------
    InputError
        If a citation is neither.
    """
    known = known_publications().entries
    found: dict[str, Entry] = {}
    for citation in citations:
        if not citation.lstrip().startswith("@"):
            if citation not in known:
                msg = (
                    f"{owner} must be keys of facebench's references, or BibTeX entries that "
                    f"begin with '@'. Got {citation!r:.80} instead."
                )
                raise InputError(msg)
            entries = {citation: known[citation]}
        else:
            entries = _parsed(citation, owner).entries
        for key, entry in entries.items():
            add_publication(found, key, entry)
    return found


def add_publication(found: dict[str, Entry], key: str, entry: Entry) -> str:
    """Add a publication to others, unless it is among them.

    Parameters
    ----------
    found : dict of str to Entry
        The others by key, which it is added to.
    key : str
        Its key. A letter is put after it where another publication has it.
    entry : Entry
        The publication.

    Returns
    -------
    str
        The key that it has in `found`.
    """
    known = next((name for name, one in found.items() if one == entry), None)
    if known is None:
        letters = ("", *"bcdefghijklmnopqrstuvwxyz")
        known = next(f"{key}{letter}" for letter in letters if f"{key}{letter}" not in found)
        found[known] = entry
    return known


def short_citation(entry: Entry) -> str:
    """Name a publication by authors and year.

    Returns
    -------
    str
        Such as "Oquab et al., 2024".

    Examples
    --------
    >>> known = known_publications().entries
    >>> short_citation(known["simonyan2015vgg"]), short_citation(known["yin1969inverted"])
    ('Simonyan & Zisserman, 2015', 'Yin, 1969')
    """
    people = entry.persons.get("author") or entry.persons.get("editor") or []
    names = [
        " ".join(map(str, (*person.rich_prelast_names, *person.rich_last_names)))
        for person in people
    ]
    if not names:
        names = [str(entry.fields.get("key") or entry.fields.get("title") or "anonymous")]
    is_long = len(names) > 2 or names[-1] == "others"
    who = f"{names[0]} et al." if is_long else " & ".join(names)
    year = entry.fields.get("year")
    return f"{who}, {year or 'n.d.'}"


def reference_list(found: Mapping[str, Entry]) -> list[str]:
    """Write publications as a list of references, in the order of their authors.

    Parameters
    ----------
    found : mapping of str to Entry
        From `publications`.

    Returns
    -------
    list of str
        A line for each, as plain text.
    """
    from pybtex.plugin import find_plugin

    style = find_plugin("pybtex.style.formatting", "plain")()
    backend = find_plugin("pybtex.backends", "text")()
    written = style.format_bibliography(_data(found))
    return [entry.text.render(backend) for entry in written]


def as_bibtex(found: Mapping[str, Entry]) -> str:
    """Write publications as BibTeX.

    Parameters
    ----------
    found : mapping of str to Entry
        From `publications`.

    Returns
    -------
    str
        Entries in the order of `found`; empty without any.
    """
    text: str = _data(found).to_string("bibtex")
    return text


def _data(found: Mapping[str, Entry]) -> BibliographyData:
    from pybtex.database import BibliographyData

    return BibliographyData(entries=dict(found))


def _parsed(text: str, owner: str) -> BibliographyData:
    from pybtex.database import parse_string
    from pybtex.exceptions import PybtexError

    try:
        found = parse_string(text, "bibtex")
    except PybtexError as error:
        msg = f"{owner} must be BibTeX. It cannot be read: {error}."
        raise InputError(msg) from error
    if not found.entries:
        msg = f"{owner} must be BibTeX with at least one entry. There is none."
        raise InputError(msg)
    return found
