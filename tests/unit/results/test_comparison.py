"""Networks on the same pairs: who is better, and who cannot be told apart."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import t

from facebench import compare_models
from facebench.errors import FacebenchError, InputError, PairsError, UnknownNameError
from facebench.metrics import stats
from facebench.metrics import verification as v


def results(gaps: dict[str, float], layers: int = 1, n_people: int = 150) -> dict:
    generator = np.random.default_rng(3)
    rows = []
    for person in range(n_people):
        rows.append((f"P{person}/1.jpg", f"P{person}/2.jpg", 1))
        rows.append((f"P{person}/1.jpg", f"P{(person + 7) % n_people}/1.jpg", 0))
    pairs = pd.DataFrame(rows, columns=["img1", "img2", "same"])
    common = generator.normal(size=len(pairs))
    found: dict = {}
    for name, gap in gaps.items():
        parts = [
            pairs.assign(
                layer_name=f"layer{layer}",
                model_computed_distance=common
                + 0.3 * generator.normal(size=len(pairs))
                - (gap + 0.01 * layer) * pairs["same"],
            )
            for layer in range(layers)
        ]
        found[name] = {"LFW": pd.concat(parts, ignore_index=True)}
    return found


def scores(found: dict, model: str) -> np.ndarray:
    return found[model]["LFW"]["model_computed_distance"].to_numpy()


class TestTests:
    def test_auc(self) -> None:
        found = results({"good": 2.5, "same": 2.51, "bad": 0.5})
        compared = compare_models(found)
        same = found["good"]["LFW"]["same"]
        table = compared.to_frame()
        assert table[["Model 1", "Model 2"]].to_numpy().tolist() == [
            ["good", "same"], ["good", "bad"], ["same", "bad"]
        ]  # fmt: skip
        areas = {name: v.auc(same, scores(found, name), higher_is_better=False) for name in found}
        assert_allclose(table["Difference"][1], areas["good"] - areas["bad"])
        assert (table["CI Low"] < table["Difference"]).all()
        assert (table["CI High"] > table["Difference"]).all()
        assert_allclose(table["p Holm"], stats.holm(table["p"]))
        assert table["Different"].tolist() == [False, True, True]
        ranks = compared.ranks
        assert ranks["Model Name"].tolist()[2] == "bad"
        assert ranks["Rank Group"].tolist() == ["a", "a", "b"]
        assert (ranks["auc"].diff().dropna() <= 0).all()

    def test_p_values_are_near_delong_s_where_pairs_are_few_per_person(self) -> None:
        found = results({"a": 1.5, "b": 1.75})
        same = found["a"]["LFW"]["same"]
        expected = stats.delong_test(
            same, scores(found, "a"), scores(found, "b"), higher_is_better=False
        ).p_value
        p = compare_models(found).pairs["p"][0]
        assert abs(np.log10(p) - np.log10(expected)) < 1.5

    def test_accuracy(self) -> None:
        compared = compare_models(results({"good": 3, "bad": 0.5}), metric="accuracy")
        assert compared.pairs["Test"].tolist() == ["paired jackknife of people"]
        assert compared.pairs["p"][0] < 1e-4
        assert compared.ranks["accuracy"].is_monotonic_decreasing

    def test_mcnemar_by_name_says_that_pairs_share_people(self) -> None:
        found = results({"good": 2, "bad": 1})
        compared = compare_models(found, metric="accuracy", test="mcnemar").pairs.iloc[0]
        assert compared["Test"] == "McNemar (pairs share people: P is too small)"
        apart = {
            model: {"LFW": by_task["LFW"].iloc[::4].reset_index(drop=True)}
            for model, by_task in found.items()
        }
        for frame in (by_task["LFW"] for by_task in apart.values()):
            frame["img2"] = [f"{name.split('/')[0]}/2.jpg" for name in frame["img1"]]
            odd = frame.index % 2 == 1
            frame.loc[odd, "img2"] = [f"Q{row}/1.jpg" for row in frame.index[odd]]
            frame["same"] = (~odd).astype(int)
        compared = compare_models(apart, metric="accuracy", test="mcnemar").pairs.iloc[0]
        assert compared["Test"] == "McNemar"
        assert compared["CI Low"] <= compared["Difference"] <= compared["CI High"]
        with pytest.raises(InputError, match="'test' parameter"):
            compare_models(found, metric="auc", test="mcnemar")

    @pytest.mark.slow
    @pytest.mark.parametrize("metric", ["auc", "eer", "dprime", "accuracy", "tar@0.1"])
    def test_interval_and_p_never_contradict(self, metric: str) -> None:
        for gap in np.linspace(1.5, 2.1, 7):
            made = compare_models(results({"a": 1.5, "b": gap}, n_people=40), metric=metric)
            row = made.pairs.iloc[0]
            assert (row["p"] < 0.05) == (row["CI Low"] > 0 or row["CI High"] < 0)

    def test_equivalence_and_detectable_difference(self) -> None:
        found = results({"a": 1.5, "b": 1.5}, n_people=60)
        row = compare_models(found, margin=0.2).pairs.iloc[0]
        # By SciPy: the standard error from the interval, 39 or 59 degrees of freedom.
        error = (row["CI High"] - row["CI Low"]) / 2 / t.ppf(0.975, 59)
        expected = t.cdf((abs(row["Difference"]) - 0.2) / error, 59)
        assert_allclose(row["p Equivalent"], expected, rtol=1e-6)
        assert row["Equivalent"]
        assert_allclose(
            row["Detectable Difference"], (t.ppf(0.975, 59) + t.ppf(0.8, 59)) * error, rtol=1e-6
        )
        assert not compare_models(found, margin=1e-4).pairs["Equivalent"][0]
        with pytest.raises(InputError, match="'margin' parameter"):
            compare_models(found, margin=0)

    @pytest.mark.parametrize("metric", ["eer", "dprime", "tar@0.1"])
    def test_other_metrics_rank_the_better_first(self, metric: str) -> None:
        compared = compare_models(results({"bad": 0.5, "good": 3}), metric=metric)
        assert compared.ranks["Model Name"].tolist() == ["good", "bad"]
        assert compared.ranks["Rank Group"].tolist() == ["a", "b"]

    def test_equal_networks(self) -> None:
        found = results({"a": 2})
        found["b"] = {"LFW": found["a"]["LFW"].copy()}
        for metric in ("auc", "accuracy"):
            table = compare_models(found, metric=metric).to_frame()
            assert (table["p"][0], table["Difference"][0], table["Different"][0]) == (1, 0, False)

    def test_networks_that_decide_alike_are_not_called_equivalent(self) -> None:
        found = results({"a": 0, "b": 0.1}, n_people=12)
        for by_task in found.values():
            # Both accept none of so many pairs of different people.
            frame = by_task["LFW"]
            frame["same"] = (np.arange(len(frame)) % 20 == 0).astype(int)
        for test in ("paired", "mcnemar"):
            made = compare_models(found, metric="accuracy", margin=0.05, test=test).pairs.iloc[0]
            assert made["p"] == 1
            assert not made["Equivalent"]
            assert made[["CI Low", "Detectable Difference", "p Equivalent"]].isna().all()
            assert "no interval" in made["Test"]

    def test_layers(self) -> None:
        found = results({"a": 1, "b": 2}, layers=3)
        assert len(compare_models(found).pairs) == 15
        chosen = compare_models(found, layers={"a": "layer1", "b": "layer2"}).ranks
        assert set(chosen["Layer Name"]) == {"layer1", "layer2"}
        with pytest.raises(UnknownNameError, match="layer9"):
            compare_models(found, layers={"a": "layer9"})

    def test_failed_pairs_count_as_rejected(self) -> None:
        found = results({"a": 2, "b": 2.5})
        found["a"]["LFW"].loc[:20, "model_computed_distance"] = np.nan
        compared = compare_models(found)
        expected = v.auc(found["a"]["LFW"]["same"], scores(found, "a"), higher_is_better=False)
        assert compared.ranks.set_index("Model Name")["auc"]["a"] == expected

    @pytest.mark.slow
    def test_a_true_difference_of_none_is_rarely_called_one(self) -> None:
        generator = np.random.default_rng(0)
        called = 0
        for _ in range(60):
            found = results({"a": 1.5, "b": 1.5}, n_people=60)
            for model in found:
                frame = found[model]["LFW"]
                frame["model_computed_distance"] = (
                    generator.normal(size=len(frame)) - 1.5 * frame["same"]
                )
            called += bool(compare_models(found).pairs["Different"][0])
        assert called <= 8


class TestInput:
    def test_a_manager_knows_its_labels(self) -> None:
        class Task:
            true_label = "match"

        class Manager:
            tasks = {"LFW": Task()}  # noqa: RUF012
            model_task_distances_dfs = {  # noqa: RUF012
                model: {"LFW": by_task["LFW"].rename(columns={"same": "match"})}
                for model, by_task in results({"a": 1, "b": 2}).items()
            }

        assert len(compare_models(Manager()).pairs) == 1
        assert (
            len(compare_models(Manager.model_task_distances_dfs, label_column="match").pairs) == 1
        )
        with pytest.raises(UnknownNameError, match="needs the 'task'"):
            compare_models(Manager.model_task_distances_dfs)

    def test_what_cannot_be_used_is_told(self) -> None:
        found = results({"a": 1, "b": 2})
        with pytest.raises(InputError, match="'metric' parameter"):
            compare_models(found, metric="f1")
        with pytest.raises(InputError, match="'metric' parameter"):
            compare_models(found, metric="tar@x")
        with pytest.raises(UnknownNameError, match="one of LFW"):
            compare_models(found, "MegaFace")
        with pytest.raises(InputError, match="two networks or more"):
            compare_models({"a": found["a"]})
        with pytest.raises(FacebenchError, match="must be a manager"):
            compare_models([1])
        with pytest.raises(InputError, match="undefined"):
            compare_models(found, metric="tar@1e-6")
        found["b"]["LFW"] = found["b"]["LFW"].iloc[::-1].reset_index(drop=True)
        with pytest.raises(PairsError, match="other pairs"):
            compare_models(found)


def test_a_task_of_conditions_compares_by_itself() -> None:
    found = results({"good": 2.5, "bad": 0.5})
    for by_task in found.values():
        by_task["inversion"] = by_task["LFW"]
    task = SimpleNamespace(compare_models=lambda first, second: None, true_label="same")
    tasks = {"inversion": task, "LFW": SimpleNamespace(true_label="same")}
    manager = SimpleNamespace(model_task_distances_dfs=found, tasks=tasks)
    with pytest.raises(InputError, match=r"use manager.tasks\['inversion'\].compare_models"):
        compare_models(manager, "inversion")
    assert len(compare_models(manager).pairs) == 1
