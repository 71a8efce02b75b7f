"""Errors per group at one threshold, against the plain functions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from facebench import GroupErrorTask
from facebench.errors import FacebenchError, InputError, PairsError
from facebench.metrics import groups as g
from facebench.metrics import verification as v

MakeTask = Callable[..., GroupErrorTask]
GROUP_OF = {f"P{number}": "abc"[number % 3] for number in range(60)}


def table(n_impostor: int = 300) -> pd.DataFrame:
    generator = np.random.default_rng(5)
    rows = [(f"P{p}/1.jpg", f"P{p}/{n}.jpg", 1) for p in range(60) for n in (2, 3)]
    for _ in range(n_impostor):
        one, other = generator.choice(60, 2, replace=False)
        rows.append((f"P{one}/4.jpg", f"P{other}/4.jpg", 0))
    pairs = pd.DataFrame(rows, columns=["img1", "img2", "same"])
    for side in "12":
        pairs[f"group{side}"] = pairs[f"img{side}"].str.split("/").str[0].map(GROUP_OF)
    return pairs


@pytest.fixture
def make_task(tmp_path: Path) -> MakeTask:
    def make(pairs: pd.DataFrame, **options) -> GroupErrorTask:
        pairs.to_csv(tmp_path / "pairs.csv", index=False)
        options.setdefault("n_resamples", 100)
        return GroupErrorTask("fair", tmp_path / "pairs.csv", "images", **options)

    return make


def with_distances(task: GroupErrorTask) -> pd.DataFrame:
    same = task.pairs_df["same"].to_numpy()
    noise = np.random.default_rng(1).normal(size=len(same))
    return task.pairs_df.assign(layer_name="default", model_computed_distance=noise - 1.5 * same)


def rows_of(task: GroupErrorTask, frame: pd.DataFrame | None = None) -> pd.DataFrame:
    frame = with_distances(task) if frame is None else frame
    return task.compute_unrounded_performance(frame).set_index("Condition")


class TestMeasures:
    def test_agree_with_the_plain_functions(self, make_task: MakeTask) -> None:
        task = make_task(table(), fmr=0.1)
        frame = with_distances(task)
        rows = rows_of(task, frame)
        same, distance = frame["same"], frame["model_computed_distance"]
        threshold = v.fnmr_at_fmr(same, distance, 0.1, higher_is_better=False).threshold
        expected = g.group_errors(
            same, distance, frame["group1"], frame["group2"], threshold, higher_is_better=False
        )
        for group in "abc":
            found = rows.loc[group]
            assert found["FMR"] == expected.fmr[group]
            assert found["FNMR"] == expected.fnmr[group]
            assert found["AUC"] == expected.auc[group]
            assert found["d'"] == expected.dprime[group]
        for pair, rate in expected.cross_fmr_of.items():
            assert rows.loc[" × ".join(pair), "FMR"] == rate
        assert rows.loc["between groups", "FMR"] == expected.cross_fmr
        everyone = rows.loc["all groups"]
        assert everyone["FDR"] == pytest.approx(g.fdr(expected.fmr, expected.fnmr))
        assert everyone["GARBE"] == pytest.approx(g.garbe(expected.fmr, expected.fnmr))
        assert everyone["FMR Max/Min"] == pytest.approx(g.max_min_ratio(expected.fmr))
        assert everyone["FNMR Max/Geomean"] == pytest.approx(g.max_geomean_ratio(expected.fnmr))
        assert (everyone["Threshold"], everyone["Groups"]) == (threshold, 3)

    def test_every_number_lies_in_its_interval(self, make_task: MakeTask) -> None:
        rows = rows_of(make_task(table(), fmr=0.1))
        for name in ("FMR", "FNMR", "AUC", "d'", "FDR", "GARBE", "FNMR Max/Min"):
            numbers = rows[[name, f"{name} CI Low", f"{name} CI High"]].dropna()
            assert len(numbers), name
            assert (numbers[f"{name} CI Low"] < numbers[f"{name} CI High"]).all(), name
        for name in ("FMR", "FNMR", "AUC", "d'", "FDR", "GARBE", "FNMR Max/Min"):
            numbers = rows[[name, f"{name} CI Low", f"{name} CI High"]].dropna()
            assert (numbers[name] >= numbers[f"{name} CI Low"]).all(), name
            assert (numbers[name] <= numbers[f"{name} CI High"]).all(), name

    def test_equal_groups_are_found_equal_and_unequal_ones_are_not(self, make_task) -> None:
        task = make_task(table(600), threshold=0.0, n_resamples=400)
        frame = with_distances(task)
        row = rows_of(task, frame).loc["all groups"]
        assert row["P"] > 0.05
        for name, fair in (("GARBE", 0), ("FDR", 1), ("FMR Max/Min", 1), ("FNMR Max/Geomean", 1)):
            assert row[f"{name} CI Low"] <= fair <= row[f"{name} CI High"], name
        harder = (frame["group1"] == "a") & (frame["group2"] == "a") & (frame["same"] == 1)
        frame["model_computed_distance"] += 3 * harder
        row = rows_of(task, frame).loc["all groups"]
        assert row["P"] < 0.05
        assert row["FNMR P"] < 0.05 < row["FMR P"]
        assert 0 < row["GARBE CI Low"] < row["GARBE"] < row["GARBE CI High"]
        assert row["FDR CI High"] < 1 < row["FNMR Max/Min CI Low"]
        assert "equal groups by permuting people" in row["CI Method"]

    def test_a_group_without_errors_has_a_lower_limit(self, make_task: MakeTask) -> None:
        task = make_task(table(600), threshold=0.0, n_resamples=400)
        frame = with_distances(task)
        easy = (frame["group1"] == "b") & (frame["same"] == 1)
        frame.loc[easy, "model_computed_distance"] = -9.0
        hard = (frame["group1"] == "a") & (frame["same"] == 1)
        frame.loc[hard, "model_computed_distance"] += 1.5
        row = rows_of(task, frame).loc["all groups"]
        assert row["FNMR Max/Min"] == row["FNMR Max/Min CI High"] == np.inf
        assert 1 < row["FNMR Max/Min CI Low"] < 20
        assert 0 < row["GARBE CI Low"] < row["GARBE"] <= row["GARBE CI High"]

    def test_counts(self, make_task: MakeTask) -> None:
        rows = rows_of(make_task(table()))
        assert rows.loc["all groups", "Pairs"] == 420
        assert rows.loc[list("abc"), "Genuine Pairs"].tolist() == [40, 40, 40]
        assert rows.loc[list("abc"), "Identities"].tolist() == [20, 20, 20]
        inside = rows.loc[list("abc"), "Impostor Pairs"].sum()
        assert inside + rows.loc["between groups", "Impostor Pairs"] == 300

    def test_a_threshold_from_elsewhere(self, make_task: MakeTask) -> None:
        rows = rows_of(make_task(table(), threshold=-1.0))
        assert set(rows["Threshold"]) == {-1.0}
        assert set(rows["Threshold From"]) == {"given"}
        assert set(rows_of(make_task(table()))["Threshold From"]) == {"same pairs, FMR 0.01"}

    def test_failed_pairs_are_rejected(self, make_task: MakeTask) -> None:
        task = make_task(table(), threshold=99.0)
        frame = with_distances(task)
        frame.loc[0, "model_computed_distance"] = np.nan
        for given in (frame, frame.dropna()):
            rows = rows_of(task, given)
            assert rows.loc["a", "FNMR"] == pytest.approx(1 / 40)
            assert rows.loc["a", "Failed"] == rows.loc["all groups", "Failed"] == 1

    def test_no_error_is_not_certainty(self, make_task: MakeTask) -> None:
        rows = rows_of(make_task(table(), threshold=99.0))
        assert rows.loc["a", "FNMR"] == rows.loc["a", "FNMR CI Low"] == 0
        assert 0.05 < rows.loc["a", "FNMR CI High"] < 0.2


class TestGroups:
    @pytest.mark.slow
    @pytest.mark.parametrize("kind", ["json", "csv", "mapping", "images"])
    def test_from_a_file_or_mapping(self, make_task: MakeTask, tmp_path: Path, kind: str) -> None:
        pairs = table()
        expected = rows_of(make_task(pairs))
        groups: object = GROUP_OF
        if kind == "json":
            groups = tmp_path / "groups.json"
            groups.write_text(json.dumps(GROUP_OF))
        elif kind == "csv":
            groups = tmp_path / "groups.csv"
            lines = [f"{person}, {group}" for person, group in GROUP_OF.items()]
            groups.write_text("person,group\n" + "\n".join(lines) + "\n")
        elif kind == "images":
            names = {*pairs["img1"], *pairs["img2"]}
            groups = {name: GROUP_OF[name.split("/")[0]] for name in names}
        task = make_task(pairs.drop(columns=["group1", "group2"]), groups=groups)
        pd.testing.assert_frame_equal(rows_of(task), expected)
        assert task.pairs_df["group1"].tolist() == pairs["group1"].tolist()

    def test_other_columns(self, make_task: MakeTask) -> None:
        pairs = table().rename(columns={"group1": "sex 1", "group2": "sex 2"})
        assert "a" in rows_of(make_task(pairs, groups=("sex 1", "sex 2"))).index

    def test_unknown_groups_are_counted(self, make_task: MakeTask, caplog) -> None:
        pairs = table().drop(columns=["group1", "group2"])
        some = {person: group for person, group in GROUP_OF.items() if person != "P0"}
        lost = int(pairs["img1"].str.startswith("P0/").sum())
        lost += int((pairs["img2"].str.startswith("P0/") & (pairs["same"] == 0)).sum())
        task = make_task(pairs, groups=some)
        rows = rows_of(task)
        assert rows.loc["all groups", "Pairs Without Group"] == lost
        assert rows.loc["all groups", "Pairs"] == 420 - lost
        assert f"{lost} of 420 pairs have no group" in caplog.text

    def test_groups_without_impostors_have_no_fmr(self, make_task: MakeTask) -> None:
        pairs = table()
        inside = (pairs["group1"] == pairs["group2"]) & (pairs["group1"] == "c")
        rows = rows_of(make_task(pairs[~(inside & (pairs["same"] == 0))]))
        assert np.isnan(rows.loc["c", ["FMR", "FMR CI Low", "AUC", "d'"]].astype(float)).all()
        assert rows.loc["all groups", "Groups"] == 2
        assert np.isfinite(rows.loc["all groups", "FDR"])

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"groups": {"Z": "a"}}, "No pair of task 'fair' has a group"),
            ({"groups": dict.fromkeys(GROUP_OF, "a")}, "two groups or more"),
            ({"groups": "none.json"}, r"groups file none\.json cannot be read"),
            ({"groups": ("group1", "sex")}, r"Got 'sex' instead"),
            ({"groups": ("a", "b", "c")}, "two columns of the pairs file"),
            ({"groups": 3}, "two columns of the pairs file"),
            ({"fmr": 1e-4}, "cannot be estimated from the 300 impostor pairs"),
            ({"fmr": 0}, "'fmr' parameter"),
            ({"threshold": float("nan")}, "'threshold' parameter"),
            ({"threshold": "low"}, "'threshold' parameter"),
        ],
    )
    def test_what_cannot_be_used_is_told(self, make_task, options: dict, message: str) -> None:
        pairs = table()
        if isinstance(options.get("groups"), dict):
            pairs = pairs.drop(columns=["group1", "group2"])
        with pytest.raises(FacebenchError, match=message):
            make_task(pairs, **options)

    @pytest.mark.parametrize("end", [",,", ""])
    def test_spare_cells_of_a_spreadsheet_are_no_groups(
        self, make_task: MakeTask, tmp_path: Path, end: str
    ) -> None:
        path = tmp_path / "groups.csv"
        rows = [("who", "group"), *GROUP_OF.items()]
        path.write_text("".join(f"{who},{group}{end}\n" for who, group in rows))
        pairs = table().drop(columns=["group1", "group2"])
        found = rows_of(make_task(pairs, groups=path))
        pd.testing.assert_frame_equal(found, rows_of(make_task(pairs, groups=GROUP_OF)))

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("groups.csv", "who,group\nP0,a\nP1,b\nP0,b\n"),
            ("groups.json", '{"P0": "a", "P1": "b", "P0": "b"}'),
        ],
    )
    def test_a_person_of_two_groups_is_refused(
        self, make_task: MakeTask, tmp_path: Path, name: str, text: str
    ) -> None:
        (tmp_path / name).write_text(text)
        pairs = table().drop(columns=["group1", "group2"])
        with pytest.raises(PairsError, match=rf"{name} must .*'P0' has two groups, 'a' and 'b'"):
            make_task(pairs, groups=tmp_path / name)

    @pytest.mark.parametrize("text", ["[1, 2]", "{", '{"P0": ["a"]}', "3"])
    def test_a_json_of_something_else(self, make_task: MakeTask, tmp_path: Path, text) -> None:
        (tmp_path / "groups.json").write_text(text)
        with pytest.raises(PairsError, match=r"groups\.json must"):
            make_task(table(), groups=tmp_path / "groups.json")

    def test_a_genuine_pair_of_two_groups(self, make_task: MakeTask) -> None:
        pairs = table()
        pairs.loc[4, "group2"] = "d"
        with pytest.raises(PairsError, match=r"of one group\. In row 5 \(line 6\)"):
            make_task(pairs)

    def test_columns_are_not_overwritten(self, make_task: MakeTask) -> None:
        with pytest.raises(PairsError, match="'group1' already"):
            make_task(table(), groups=GROUP_OF)
        with pytest.raises(InputError, match="images_path"):
            make_task(table()).__class__("x", "pairs.csv")


def test_replicates_agree_with_the_scalar_functions() -> None:
    generator = np.random.default_rng(0)
    fmr, fnmr = (generator.integers(0, 4, (50, 3)) / 8 for _ in range(2))
    found = g.fairness_replicates(fmr, fnmr, 0.3)
    for row in range(50):
        assert_allclose(found["fdr"][row], g.fdr(fmr[row], fnmr[row], 0.3))
        assert_allclose(found["garbe"][row], g.garbe(fmr[row], fnmr[row], 0.3))
        assert_allclose(found["fmr max/min"][row], g.max_min_ratio(fmr[row]))
        assert_allclose(found["fnmr max/geomean"][row], g.max_geomean_ratio(fnmr[row]))


@pytest.mark.slow
def test_pictures(make_task: MakeTask, tmp_path: Path) -> None:
    task = make_task(table(), fmr=0.1)
    frame = with_distances(task)
    results = task.compute_task_performance(frame)
    identity = {"Task Name": "fair", "Model Name": "m", "Layer Name": "default"}
    task.plot(str(tmp_path), results.assign(**identity), {"m": {"fair": frame}})
    names = {path.name for path in tmp_path.glob("*.png")}
    assert names == {"fair_group_fmr.png", "fair_group_fnmr.png", "fair_group_heat_map.png"}
