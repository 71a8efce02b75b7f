"""Meadows' exports: 1D in .mat, the tree in .json; checked against rsatoolbox."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from facebench.data.rdms import read_rdms
from facebench.errors import InputError

NAMES = ["stim01", "stim02", "stim03", "stim04"]
VECTOR = np.arange(6) / 10 + 0.1


def task(names: list[str], name: str = "arrangement") -> dict[str, object]:
    return {
        "task": {"name": name, "task_type": "multiarrange"},
        "stimuli": [{"name": each, "id": "x"} for each in names],
        "rdm": VECTOR.tolist(),
        "trials": [{"positions": []}],
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_1d_of_one_participant_and_of_several(tmp_path: Path) -> None:
    from rsatoolbox.io.meadows import load_rdms

    one = tmp_path / "Meadows_myExp_v_v1_cuddly-bunny_3_1D.mat"
    scipy.io.savemat(one, {"rdmutv": VECTOR[None], "stimuli": np.array(NAMES)})
    several = tmp_path / "Meadows_myExp_v_v1_arrangement_1D.mat"
    variables = {}
    for number, nickname in enumerate(("cuddly_bunny", "vague_primate")):
        variables[f"rdmutv_{nickname}"] = VECTOR[None] * (number + 1)
        variables[f"stimuli_{nickname}"] = np.array(NAMES)
    scipy.io.savemat(several, variables)
    for path, n in ((one, 1), (several, 2)):
        found, theirs = read_rdms(path), load_rdms(str(path), sort=False)
        assert found.names == list(theirs.pattern_descriptors["conds"])
        np.testing.assert_array_equal(found.vectors, theirs.dissimilarities)
        assert len(found.labels) == n
    assert found.labels == list(theirs.rdm_descriptors["participant"])


@pytest.mark.parametrize(
    ("tree", "labels"),
    [
        (task(NAMES), ["x"]),
        ({"a-b": task(NAMES), "c-d": task(NAMES[::-1])}, ["a-b", "c-d"]),
        ({"a-b": {"tasks": {"one": task(NAMES)}}, "c-d": {"tasks": {"one": task(NAMES)}}},
         ["a-b", "c-d"]),
        ({"tasks": [task(NAMES, "one"), {"task": {"task_type": "info"}}, task(NAMES, "two")]},
         ["x one", "x two"]),
    ],
    ids=["one", "participants", "experiment", "two tasks"],
)  # fmt: skip
def test_trees(tmp_path: Path, tree: object, labels: list[str]) -> None:
    (tmp_path / "x.json").write_text(json.dumps(tree), encoding="utf-8")
    found = read_rdms(tmp_path / "x.json")
    assert found.labels == labels
    np.testing.assert_array_equal(found.vectors[0], VECTOR)
    # Another order of the stimuli is another order of the distances.
    again = VECTOR if labels != ["a-b", "c-d"] or "tasks" in str(tree) else VECTOR[::-1]
    np.testing.assert_array_equal(np.sort(found.vectors[-1]), np.sort(again))


def test_stimuli_of_another_participant_are_put_in_order(tmp_path: Path) -> None:
    tree = {"a": task(NAMES), "b": task([NAMES[1], NAMES[0], *NAMES[2:]])}
    (tmp_path / "x.json").write_text(json.dumps(tree), encoding="utf-8")
    found = read_rdms(tmp_path / "x.json")
    assert found.vectors[1].tolist() == VECTOR[[0, 3, 4, 1, 2, 5]].tolist()
    tree["b"]["stimuli"].append({"name": "more"})
    (tmp_path / "x.json").write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(InputError, match=r"6 distances of 'b' for 5 stimuli. There must be 10"):
        read_rdms(tmp_path / "x.json")
    tree["b"]["rdm"] = list(range(10))
    (tmp_path / "x.json").write_text(json.dumps(tree), encoding="utf-8")
    found = read_rdms(tmp_path / "x.json")
    assert "different images: from 4 to 5 of 5" in found.notes[0]
    assert np.isnan(found.vectors[0]).sum() == 4
