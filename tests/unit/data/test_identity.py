"""One rule for who is in an image, whoever asks."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from facebench.data.health import check_pairs
from facebench.data.identity import contradictions, people_of, people_of_pairs, person_of
from facebench.data.pairs import ImagePaths, all_pairs
from facebench.errors import PairsError
from facebench.results.pair_rows import PairRows
from facebench.results.task_facts import TaskFacts
from facebench.stimuli.sources import find_sources
from facebench.tasks.shared.labelled_pairs import find_sampling_units

NAMES = {
    "ann/1.jpg": "ann",
    "train/ann/1.jpg": "ann",
    r"test\ann\2.jpg": "ann",
    "./ann//2.jpg": "ann",
    "/data/ann/1.jpg": "ann",
    "ann lee/1.jpg": "ann lee",
    "1.jpg": "",
    "./1.jpg": "",
    "": "",
}
NESTED = [
    ("train/ann/1.jpg", "test/ann/2.jpg", 1),
    (r"train\bo\1.jpg", "test/bo/2.jpg", 1),
    ("train/ann/1.jpg", "train/bo/1.jpg", 0),
    ("test/ann/2.jpg", "test/bo/2.jpg", 0),
]
CONDITIONS = [
    ("upright/a1.jpg", "inverted/a1.jpg", 1),
    ("upright/b1.jpg", "inverted/b1.jpg", 1),
    ("upright/a1.jpg", "upright/b1.jpg", 0),
    ("inverted/a1.jpg", "inverted/b1.jpg", 0),
]
LOOSE = [("a1.jpg", "ann/a2.jpg", 1), ("a1.jpg", "bo/b1.jpg", 0)]


def table(rows: list[tuple[str, str, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["img1", "img2", "same"])


@pytest.mark.parametrize(("image", "person"), NAMES.items())
def test_the_last_folder_names_the_person(image: str, person: str) -> None:
    assert person_of(image) == person


@pytest.mark.parametrize("kind", [list, np.array, pd.Series])
def test_many_images_at_once(kind: type) -> None:
    found = people_of(kind([*NAMES, *NAMES]))
    assert found.tolist() == [*NAMES.values()] * 2
    assert people_of([]).tolist() == []


def test_contradictions_are_rows() -> None:
    first, second = np.array(["a", "a", "a", "b"]), np.array(["a", "b", "a", "c"])
    assert contradictions(first, second, [1, 0, 0, 1]).tolist() == [2, 3]


def test_people_of_pairs() -> None:
    first, second = people_of_pairs(table(NESTED))
    assert first.tolist() == ["ann", "bo", "ann", "ann"]
    assert second.tolist() == ["ann", "bo", "bo", "bo"]
    assert people_of_pairs(table(NESTED), None) is None
    assert people_of_pairs(table(LOOSE)) is None


def test_folders_that_contradict_labels_are_no_people() -> None:
    pairs = table(CONDITIONS)
    assert people_of_pairs(pairs, labels=pairs["same"]) is None
    assert people_of_pairs(table(NESTED), labels=table(NESTED)["same"]) is not None
    one_wrong = table(NESTED)["same"].to_numpy().copy()
    one_wrong[3] = 1
    assert people_of_pairs(table(NESTED), labels=one_wrong) is None


def test_columns_come_before_folders() -> None:
    pairs = table(CONDITIONS).assign(who1=[1, 2, 1, 1], who2=[1, 2, 2, 2])
    first, second = people_of_pairs(pairs, ("who1", "who2"), pairs["same"])
    assert (first.tolist(), second.tolist()) == (["1", "2", "1", "1"], ["1", "2", "2", "2"])


@pytest.mark.parametrize(("rows", "n_people"), [(NESTED, 2), (CONDITIONS, None), (LOOSE, None)])
def test_task_and_results_agree(rows: list[tuple[str, str, int]], n_people: int | None) -> None:
    pairs = table(rows).assign(model_computed_distance=0.5)
    labels = pairs["same"].to_numpy(dtype=np.int8)
    members = find_sampling_units(pairs, labels, "folder", task="t", owner="T", path="pairs.csv")
    results = PairRows(pairs, TaskFacts("T", label_column="same"))
    assert members.by == results.sampling_units[0] == ("image" if n_people is None else "identity")
    assert results.counts()["n_identities"] == n_people
    # A part of the pairs need not contradict what all of them do.
    part = results.only(pairs["same"].to_numpy() == 1)
    assert part.sampling_units[0] == members.by
    assert part.counts()["n_identities"] == n_people


def test_results_take_the_columns_that_the_task_took() -> None:
    pairs = table(CONDITIONS).assign(
        model_computed_distance=0.5, who1=["a", "b", "a", "a"], who2=["a", "b", "b", "b"]
    )
    facts = TaskFacts("T", label_column="same", identity=["who1", "who2"])
    assert PairRows(pairs, facts).counts()["n_identities"] == 2
    unknown = TaskFacts("T", label_column="same", identity=None)
    assert PairRows(pairs, unknown).counts()["n_identities"] is None


@pytest.mark.parametrize(
    ("rows", "copies", "detail"),
    [
        (NESTED, ("train/ann/1.jpg", "train/bo/1.jpg"), "of different people"),
        (NESTED, ("train/ann/1.jpg", "test/ann/2.jpg"), ""),
        (CONDITIONS, ("upright/a1.jpg", "inverted/a1.jpg"), ""),
        (LOOSE, ("a1.jpg", "bo/b1.jpg"), ""),
    ],
)
def test_health_calls_copies_leaks_by_the_same_rule(
    tmp_path: Path, rows: list[tuple[str, str, int]], copies: tuple[str, str], detail: str
) -> None:
    pairs = table(rows)
    generator = np.random.default_rng(0)
    paths = {}
    for number, name in enumerate(pd.unique(pairs[["img1", "img2"]].to_numpy().ravel())):
        paths[name] = tmp_path / f"{number}.png"
        Image.fromarray(generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(paths[name])
    shutil.copy(paths[copies[0]], paths[copies[1]])
    found = ImagePaths(*([paths[name] for name in pairs[side]] for side in ("img1", "img2")))
    health = check_pairs(pairs, found, pairs["same"]).to_frame().set_index("Finding")
    assert health.loc[["identical images"], "Detail"].tolist() == [detail]


def test_pairs_of_images_in_nested_folders() -> None:
    pairs = all_pairs(["train/ann/1.jpg", r"test\ann\2.jpg", "test/bo/1.jpg"])
    assert pairs["same"].tolist() == [1, 0, 0]
    assert pairs["identity2"].tolist() == ["ann", "bo", "bo"]
    with pytest.raises(PairsError, match=r"Got '3\.jpg'"):
        all_pairs(["ann/1.jpg", "3.jpg"])


def test_photographs_in_nested_folders(tmp_path: Path) -> None:
    for name in ("train/ann/1.jpg", "test/ann/2.jpg", "bo/1.jpg", "3.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    sources = find_sources(tmp_path, n_people=None, n_images=None, min_images=1, seed=0)
    assert sorted(source.identity for source in sources) == ["3", "ann", "ann", "bo"]
