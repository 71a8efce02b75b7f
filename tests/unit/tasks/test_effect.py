"""EffectTask against brute force, its designs, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, ttest_1samp, ttest_ind, ttest_rel
from sklearn.metrics import roc_auc_score

from facebench.errors import FacebenchError, InputError, PairsError
from facebench.tasks.effect import EffectTask

MakeTask = Callable[..., EffectTask]


def verification(n_people: int = 12, folders: tuple[str, ...] = ("upright", "inverted")):
    rows = []
    for folder in folders:
        for p in range(n_people):
            rows.append((f"{folder}/P{p}/1.png", f"{folder}/P{p}/2.png", 1, folder))
            other = (p + 3) % n_people
            rows.append((f"{folder}/P{p}/1.png", f"{folder}/P{other}/2.png", 0, folder))
    return pd.DataFrame(rows, columns=["img1", "img2", "same", "condition"])


def thatcher(n_people: int = 10) -> pd.DataFrame:
    rows = [
        (f"{a}/P{p}.png", f"{b}/P{p}.png", 1, condition, f"P{p}", f"P{p}")
        for condition, a, b in (
            ("upright", "upright", "thatcherised"),
            ("inverted", "inverted", "thatcherised-inverted"),
        )
        for p in range(n_people)
    ]
    columns = ["img1", "img2", "same", "condition", "identity1", "identity2"]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture
def make_task(tmp_path: Path) -> MakeTask:
    def make(pairs: pd.DataFrame, kind: type[EffectTask] = EffectTask, **options) -> EffectTask:
        pairs.to_csv(tmp_path / "pairs.csv", index=False)
        options = {"n_resamples": 100, "n_permutations": 99, **options}
        return kind("effect", tmp_path / "pairs.csv", "images", **options)

    return make


def with_distances(task: EffectTask, effect: float = 2.0, seed: int = 1) -> pd.DataFrame:
    frame = pd.DataFrame(task.pairs_df)
    noise = np.random.default_rng(seed).random(len(frame))
    if "condition" in frame:
        strength = 0.2 + effect * (frame["condition"] == frame["condition"].iloc[0])
    else:
        strength = 1.0
    distance = 1 + noise - 0.3 * strength * frame["same"]
    return frame.assign(layer_name="default", model_computed_distance=distance)


def row_of(task: EffectTask, frame: pd.DataFrame | None = None) -> pd.Series:
    frame = with_distances(task) if frame is None else frame
    return task.compute_unrounded_performance(frame).iloc[0]


class TestInversion:
    def test_numbers(self, make_task: MakeTask) -> None:
        task = make_task(verification())
        frame = with_distances(task)
        row = row_of(task, frame)
        areas = [
            roc_auc_score(rows["same"], -rows["model_computed_distance"])
            for _, rows in frame.groupby("condition", sort=False)
        ]
        assert [row["upright AUC"], row["inverted AUC"]] == pytest.approx(areas)
        assert row["Difference"] == pytest.approx(areas[0] - areas[1])
        assert row["Ratio"] == pytest.approx(areas[0] / areas[1])
        assert row["Relative Difference"] == pytest.approx((areas[0] - areas[1]) / sum(areas))
        for name in ("upright AUC", "inverted AUC", "Difference", "Ratio", "Relative Difference"):
            assert row[f"{name} CI Low"] <= row[name] <= row[f"{name} CI High"], name
        assert row["CI Method"].startswith("95 % jackknife over people, t distribution; score")
        assert (row["Pairs"], row["Identities"], row["Failed"]) == (48, 12, 0)
        assert 0 < row["P"] <= 1
        assert row["P Method"] == "t test, jackknife over people"

    def test_groups_of_people_are_left_out_and_swapped(self, make_task: MakeTask) -> None:
        pairs = verification(16)
        numbers = [pairs[side].str.extract(r"P(\d+)")[0].astype(int) for side in ("img1", "img2")]
        # Impostors within couples: 0 and 1, 2 and 3 …
        partner = (numbers[0] ^ 1).astype(str)
        is_two = pairs["same"] == 0
        pairs.loc[is_two, "img2"] = pairs["condition"] + "/P" + partner + "/2.png"
        row = row_of(make_task(pairs))
        assert row["P Method"] == "t test, jackknife over groups of people"
        assert row["CI Method"].startswith("95 % jackknife over groups of people")
        swapped = row_of(make_task(pairs, test="permutation"))
        assert swapped["P Method"] == "conditions swapped within groups of people (99)"
        assert swapped.drop(["P", "P Method"]).equals(row.drop(["P", "P Method"]))
        # Eight couples, all in favour of the first condition.
        assert 2 / 256 <= swapped["P"] < 0.05

    def test_intervals_resample_the_same_people_in_both_conditions(
        self, make_task: MakeTask
    ) -> None:
        task = make_task(verification())
        frame = with_distances(task, effect=0.0)
        half = len(frame) // 2
        same = frame["model_computed_distance"].to_numpy()
        frame["model_computed_distance"] = np.concatenate((same[:half], same[:half]))
        row = row_of(task, frame)
        assert row["Difference"] == row["Difference CI Low"] == row["Difference CI High"] == 0
        assert row["P"] == 1

    @pytest.mark.parametrize("measure", ["dprime", "accuracy", "tar"])
    def test_other_measures(self, make_task: MakeTask, measure: str) -> None:
        task = make_task(verification(), measure=measure, far=0.2)
        row = row_of(task)
        assert row[f"upright {task.measure_name}"] > row[f"inverted {task.measure_name}"]
        assert ("Threshold From" in row) == (measure == "accuracy")

    def test_photographs_are_resampled_without_people(self, make_task: MakeTask) -> None:
        row = row_of(make_task(verification(), identity=None))
        assert row["CI Method"].startswith("95 % jackknife over images")
        assert np.isnan(row["Identities"])

    def test_a_rate_without_errors_has_an_interval(self, make_task: MakeTask) -> None:
        task = make_task(verification())
        frame = with_distances(task, effect=50)
        row = row_of(task, frame)
        assert row["upright AUC"] == row["upright AUC CI High"] == 1
        assert 0.7 < row["upright AUC CI Low"] < 0.95

    def test_no_error_in_either_condition_is_not_certainty(self, make_task: MakeTask) -> None:
        task = make_task(verification())
        frame = with_distances(task)
        row = row_of(task, frame.assign(model_computed_distance=1.0 - frame["same"]))
        assert row["Difference"] == 0
        assert row["Difference CI Low"] == pytest.approx(-row["Difference CI High"])
        assert -0.3 < row["Difference CI Low"] < -0.1
        for name, none in (("Ratio", 1), ("Relative Difference", 0)):
            assert row[f"{name} CI Low"] < row[name] == none < row[f"{name} CI High"]

    def test_conditions_of_other_people(self, make_task: MakeTask) -> None:
        pairs = verification(folders=("familiar", "unfamiliar"))
        for column in ("img1", "img2"):
            pairs[column] = pairs[column].str.replace(r"^unfamiliar/P", "unfamiliar/Q", regex=True)
        row = row_of(make_task(pairs))
        assert row["P Method"] == "t test, jackknife over people, Welch-Satterthwaite df"
        assert row["Identities"] == 24
        with pytest.raises(InputError, match="cannot be swapped here; use test='t'"):
            make_task(pairs, test="permutation")

    def test_four_and_four_people_without_an_error(self, make_task: MakeTask) -> None:
        pairs = verification(4, folders=("familiar", "unfamiliar"))
        pairs["img2"] = pairs["img2"].str.replace(r"^unfamiliar/P", "unfamiliar/Q", regex=True)
        pairs["img1"] = pairs["img1"].str.replace(r"^unfamiliar/P", "unfamiliar/Q", regex=True)
        task = make_task(pairs)
        frame = with_distances(task)
        row = row_of(task, frame.assign(model_computed_distance=1.0 - frame["same"]))
        assert row["Difference"] == 0
        assert row["Difference CI Low"] < 0 < row["Difference CI High"]
        noisy = row_of(task, with_distances(task, 0.5))
        if np.isnan(noisy["Difference CI Low"]):
            assert "not defined without one of the people" in noisy["Undefined"]

    def test_items_by_column(self, make_task: MakeTask) -> None:
        pairs = verification()
        for column in ("img1", "img2"):
            pairs[column] = pairs[column].str.replace("/", "_")
        with pytest.raises(InputError, match="every item in every condition"):
            make_task(pairs, test="permutation")
        pairs["item"] = list(range(24)) * 2
        paired = row_of(make_task(pairs, item_column="item", test="permutation"))
        assert paired["P Method"].startswith("conditions swapped within images")

    def test_rounded(self, make_task: MakeTask) -> None:
        task = make_task(verification())
        rounded = task.compute_task_performance(with_distances(task)).iloc[0]
        assert rounded["Difference"] == round(row_of(task)["Difference"], 5)


class TestPairingByNames:
    @staticmethod
    def table(folders: dict[str, list[str]], name: str = "f{k}") -> pd.DataFrame:
        rows = []
        for condition, named in folders.items():
            for k in range(12):
                one, other = named[k % len(named)], named[-1 - k % len(named)]
                file = name.format(k=k)
                rows.append((f"{one}/{file}_L.png", f"{other}/{file}_R.png", condition, 1))
        return pd.DataFrame(rows, columns=["img1", "img2", "condition", "same"])

    @pytest.mark.parametrize(
        "folders",
        [
            {"upright": ["up_a", "up_b"], "inverted": ["inv_a", "inv_b"]},
            {"upright": ["x/up_a", "y/up_b"], "inverted": ["x/inv_a", "z/inv_b"]},
            {"upright": ["all"], "inverted": ["inv_a", "inv_b"]},
        ],
    )
    def test_conditions_in_several_folders_stay_paired(
        self, make_task: MakeTask, caplog: pytest.LogCaptureFixture, folders: dict
    ) -> None:
        given = {"measure": "mean distance", "identity": None}
        found = {}
        for which in (folders, {"upright": ["up"], "inverted": ["inv"]}):
            task = make_task(self.table(which).drop(columns="same"), **given)
            frame = with_distances(task_with_same(task))
            found[len(found)] = task.compute_unrounded_performance(frame).iloc[0]
            assert ("'f0_L.png'" in caplog.text) == (which is folders)
            caplog.clear()
        assert found[0]["P Method"] == found[1]["P Method"]
        for column in ("Difference", "Difference CI Low", "P"):
            assert found[0][column] == pytest.approx(found[1][column])

    def test_two_images_of_one_name_are_not_taken_for_one(
        self, make_task: MakeTask, caplog: pytest.LogCaptureFixture
    ) -> None:
        folders = {"upright": ["ann", "bob"], "inverted": ["cid", "dot"]}
        table = self.table(folders)
        table["img1"] = table["img1"].str.replace(r"f\d+", "1", regex=True)
        make_task(table.drop(columns="same"), measure="mean distance", identity=None)
        assert "one file name" not in caplog.text


def task_with_same(task: EffectTask) -> EffectTask:
    task.pairs_df["same"] = 1
    return task


class TestThatcher:
    def test_index_of_means_and_mean_of_indices(self, make_task: MakeTask) -> None:
        task = make_task(thatcher(), measure="mean distance")
        frame = with_distances(task)
        row = row_of(task, frame)
        upright, inverted = (
            rows["model_computed_distance"].to_numpy()
            for _, rows in frame.groupby("condition", sort=False)
        )
        a, b = upright.mean(), inverted.mean()
        assert row["Relative Difference"] == pytest.approx((a - b) / (a + b))
        own = (upright - inverted) / (upright + inverted)
        assert row["Mean Item Relative Difference"] == pytest.approx(own.mean())
        assert row["Mean Item Relative Difference"] != pytest.approx(row["Relative Difference"])
        assert (row["Items"], row["Items Left Out"]) == (10, 0)
        # One pair for each person: Student's t test of ten differences.
        expected = ttest_rel(upright, inverted)
        assert row["P"] == pytest.approx(expected.pvalue)
        low, high = expected.confidence_interval()
        assert [row["Difference CI Low"], row["Difference CI High"]] == pytest.approx([low, high])
        assert row["dz"] == pytest.approx(
            (upright - inverted).mean() / np.std(upright - inverted, ddof=1)
        )
        assert row["Common Language"] == pytest.approx(norm.cdf(row["dz"]))
        low, high = ttest_1samp(own, 0).confidence_interval()
        assert row["Mean Item Relative Difference CI Low"] == pytest.approx(low)
        assert row["Mean Item Relative Difference CI High"] == pytest.approx(high)
        items = task.item_values(frame)
        np.testing.assert_allclose(items["Relative Difference"], own)
        np.testing.assert_allclose(items["Difference"], upright - inverted)
        assert items["img1"].tolist() == frame["img1"][:10].tolist()

    def test_a_lost_pair(self, make_task: MakeTask) -> None:
        task = make_task(thatcher(), measure="mean distance")
        row = row_of(task, with_distances(task).drop(index=3))
        assert (row["Failed"], row["Items"], row["Items Left Out"]) == (1, 10, 1)
        assert np.isfinite(row["Difference"])

    def test_equal_images_have_no_index(self, make_task: MakeTask) -> None:
        task = make_task(thatcher(), measure="mean distance")
        row = row_of(task, with_distances(task).assign(model_computed_distance=0.0))
        assert row["Difference"] == 0
        assert np.isnan(row["Relative Difference"])
        assert row["Items Left Out"] == 10
        assert "denominator may be zero" in row["Undefined"]

    def test_no_items_of_other_measures(self, make_task: MakeTask) -> None:
        task = make_task(verification())
        with pytest.raises(InputError, match="no values by item"):
            task.item_values(with_distances(task))


class TestOtherPeople:
    def test_welch(self, make_task: MakeTask) -> None:
        rng = np.random.default_rng(3)
        sides = [1 + rng.normal(0.2, 0.3, 8), 1 + rng.normal(0, 0.1, 20)]
        people = [f"P{n:02}" for n in range(28)]
        pairs = pd.DataFrame({
            "img1": [f"{name}/a.png" for name in people],
            "img2": [f"{name}/b.png" for name in people],
            "condition": ["own"] * 8 + ["other"] * 20,
            "identity1": people,
            "identity2": people,
        })  # fmt: skip
        task = make_task(pairs, measure="mean distance", contrast=("own", "other"))
        row = row_of(task, pairs.assign(model_computed_distance=np.concatenate(sides)))
        expected = ttest_ind(*sides, equal_var=False)
        assert row["P"] == pytest.approx(expected.pvalue)
        ends = [row["Difference CI Low"], row["Difference CI High"]]
        assert ends == pytest.approx(list(expected.confidence_interval()))
        spread = np.sqrt((sides[0].var(ddof=1) + sides[1].var(ddof=1)) / 2)
        # Hedges' correction makes it smaller by a few percent.
        size = (sides[0].mean() - sides[1].mean()) / spread
        assert 0.9 < row["Hedges' g"] / size < 0.98
        assert row["Common Language"] == pytest.approx(norm.cdf(size / 2**0.5))
        assert row["Hedges' g CI Low"] < row["Hedges' g"] < row["Hedges' g CI High"]

    @pytest.mark.slow
    @pytest.mark.parametrize("effect", np.linspace(-0.4, 0.4, 9))
    @pytest.mark.parametrize("measure", ["auc", "mean distance", "accuracy"])
    def test_p_and_intervals_agree(self, make_task: MakeTask, effect: float, measure: str) -> None:
        task = make_task(verification(), measure=measure)
        for seed in range(4):
            row = row_of(task, with_distances(task, effect=effect, seed=seed))
            for name, none in (
                ("Difference", 0), ("Ratio", 1), ("Relative Difference", 0),
                ("dz", 0), ("Common Language", 0.5),
            ):  # fmt: skip
                ends = row[f"{name} CI Low"], row[f"{name} CI High"]
                if np.isfinite(ends).all():
                    assert (row["P"] < 0.05) == (not ends[0] <= none <= ends[1]), name


class TestFactorial:
    def test_interaction(self, make_task: MakeTask) -> None:
        pairs = verification(folders=("a", "b", "c", "d"))
        pairs["orientation"] = pairs["condition"].map(dict(zip("abcd", "uiui", strict=True)))
        pairs["thatcherised"] = pairs["condition"].map(dict(zip("abcd", "0011", strict=True)))
        task = make_task(pairs, factors=("orientation", "thatcherised"))
        assert task.conditions == [
            "u × thatcherised 0", "u × thatcherised 1", "i × thatcherised 0", "i × thatcherised 1",
        ]  # fmt: skip
        row = row_of(task)
        u0, u1, i0, i1 = (row[f"{name} AUC"] for name in task.conditions)
        assert row["orientation Difference"] == pytest.approx((u0 + u1 - i0 - i1) / 2)
        assert row["thatcherised Difference"] == pytest.approx((u0 + i0 - u1 - i1) / 2)
        assert row["Interaction Difference"] == pytest.approx((u0 - u1) - (i0 - i1))
        assert 0 < row["Interaction P"] <= 1

    def test_interaction_of_network_and_condition(self, make_task: MakeTask) -> None:
        task = make_task(verification())
        first, second = with_distances(task, 3.0), with_distances(task, 0.0, seed=2)
        row = task.compare_models(first, second).iloc[0]
        gaps = [row_of(task, frame)["Difference"] for frame in (first, second)]
        assert row["Interaction"] == pytest.approx(gaps[0] - gaps[1])
        assert row["Interaction CI Low"] < row["Interaction"] < row["Interaction CI High"]
        assert 0 < row["P"] <= 1
        assert task.compare_models(first, first).iloc[0]["P"] == 1
        swapped = task.compare_models(second, first).iloc[0]
        assert swapped["Interaction"] == pytest.approx(-row["Interaction"])
        alone = row_of(task, first)
        for end in ("", " CI Low", " CI High"):
            assert row[f"First Difference{end}"] == alone[f"Difference{end}"]


class TestSeveralConditions:
    def test_groups_of_conditions(self, make_task: MakeTask) -> None:
        pairs = verification(folders=("eyes", "lips", "nose", "base"))
        pairs = pairs[pairs["same"] == 1]
        task = make_task(pairs, measure="mean distance", contrast=(("eyes", "lips"), "nose"))
        row = row_of(task)
        expected = (row["eyes Mean Distance"] + row["lips Mean Distance"]) / 2
        assert row["Difference"] == pytest.approx(expected - row["nose Mean Distance"])
        assert np.isfinite(row["base Mean Distance"])
        assert row["P Method"] == "t test, jackknife over people"


class TestRatings:
    def test_correlation(self, make_task: MakeTask) -> None:
        pairs = verification()
        pairs["distance"] = np.random.default_rng(0).random(len(pairs))
        row = row_of(make_task(pairs, measure="spearman"))
        assert -1 <= row["upright Spearman"] <= 1

    def test_no_index_of_correlations_that_may_be_zero(self, make_task: MakeTask) -> None:
        pairs = verification()
        pairs["distance"] = np.random.default_rng(5).random(len(pairs))
        row = row_of(make_task(pairs, measure="spearman"))
        assert np.isnan(row["Relative Difference"])
        assert "index: " in row["Undefined"]

    def test_tar_says_how_many_pairs_it_takes(self, make_task: MakeTask) -> None:
        row = row_of(make_task(verification(), measure="tar", far=0.01))
        assert (
            "upright: FAR 0.01 takes 50 pairs of two people or more, it has 12"
            in (row["Undefined"])
        )

    def test_constant_ratings_say_why(self, make_task: MakeTask) -> None:
        pairs = verification().assign(
            distance=lambda t: np.where(t.condition == "upright", 1, t.index)
        )
        row = row_of(make_task(pairs, measure="pearson"))
        assert np.isnan(row["upright Pearson"])
        assert np.isnan(row["P"])
        assert row["Undefined"] == "upright: its ratings are constant"


class TestRefused:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"measure": "area"}, "must be one of 'auc'"),
            ({"measure": "AUC"}, "Did you mean 'auc'"),
            ({"measure": "pearson", "rating_column": "sam"}, "Did you mean 'same'"),
            ({"factors": "conditions"}, "Did you mean 'condition'"),
            ({"factors": ("conditoin", "same")}, "Did you mean 'condition'"),
            ({"contrast": ("upright", "invertd")}, "Did you mean 'inverted'"),
            ({"contrast": "upright"}, "two conditions, or two groups"),
            ({"contrast": ("upright", "upright")}, "different conditions"),
            ({"condition_column": "orientation"}, "condition_column"),
            ({"factors": ("condition", "same"), "contrast": ("a", "b")}, "without a 'contrast'"),
            ({"factors": ("condition", "img1")}, "must have two levels"),
            ({"measure": "pearson"}, "rating_column"),
            ({"true_label": "truth"}, "true_label"),
            ({"far": 0}, "a rate above 0"),
            ({"measure": "accuracy", "threshold": "low"}, "a distance or None"),
            ({"n_resamples": 0}, "1 or more"),
            ({"test": "welch"}, "'t' or 'permutation'"),
            ({"n_permutations": 0}, "1 or more"),
        ],
    )
    def test_parameters(self, make_task: MakeTask, options: dict, message: str) -> None:
        with pytest.raises(FacebenchError, match=message):
            make_task(verification(), **options)

    def test_a_condition_of_one_class(self, make_task: MakeTask) -> None:
        with pytest.raises(PairsError, match="'upright' of 'effect' must have pairs of one person"):
            make_task(thatcher())

    def test_a_combination_without_pairs(self, make_task: MakeTask) -> None:
        pairs = verification(folders=("a", "b", "c"))
        pairs["x"] = pairs["condition"].map({"a": "p", "b": "o", "c": "p"})
        pairs["y"] = pairs["condition"].map({"a": "p", "b": "p", "c": "q"})
        with pytest.raises(PairsError, match="Condition 'o × q' of 'effect' has no pairs"):
            make_task(pairs, factors=("x", "y"))

    def test_more_than_two_conditions_need_a_contrast(self, make_task: MakeTask) -> None:
        with pytest.raises(InputError, match="has 3 \\('a', 'b', 'c'\\)"):
            make_task(verification(folders=("a", "b", "c")))

    def test_fewer_than_three_images(self, make_task: MakeTask) -> None:
        with pytest.raises(PairsError, match="at least 3 images"):
            make_task(thatcher(1), measure="mean distance")
