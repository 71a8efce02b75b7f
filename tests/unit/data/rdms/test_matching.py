"""Images of a task are found among the names of an RDM by the rules of all recorded results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facebench.data.rdms import NamedRdms, NameMatcher, RdmMatcher, rdms_of_images
from facebench.errors import InputError, MissingImageError

SOURCE = Path("rdm.npz")


def rdms(names: list[str]) -> NamedRdms:
    n_pairs = len(names) * (len(names) - 1) // 2
    return NamedRdms(SOURCE, names, ["x"], np.arange(1.0, n_pairs + 1)[None])


def test_by_folder_slashes_and_accents() -> None:
    found = NameMatcher(["faces\\ann\\1.jpg", "faces/Zoe\u0308/1.jpg"], SOURCE)
    assert found.rows("data/faces", ["ann/1.jpg", "Zo\u00eb/1.jpg", "ann/1.jpg"]).tolist() == [
        0,
        1,
        0,
    ]


def test_names_without_suffix_stand_for_images() -> None:
    found = NameMatcher(["stim01", "stim02"], SOURCE)
    assert found.rows("faces", ["stim02.png", "stim01.png"]).tolist() == [1, 0]
    with pytest.raises(InputError, match=r"'stim01' in rdm.npz is the name of two images"):
        found.rows("faces", ["stim01.png", "stim01.jpg"])
    with pytest.raises(MissingImageError):
        NameMatcher(["stim01.jpg"], SOURCE).rows("faces", ["stim01.png"])


def test_missing_ones_are_named() -> None:
    with pytest.raises(
        MissingImageError, match=r"1 of 2 images have no row.*'ann/l.jpg'. Did you mean 'ann/1.jpg'"
    ):
        NameMatcher(["ann/1.jpg", "bob/1.jpg"], SOURCE).rows("f", ["bob/1.jpg", "ann/l.jpg"])


def test_values_of_pairs_in_either_order() -> None:
    own = rdms(["a.png", "b.png", "c.png"])
    found = RdmMatcher(own).values(own.one(), "f", ["c.png", "a.png"], ["b.png", "c.png"])
    assert found.tolist() == [3, 2]
    turned = rdms_of_images(own, "f", ["c.png", "a.png", "b.png"])
    assert turned.vectors.tolist() == [[2, 3, 1]]


def test_one_of_several() -> None:
    several = NamedRdms(
        SOURCE, ["a", "b", "c"], ["x", "y"], np.array([[1.0, 2, np.nan], [3, 4, 5]])
    )
    assert several.one("mean").tolist() == [2, 3, 5]
    assert several.one("y").tolist() == [3, 4, 5]
    with pytest.raises(InputError, match=r"holds 2 RDMs: x, y. Say which"):
        several.one()
    with pytest.raises(InputError, match=r"no RDM 'z'"):
        several.one("z")
