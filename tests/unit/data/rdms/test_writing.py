"""What is written is read back, by facebench and by rsatoolbox."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facebench.data.rdms import RDM_SUFFIXES, read_rdms, write_rdms
from facebench.errors import InputError

NAMES = ["a/1.png", "b/1.png", "c/1.png", "d/1.png"]
VECTOR = np.random.default_rng(0).random(6)


@pytest.mark.parametrize("suffix", RDM_SUFFIXES)
@pytest.mark.parametrize("labels", [["fc.7"], ["fc.7", "fc_7", "images"]])
def test_round_trip(tmp_path: Path, suffix: str, labels: list[str]) -> None:
    path = tmp_path / f"x{suffix}"
    write_rdms(path, NAMES, {label: VECTOR * (n + 1) for n, label in enumerate(labels)})
    found = read_rdms(path)
    assert found.names == NAMES
    for number, vector in enumerate(found.vectors):
        np.testing.assert_allclose(vector, VECTOR * (number + 1), rtol=1e-12)


@pytest.mark.filterwarnings("ignore")
def test_rsatoolbox_both_ways(tmp_path: Path) -> None:
    from rsatoolbox.rdm import RDMs
    from rsatoolbox.rdm.rdms import load_rdm

    write_rdms(tmp_path / "ours.h5", NAMES, {"fc6": VECTOR, "fc7": 2 * VECTOR}, "cosine")
    theirs = load_rdm(str(tmp_path / "ours.h5"))
    np.testing.assert_array_equal(theirs.dissimilarities, [VECTOR, 2 * VECTOR])
    assert list(theirs.pattern_descriptors["images"]) == NAMES
    assert list(theirs.rdm_descriptors["layer"]) == ["fc6", "fc7"]
    assert theirs.dissimilarity_measure == "cosine"
    made = RDMs(
        np.stack([VECTOR, 3 * VECTOR]),
        dissimilarity_measure="euclidean",
        descriptors={"session": 1, "lab": "x"},
        rdm_descriptors={"subject": ["s1", "s2"]},
        pattern_descriptors={"conds": NAMES, "kind": ["a", "b", "a", "b"]},
    )
    made.save(str(tmp_path / "theirs.h5"))
    found = read_rdms(tmp_path / "theirs.h5")
    assert (found.names, found.labels) == (NAMES, ["s1", "s2"])
    np.testing.assert_array_equal(found.vectors, made.dissimilarities)


def test_what_rsatoolbox_does_not_say(tmp_path: Path) -> None:
    import h5py

    write_rdms(tmp_path / "x.h5", NAMES, {"a": VECTOR})
    with h5py.File(tmp_path / "x.h5", "a") as file:
        patterns = file["pattern_descriptors"]
        patterns.move("images", "face")
        patterns["kind"] = np.array(["a", "b", "a", "b"]).astype("S")
    with pytest.raises(InputError, match=r"does not say which pattern descriptor"):
        read_rdms(tmp_path / "x.h5")
    assert read_rdms(tmp_path / "x.h5", names_key="face").names == NAMES


def test_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must be one of .csv"):
        write_rdms(tmp_path / "x.pkl", NAMES, {"a": VECTOR})
    with pytest.raises(InputError, match=r"ASCII only. Got 'ä.png'"):
        write_rdms(tmp_path / "x.h5", ["ä.png", *NAMES[1:]], {"a": VECTOR})
    assert not list(tmp_path.iterdir())
