"""Scores of pairs: their polarity, either order, and what contradicts itself."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facebench import ScoresModel
from facebench.data.image_names import ImageName
from facebench.errors import InputError, PairsError

TABLE = "img1,img2,same,s,d\nann/1.jpg,ann/2.jpg,1,0.9,0.1\nann/1.jpg,bob/1.jpg,0,0.2,0.8\n"


def model_of(folder: Path, table: str = TABLE, polarity="similarity", layers="s", **more):
    (folder / "x.csv").write_text(table, encoding="utf-8")
    return ScoresModel("people", folder / "x.csv", polarity, layers, **more)


def find(model: ScoresModel, *pairs: tuple[str, str]) -> list[float]:
    sides = [[ImageName.of("/faces", name) for name in side] for side in zip(*pairs, strict=True)]
    return model.distances[model.extract_layers[0]][model.find(*sides)].tolist()


def test_pairs_in_either_order(tmp_path: Path) -> None:
    model = model_of(tmp_path)
    pairs = [("bob/1.jpg", "ann/1.jpg"), ("ann/1.jpg", "ann/2.jpg")]
    assert find(model, *pairs) == [0.8, 1 - 0.9]
    assert find(model_of(tmp_path, polarity="distance", layers="d"), *pairs) == [0.8, 0.1]
    assert model.description == "1 - similarity in x.csv"


def test_missing_pairs_are_named(tmp_path: Path) -> None:
    model = model_of(tmp_path)
    with pytest.raises(
        PairsError, match=r"2 of 2 pairs .* 'people': 'ann/2.jpg', 'bob/1.jpg'; "
    ) as e:
        find(model, ("ann/2.jpg", "bob/1.jpg"), ("ann/1.png", "bob/1.jpg"))
    assert "as 'ann/1.jpg'" in str(e.value)


def test_pairs_that_are_listed_twice(tmp_path: Path) -> None:
    again = TABLE + "ann/2.jpg,ann/1.jpg,1,{},0.1\n"
    with pytest.raises(PairsError, match=r"row 1 \(line 2\) and row 3 \(line 4\)"):
        model_of(tmp_path, again.format(0.8))
    assert find(model_of(tmp_path, again.format(0.9)), ("ann/1.jpg", "ann/2.jpg")) == [1 - 0.9]
    # What is not asked for may contradict itself.
    assert model_of(tmp_path, again.format(0.8), "distance", "d").extract_layers == ["d"]


def test_polarity_and_scale(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InputError, match=r"must be 'distance' .* Got 'sim'"):
        model_of(tmp_path, polarity="sim")
    with pytest.raises(InputError, match=r"'90%' in row 1 .*'maximum' is then 100"):
        model_of(tmp_path, TABLE.replace("0.9", "90%"))
    percent = TABLE.replace("0.9", "90").replace("0.2", "20")
    with pytest.raises(InputError, match=r"must be 1 at most. 2 are larger; the first is 90"):
        model_of(tmp_path, percent)
    for wrong in (None, np.nan, np.inf, True, "7"):
        with pytest.raises(InputError, match="'maximum' parameter of ScoresModel must be a number"):
            model_of(tmp_path, maximum=wrong)
    assert model_of(tmp_path, percent, maximum=100).distances["s"].tolist() == [10, 80]
    with caplog.at_level(logging.WARNING):
        model_of(tmp_path, TABLE.replace("0.9", "1.0000001"))
        model_of(tmp_path, TABLE.replace(",d\n", ",dissimilarity\n"), "distance", "dissimilarity")
        assert not caplog.text
        model_of(tmp_path, TABLE.replace(",s,", ",distance,"), layers="distance")
        assert "'distance' of " in caplog.text
        caplog.clear()
        model_of(tmp_path, TABLE.replace("0.1", "-0.1"), "distance", "d")
        assert "1 of 2 distances 'd' are below 0" in caplog.text
        caplog.clear()
        model_of(tmp_path, TABLE.replace("0.9", "1e-18").replace("0.2", "2e-18"))
        assert "2 different similarities of 's' are one distance" in caplog.text


def test_which_columns_are_scores(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"which columns are scores \(it has: same, s, d\)"):
        model_of(tmp_path, layers=None)
    assert model_of(tmp_path, TABLE.replace(",s,", ",Score,"), layers=None).extract_layers == [
        "Score"
    ]


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(scores=st.lists(st.floats(-1, 1), min_size=1, max_size=8))
def test_the_order_of_similarities_is_turned_round(
    tmp_path_factory: pytest.TempPathFactory, scores: list[float]
) -> None:
    rows = "".join(f"a.jpg,{n}.jpg,{score!r}\n" for n, score in enumerate(scores))
    model = model_of(tmp_path_factory.mktemp("t"), "img1,img2,s\n" + rows)
    assert np.array_equal(model.distances["s"], 1 - np.array(scores))
