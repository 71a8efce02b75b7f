"""Ratings in all their forms, and what is said where something cannot be told from them."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from facebench import SimilarityTask
from facebench.errors import InputError, PairsError
from facebench.metrics.correlation import partial_correlation
from facebench.metrics.noise_ceiling import noise_ceiling, split_half

IMAGES = [f"{letter}.png" for letter in "abcdefg"]
FIRST, SECOND = np.triu_indices(7, 1)
GENERATOR = np.random.default_rng(1)
RATINGS = (GENERATOR.normal(size=(21, 1)) + GENERATOR.normal(size=(21, 3)) / 2).round(1) + 5
COMPUTED = RATINGS.mean(axis=1) + GENERATOR.normal(size=21) / 2
WIDE = pd.DataFrame(
    {"img1": np.array(IMAGES)[FIRST], "img2": np.array(IMAGES)[SECOND]}
    | {f"rater_{i}": RATINGS[:, i] for i in range(3)}
)


@pytest.fixture
def make_task(tmp_path):
    def make(table: pd.DataFrame = WIDE, **options) -> SimilarityTask:
        path = tmp_path / "pairs.csv"
        table.to_csv(path, index=False)
        options = {"n_resamples": 50, "n_permutations": 99} | options
        return SimilarityTask("ratings", path, tmp_path, **options)

    return make


def result(task: SimilarityTask, computed=COMPUTED) -> dict:
    frame = task.pairs_df.assign(layer_name="fc", model_computed_distance=computed)
    found = task.compute_unrounded_performance(frame)
    assert len(found) == 1
    return found.iloc[0].to_dict()


def test_a_column_per_rater(make_task) -> None:
    found = result(make_task())
    mean = RATINGS.mean(axis=1).round(9)
    assert found["Pearson"] == pytest.approx(stats.pearsonr(COMPUTED, mean).statistic)
    assert found["Spearman"] == pytest.approx(stats.spearmanr(COMPUTED, mean).statistic)
    single = np.mean([stats.spearmanr(COMPUTED, column).statistic for column in RATINGS.T])
    assert found["Single Rater Correlation"] == pytest.approx(single)
    lower, upper, _ = noise_ceiling(RATINGS, pool="rank")
    assert found["Noise Ceiling Lower"] == pytest.approx(lower)
    assert found["Noise Ceiling Upper"] == pytest.approx(upper)
    assert found["Share of Ceiling"] == pytest.approx(single / lower)
    assert found["Split Half Reliability"] == pytest.approx(split_half(RATINGS).reliability)
    # What a perfect model's correlation with the mean rating tends to.
    assert found["Mean Rating Ceiling"] == pytest.approx(split_half(RATINGS).reliability ** 0.5)
    assert (found["Pairs"], found["Images"], found["Raters"]) == (21, 7, 3)
    assert found["Missing Ratings"] == 0
    assert found["CI Method"] == "jackknife over 7 images, Student's t"
    assert found["Spearman CI Low"] < found["Spearman"] < found["Spearman CI High"]
    assert found["P Value"] == 0.01
    assert found["P Method"] == "permutation of images (99)"
    assert found["Remark"] == ""


def test_long_form_in_any_order_is_the_wide_form(make_task) -> None:
    long = WIDE.melt(["img1", "img2"], var_name="rater", value_name="rating")
    swapped = long["rater"] == "rater_1"
    long.loc[swapped, ["img1", "img2"]] = long.loc[swapped, ["img2", "img1"]].to_numpy()
    shuffled = long.sample(frac=1, random_state=3)
    by_pair = dict(zip(zip(WIDE["img1"], WIDE["img2"], strict=True), COMPUTED, strict=True))
    computed = [
        by_pair.get(pair, by_pair.get(pair[::-1]))
        for pair in zip(shuffled["img1"], shuffled["img2"], strict=True)
    ]
    found, wide = result(make_task(shuffled), computed), result(make_task())
    for column in (
        "Spearman",
        "Rho-a",
        "Noise Ceiling Lower",
        "Share of Ceiling",
        "Pairs",
        "Raters",
    ):
        assert found[column] == pytest.approx(wide[column])


def test_a_mean_rating_has_no_ceiling(make_task) -> None:
    table = WIDE[["img1", "img2"]].assign(distance=RATINGS.mean(axis=1))
    found = result(make_task(table))
    assert "Share of Ceiling" not in found
    assert found["Raters"] == 1
    assert found["Spearman"] == pytest.approx(result(make_task())["Spearman"])


def test_columns_may_be_named_or_patterns(make_task) -> None:
    table = WIDE.rename(columns={f"rater_{i}": f"P{i} score" for i in range(3)})
    assert result(make_task(table, ratings="P*"))["Raters"] == 3
    assert result(make_task(table, ratings=["P0 score", "P2*"]))["Raters"] == 2


def test_similarities_are_turned_over(make_task) -> None:
    table = WIDE.copy()
    table[["rater_0", "rater_1", "rater_2"]] *= -1
    wide, turned = result(make_task()), result(make_task(table, rating="similarity"))
    for column in ("Pearson", "Kendall Tau-a", "Share of Ceiling", "P Value"):
        assert turned[column] == pytest.approx(wide[column])


def test_the_wrong_polarity_is_told(make_task, caplog) -> None:
    found = result(make_task(), -COMPUTED)
    assert found["Spearman"] < 0
    assert "polarity" in found["Remark"]
    assert "pass rating='similarity'" in caplog.text


@pytest.mark.parametrize(
    "table",
    [
        WIDE[["img1", "img2"]].assign(similarity=9.0 - RATINGS[:, 0]),
        pd.concat([WIDE, WIDE.head(1).assign(img2="a.png", rater_0=9, rater_1=9, rater_2=9)]),
    ],
    ids=["by its name", "by an image with itself"],
)
def test_similarities_are_suspected_before_anything_runs(make_task, caplog, table) -> None:
    make_task(table)
    assert "rating='similarity'" in caplog.text
    caplog.clear()
    make_task(table, rating="similarity")
    make_task()
    assert not caplog.records


def test_missing_ratings_are_counted(make_task) -> None:
    table = WIDE.copy()
    table.loc[[0, 1, 1], ["rater_0"]] = np.nan
    table.loc[3, ["rater_0", "rater_1", "rater_2"]] = np.nan
    found = result(make_task(table))
    mean = table.filter(like="rater").mean(axis=1).round(9)
    kept = mean.notna()
    assert found["Missing Ratings"] == 5
    assert (found["Unrated Pairs"], found["Pairs"]) == (1, 20)
    assert found["Pearson"] == pytest.approx(stats.pearsonr(COMPUTED[kept], mean[kept])[0])


def test_constant_ratings_are_told(make_task, caplog) -> None:
    found = result(make_task(WIDE.assign(rater_0=3, rater_1=3, rater_2=3)))
    assert np.isnan([found["Spearman"], found["Share of Ceiling"], found["P Value"]]).all()
    assert "all mean ratings are 3" in found["Remark"]
    assert "3 of 3 raters" in caplog.text
    one_flat = result(make_task(WIDE.assign(rater_1=3)))
    assert one_flat["Share of Ceiling"] > 0
    assert "1 of 3 raters" in one_flat["Remark"]


def test_a_constant_layer_is_told(make_task) -> None:
    found = result(make_task(), np.ones(21))
    assert np.isnan(found["Spearman"])
    assert "all distances of the model are 1" in found["Remark"]


def test_fewer_than_three_images_are_told(make_task) -> None:
    found = result(make_task(WIDE.head(1)), [1.0])
    assert np.isnan(found["Spearman CI Low"])
    assert np.isnan(found["P Value"])
    assert "2 images are too few" in found["Remark"]
    assert found["CI Method"] == "none"


def test_nuisances_are_partialled_out(make_task, image_folder) -> None:
    paths = image_folder(7)
    names = [path.name for path in paths]
    nuisance = GENERATOR.normal(size=21)
    table = WIDE.assign(
        img1=np.array(names)[FIRST], img2=np.array(names)[SECOND], brightness=nuisance
    )
    task = make_task(table, nuisance="brightness", pixel_distance=True)
    task.images_path = paths[0].parent
    found = result(task)
    from PIL import Image

    pixels = [np.asarray(Image.open(p).convert("RGB").resize((64, 64))) / 255 for p in paths]
    apart = [np.linalg.norm(pixels[i] - pixels[j]) for i, j in zip(FIRST, SECOND, strict=True)]
    mean = RATINGS.mean(axis=1).round(9)
    expected = partial_correlation(COMPUTED, mean, [nuisance, apart], "spearman")
    assert found["Partial Correlation"] == pytest.approx(expected)
    assert found["Partial Correlation CI Low"] < expected


def test_layers_share_what_depends_on_people(make_task) -> None:
    task = make_task()
    first = result(task)
    people = task._people[1]
    result(task, -COMPUTED)
    assert task._people[1] is people
    assert result(task)["Share of Ceiling CI High"] == first["Share of Ceiling CI High"]


class TestRefused:
    def test_a_table_without_ratings(self, make_task) -> None:
        with pytest.raises(PairsError, match=r"needs ratings.*it has: img1, img2"):
            make_task(WIDE[["img1", "img2"]])

    def test_an_unknown_column(self, make_task) -> None:
        with pytest.raises(PairsError, match=r"'ratings' parameter.*it has: .*rater_0.*'P\*'"):
            make_task(ratings="P*")

    def test_a_rating_that_is_no_number(self, make_task) -> None:
        table = WIDE.astype({"rater_1": object})
        table.loc[2, "rater_1"] = "alike"
        with pytest.raises(PairsError, match=r"'rater_1'.*'alike' in row 3"):
            make_task(table)

    def test_a_column_without_any_rating(self, make_task) -> None:
        with pytest.raises(PairsError, match="All its cells are empty"):
            make_task(WIDE.assign(rater_1=np.nan))

    def test_a_rater_who_rates_a_pair_twice(self, make_task) -> None:
        long = WIDE.melt(["img1", "img2"], var_name="rater", value_name="rating")
        twice = pd.concat([long, long.head(1)])
        with pytest.raises(PairsError, match=r"rate a pair once.*'rater_0' in row 64"):
            make_task(twice)

    @pytest.mark.parametrize(
        "options",
        [
            {"rating": "likeness"},
            {"measure": "rho"},
            {"resample": "person"},
            {"confidence": 95},
            {"n_resamples": -1},
            {"ratings": []},
        ],
    )
    def test_a_parameter_that_is_none(self, make_task, options) -> None:
        with pytest.raises(InputError):
            make_task(**options)


def test_nothing_is_logged_where_all_is_well(make_task, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        result(make_task())
    assert not caplog.records
