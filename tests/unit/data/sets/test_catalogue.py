"""The table of data sets says all of each."""

from __future__ import annotations

import pytest

from facebench.data.sets.catalogue import FACE_SETS, FaceSet, PairList


def test_counts_in_words() -> None:
    known = PairList("lfw", "pairs.txt", "lfw", 3000, 3000)
    assert known.counts == "3,000 genuine and 3,000 impostor pairs in 10 folds"
    assert PairList("dev", "dev.txt", "lfw", 500, 500, folds=0).counts.endswith("impostor pairs")
    assert PairList("bfw", "bfw.csv", "bfw", None, None, folds=5).counts == "5 folds"


@pytest.mark.parametrize("face_set", FACE_SETS.values(), ids=FACE_SETS)
def test_every_set_is_described(face_set: FaceSet) -> None:
    for said in ("title", "summary", "layout", "licence", "access", "protocol", "reference"):
        assert getattr(face_set, said).strip()
    assert face_set.layout.startswith("ROOT/")
    names = [official.name for official in face_set.lists]
    assert len(set(names)) == len(names)
    assert "http" in face_set.access


def test_tables_of_all_sets_have_different_names() -> None:
    names = [official.name for face_set in FACE_SETS.values() for official in face_set.lists]
    assert len(set(names)) == len(names)
