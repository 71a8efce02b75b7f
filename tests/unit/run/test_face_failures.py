"""Images without a face are counted by condition, and uneven counts are told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from facebench import AccuracyTask, EffectTask, GroupErrorTask, IdentificationTask, RsaTask
from facebench.errors import InputError
from facebench.run.face_failures import FaceFailures, count_failures


class Stand:
    """A task of which only the groupings matter."""

    name = "t"

    def __init__(self, groupings: dict[str, list[Any]]) -> None:
        self._groupings = groupings

    def groupings(self) -> dict[str, list[Any]]:
        return self._groupings


def counted(labels: list[Any], sides: list[Any], failed: Any) -> FaceFailures:
    """Count for one grouping named 'g'."""
    arrays = [np.asarray(side, dtype=object) for side in labels]
    numbers = tuple(np.asarray(side, dtype=np.intp) for side in sides)
    return count_failures(Stand({"g": arrays}), "m", numbers, np.asarray(failed, dtype=bool))


def two(failed_a: int, n_a: int, failed_b: int, n_b: int) -> FaceFailures:
    """Two conditions of n images each, a pair per image with itself."""
    images = np.arange(n_a + n_b)
    failed = np.zeros(n_a + n_b, dtype=bool)
    failed[:failed_a] = True
    failed[n_a : n_a + failed_b] = True
    names = ["a"] * n_a + ["b"] * n_b
    return counted([names, names], [images, images], failed)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_counts_are_those_of_a_loop(data: st.DataObject) -> None:
    n_rows, n_images = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 6))
    n_sides = data.draw(st.integers(1, 2))
    sides = [
        data.draw(st.lists(st.integers(0, n_images - 1), min_size=n_rows, max_size=n_rows))
        for _ in range(n_sides)
    ]
    names = st.sampled_from(["a", "b", "c", ""])
    labels = [data.draw(st.lists(names, min_size=n_rows, max_size=n_rows)) for _ in sides]
    failed = data.draw(st.lists(st.booleans(), min_size=n_images, max_size=n_images))
    table = counted(labels, sides, failed).table
    assert table["n_failed"].iloc[0] == sum(
        any(failed[side[row]] for side in sides) for row in range(n_rows)
    )
    for row in table.iloc[1:].itertuples():
        places = [
            [(side[k], k) for k in range(n_rows) if label[k] == row.condition]
            for label, side in zip(labels, sides, strict=True)
        ]
        flat = [place for own in places for place in own]
        images = {image for image, _ in flat}
        assert row.n_images == len(images)
        assert row.n_images_failed == sum(failed[image] for image in images)
        assert row.n_failed == len({k for image, k in flat if failed[image]})
    assert set(table["condition"].iloc[1:]) == {name for label in labels for name in label if name}


@pytest.mark.parametrize(
    ("counts", "differs"),
    [
        ((0, 32, 31, 32), True),
        ((1, 32, 32, 32), True),
        ((0, 32, 0, 32), False),
        ((32, 32, 32, 32), False),
        ((5, 100, 10, 100), False),
        ((0, 32, 6, 32), True),
        ((0, 32, 5, 32), False),
        ((0, 100, 20, 100), True),
        ((0, 4000, 12, 4000), False),
        ((0, 4000, 60, 4000), True),
        ((0, 3, 1, 3), True),
        ((0, 4, 1, 4), False),
        ((0, 4, 4, 4), True),
    ],
)
def test_what_counts_as_different(counts: tuple[int, int, int, int], differs: bool) -> None:
    found = two(*counts)
    assert bool(found.differing) == differs
    a, n_a, b, n_b = counts
    apart = abs(a / n_a - b / n_b)
    p = fisher_exact([[a, n_a - a], [b, n_b - b]]).pvalue
    assert (apart > 0.25 or (apart > 0.01 and p < 0.05)) == differs


def test_several_conditions_are_tested_with_bonferronis_correction() -> None:
    """Some of 32 in one of three conditions, and none in the others."""
    names = [letter for letter in "abc" for _ in range(32)]
    images = np.arange(96)
    found = [
        bool(counted([names, names], [images, images], np.arange(96) < lost).differing)
        for lost in range(8)
    ]
    p = [fisher_exact([[lost, 32 - lost], [0, 64]]).pvalue for lost in range(8)]
    assert found == [3 * value < 0.05 for value in p]
    assert True in found


def test_an_image_in_most_pairs_of_one_condition_counts_by_its_pairs() -> None:
    """One failing image of 21, in every pair of condition a."""
    images = np.arange(1, 21)
    first = [*np.zeros(20, int), *images]
    second = [*images, *np.roll(images, 1)]
    failed = np.arange(21) == 0
    names = ["a"] * 20 + ["b"] * 20
    assert counted([names, names], [first, second], failed).differing


def test_messages_say_where_and_what_to_do() -> None:
    found = two(0, 32, 31, 32)
    with pytest.raises(InputError) as info:
        found.refuse(None)
    message = str(info.value)
    assert message.startswith(
        "Task 't', model 'm': no face was found in 31 of 32 images of g 'b'; faces were found in "
        "all 32 images of g 'a'."
    )
    for part in ("align=False", "on_no_face='skip'", "on_no_face='keep'"):
        assert part in message
    found.refuse("keep")
    found.refuse("skip")
    even = two(3, 32, 3, 32)
    even.refuse(None)
    with pytest.raises(InputError, match=r"no face was found in 6 of 64 images\."):
        even.refuse("stop")
    two(0, 4, 0, 4).refuse("stop")


def test_of_many_conditions_the_extremes_are_named() -> None:
    names = [letter for letter in "abcdef" for _ in range(10)]
    failed = [k < place for place in range(6) for k in range(10)]
    images = np.arange(60)
    (sentence,) = counted([names, names], [images, images], failed).differing
    assert "5 of 10 images of g 'f'" in sentence
    assert "(and 2 conditions between them); faces were found in all 10 images of g 'a'" in sentence


@pytest.fixture
def pairs(tmp_path):
    table = pd.DataFrame(
        {
            "img1": [f"{i}.png" for i in range(8)],
            "img2": [f"{i + 8}.png" for i in range(8)],
            "same": [1, 0] * 4,
            "condition": ["x"] * 4 + ["y"] * 4,
            "group1": ["g", "h", "g", "h", "g", "h", "g", "h"],
            "group2": ["g", "g", "g", "h", "g", "g", "g", "h"],
        }
    )
    table.to_csv(tmp_path / "pairs.csv", index=False)
    return tmp_path / "pairs.csv"


def test_tasks_say_what_their_pairs_belong_to(pairs) -> None:
    folder = pairs.parent
    found = AccuracyTask("t", pairs, folder, true_label="same").groupings()
    assert list(found) == ["side", "class", "condition"]
    assert found["side"][0].tolist() == ["img1"] * 8
    assert found["side"][1].tolist() == ["img2"] * 8
    assert found["class"][0].tolist() == ["same", "different"] * 4
    assert found["condition"][1].tolist() == ["x"] * 4 + ["y"] * 4
    effect = EffectTask("e", pairs, folder, measure="mean distance", condition_column="group1")
    assert effect.groupings()["condition"][0].tolist() == ["g", "h"] * 4
    groups = GroupErrorTask("g", pairs, folder, identity=None, fmr=0.5).groupings()["group"]
    assert [side.tolist() for side in groups] == [
        ["g", "h", "g", "h", "g", "h", "g", "h"],
        ["g", "g", "g", "h", "g", "g", "g", "h"],
    ]


def test_tasks_of_images_say_what_these_belong_to(tmp_path) -> None:
    table = pd.DataFrame({"image": ["a.png", "b.png"], "identity": ["a", "b"]})
    probes = pd.DataFrame({"image": ["c.png"], "identity": ["a"]})
    task = IdentificationTask("i", table, probes, tmp_path)
    assert task.groupings()["role"][0].tolist() == ["gallery", "gallery", "probe"]
    rsa = RsaTask("r", tmp_path, ["a.png", "b.png"], groups={"a.png": "animal"})
    assert rsa.groupings()["group"][0].tolist() == ["animal", ""]
    assert RsaTask("r", tmp_path, ["a.png", "b.png"]).groupings() == {}
