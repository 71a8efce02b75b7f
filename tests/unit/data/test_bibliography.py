"""Publications by key and as BibTeX."""

import re

import pytest

import facebench
from facebench.data.bibliography import (
    as_bibtex,
    citations_beside,
    citations_of,
    known_publications,
    publications,
    reference_list,
    short_citation,
)
from facebench.data.sets.catalogue import FACE_SETS
from facebench.errors import InputError
from facebench.models.recipes import RECIPES

OWN = "@article{own2026, author={van der Berg, Ann and Müller, Bob}, title={Own}, year={2026}}"


def test_every_key_is_known():
    known = set(known_publications().entries)
    used = {key for recipe in RECIPES.values() for key in recipe.citations}
    used |= {face_set.citation for face_set in FACE_SETS.values()}
    for name in dir(facebench):
        used |= set(getattr(getattr(facebench, name), "citations", ()))
    assert used <= known
    assert all(recipe.citations for recipe in RECIPES.values())
    assert len(used) > 30


def test_entries_have_what_a_reference_needs():
    for key, entry in known_publications().entries.items():
        assert {"title", "year"} <= set(entry.fields), key
        assert entry.persons["author"], key
        year = re.search(r"\d{4}", key)
        assert year is None or year[0] == entry.fields["year"], key


def test_citations_are_collected_from_base_classes_each_once():
    class Base:
        citations = ("yin1969inverted",)

    class Derived(Base):
        citations = (OWN, "yin1969inverted")

    assert citations_of(Derived()) == ["yin1969inverted", OWN]
    found = publications(citations_of(Derived()))
    assert list(found) == ["yin1969inverted", "own2026"]
    assert short_citation(found["own2026"]) == "van der Berg & Müller, 2026"


@pytest.mark.parametrize(
    ("citations", "message"),
    [
        (("yin1970",), "keys of facebench's references.*'yin1970'"),
        ("yin1969inverted", "must be a sequence"),
        (("@article{half",), "must be BibTeX"),
        (7, "must be a sequence"),
    ],
)
def test_what_is_no_citation_is_refused(citations, message):
    class Model:
        pass

    Model.citations = citations
    with pytest.raises(InputError, match=message):
        citations_of(Model())


def test_bibtex_beside_a_table(tmp_path):
    table = tmp_path / "pairs.csv"
    assert citations_beside(table) == []
    (tmp_path / "references.bib").write_text(f"\ufeff{OWN}\n", encoding="utf-8")
    again = publications(citations_beside(table))
    assert as_bibtex(again) == as_bibtex(publications([OWN]))
    (tmp_path / "references.bib").write_text("Not BibTeX.")
    with pytest.raises(InputError, match=r"references\.bib must be BibTeX"):
        citations_beside(table)


def test_two_publications_of_one_key_are_both_kept():
    other = OWN.replace("title={Own}", "title={Another}")
    found = publications([OWN, other, OWN])
    assert list(found) == ["own2026", "own2026b"]
    assert as_bibtex(found).count("@article") == 2


def test_references_are_plain_text():
    lines = reference_list(known_publications().entries)
    assert len(lines) == len(known_publications().entries)
    assert not any(sign in line for line in lines for sign in "{}\\")
