"""Whole runs through the public door: numbers, tables, files, failures."""

import logging
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics import pairwise, roc_auc_score, roc_curve

from facebench import (
    AccuracyTask,
    BaseTask,
    ConditionedAverageDistances,
    CorrelationTask,
    MultiModelTaskManager,
    RelativeDifferenceTask,
)
from facebench.errors import (
    DuplicateNameError,
    ImageError,
    InputError,
    LayerOutputError,
    MetricError,
    MissingImageError,
    ModelError,
    PairsError,
    RunFailedError,
    UnknownNameError,
)
from support.small_net import small_transform

TESTS = str(Path(__file__).parents[1])


def four_tasks(world, metric=pairwise.cosine_distances):
    common = (world.pairs, world.images, metric)
    return [
        AccuracyTask("verify", *common, true_label="same"),
        CorrelationTask("rate", *common, correlation_metric=spearmanr),
        ConditionedAverageDistances("conditions", *common),
        RelativeDifferenceTask("effect", *common, group_column="group"),
    ]


def plain_distances(model, world, metric):
    """The plain way: both images of every pair embedded again, one distance call per pair."""
    values = {}
    for row in world.rows:
        outputs = [
            model.get_output(model.preprocess_image(world.images / row[column]))
            for column in ("img1", "img2")
        ]
        for layer in outputs[0]:
            distance = float(np.asarray(metric(outputs[0][layer], outputs[1][layer])).mean())
            values.setdefault(layer, []).append(distance)
    return values


def two_models(world, small_net, store):
    models = [small_net("a"), small_net("b", ["4", "0", "1"])]
    return MultiModelTaskManager(models, four_tasks(world), cache_dir=store)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return tmp_path_factory.mktemp("exported")


@pytest.fixture(scope="module")
def finished(world, small_net, exported, tmp_path_factory):
    manager = two_models(world, small_net, tmp_path_factory.mktemp("store"))
    manager.run_all_tasks_all_models(exported)
    return manager


class TestNumbers:
    @pytest.mark.parametrize(
        "metric",
        [
            pairwise.cosine_distances,
            pairwise.euclidean_distances,
            torch.cdist,
            lambda a, b: (a - b) ** 2,
        ],
    )
    def test_distances_equal_a_plain_loop(self, world, small_net, tmp_path, metric):
        model = small_net(extract_layers=["0", "2", "4"])
        manager = MultiModelTaskManager(model, four_tasks(world, metric))
        manager.run_all_tasks_all_models(tmp_path, plots=False)
        expected = plain_distances(model, world, metric)
        for task in manager.tasks:
            table = manager.model_task_distances_dfs["small"][task]
            assert list(table["layer_name"].unique()) == ["0", "2", "4"]
            for layer, rows in table.groupby("layer_name"):
                np.testing.assert_allclose(
                    rows["model_computed_distance"], expected[layer], rtol=1e-5, atol=1e-6
                )

    def test_metrics_equal_scikit_learn_and_scipy(self, finished, world):
        rows = pd.DataFrame(world.rows)
        for model, layer in (("a", "default"), ("b", "0"), ("b", "4")):

            def result(task, model=model, layer=layer):
                table = finished.unrounded_performance_dfs[task]
                return table[(table["Model Name"] == model) & (table["Layer Name"] == layer)]

            table = finished.model_task_distances_dfs[model]["verify"]
            distance = table.loc[table["layer_name"] == layer, "model_computed_distance"].to_numpy()
            similarity = 1 - distance
            false, true, thresholds = roc_curve(rows["same"], similarity)
            best = thresholds[np.argmax(true - false)]
            verify = result("verify").iloc[0]
            assert verify["Optimal Threshold"] == best
            assert verify["Accuracy"] == np.mean((similarity >= best) == rows["same"])
            assert verify["AUC"] == pytest.approx(roc_auc_score(rows["same"], similarity))
            rate = result("rate").iloc[0]
            expected = spearmanr(distance, rows["distance"]).statistic
            assert rate["Correlation Score"] == pytest.approx(expected)
            conditions = result("conditions").set_index("Condition")["Mean Value"]
            for condition, mean in (
                pd.Series(distance / distance.max()).groupby(rows["condition"]).mean().items()
            ):
                assert conditions[condition] == pytest.approx(mean)
            upright, inverted = (
                distance[rows["group"] == group].mean() for group in ("upright", "inverted")
            )
            effect = result("effect").iloc[0]
            assert effect["Relative Difference"] == pytest.approx(
                (upright - inverted) / (upright + inverted)
            )

    @pytest.mark.parametrize("num_workers", [0, 2])
    @pytest.mark.parametrize("batch_size", [1, 7, 32])
    def test_batch_size_and_workers_change_nothing(
        self, finished, world, small_net, tmp_path, batch_size, num_workers
    ):
        manager = MultiModelTaskManager(
            [small_net("a"), small_net("b", ["0", "1", "4"])],
            four_tasks(world),
            batch_size,
            num_workers=num_workers,
        )
        manager.run_all_tasks_all_models(tmp_path, plots=False)
        for model in manager.models:
            for task in manager.tasks:
                np.testing.assert_allclose(
                    manager.model_task_distances_dfs[model][task]["model_computed_distance"],
                    finished.model_task_distances_dfs[model][task]["model_computed_distance"],
                    atol=1e-5,
                )

    def test_each_image_goes_through_a_model_once(self, finished, world):
        unique = {row[column] for row in world.rows for column in ("img1", "img2")}
        for model in finished.models.values():
            assert model.images_seen == len(unique)

    def test_in_place_layers_keep_their_own_values(self, finished):
        table = finished.model_task_distances_dfs["b"]["verify"]
        conv, relu = (
            table.loc[table["layer_name"] == layer, "model_computed_distance"].to_numpy()
            for layer in ("0", "1")
        )
        assert not np.allclose(conv, relu)


class TestTables:
    def test_performance_columns_are_as_documented(self, finished):
        identity = ["Task Name", "Model Name", "Layer Name"]
        expected = {
            "verify": ["Accuracy", "Optimal Threshold", "AUC", "Distance Metric", "Threshold From"],
            "rate": ["Correlation Score", "Distance Metric", "Correlation Metric"],
            "conditions": ["Condition", "Mean Value", "Distance Metric"],
            "effect": ["upright Mean", "inverted Mean", "Relative Difference", "Distance Metric"],
        }
        for task, columns in expected.items():
            assert list(finished.tasks_performance_dfs[task].columns) == identity + columns

    def test_layers_come_in_network_order(self, finished):
        table = finished.tasks_performance_dfs["verify"]
        assert list(zip(table["Model Name"], table["Layer Name"], strict=True)) == [
            ("a", "default"),
            ("b", "0"),
            ("b", "1"),
            ("b", "4"),
        ]

    def test_values_are_rounded_and_the_unrounded_are_kept(self, finished):
        for task, table in finished.tasks_performance_dfs.items():
            numbers = table.select_dtypes("number")
            unrounded = finished.unrounded_performance_dfs[task][numbers.columns]
            whole = list(finished.tasks[task].whole_measures)
            pd.testing.assert_frame_equal(numbers[whole], unrounded[whole], check_exact=True)
            numbers, unrounded = (table.drop(columns=whole) for table in (numbers, unrounded))
            pd.testing.assert_frame_equal(numbers, unrounded.round(5))
            assert numbers.empty or not numbers.equals(unrounded)

    def test_every_row_and_column_of_the_file_survives_in_order(self, finished, world):
        table = finished.model_task_distances_dfs["b"]["effect"]
        assert list(table.columns) == [*world.rows[0], "layer_name", "model_computed_distance"]
        for _, rows in table.groupby("layer_name"):
            found = rows[list(world.rows[0])].to_dict("records")
            assert found == world.rows

    def test_running_again_replaces_rows(self, world, small_net, tmp_path):
        manager = two_models(world, small_net, tmp_path / "store")
        manager.run_all_tasks_all_models(tmp_path / "out", plots=False)
        before = {task: table.copy() for task, table in manager.tasks_performance_dfs.items()}
        manager.run_task("a", "verify", tmp_path)
        for task, table in manager.tasks_performance_dfs.items():
            pd.testing.assert_frame_equal(table, before[task])

    def test_unified_summary_has_a_row_per_model_and_layer(self, finished):
        summary = finished.unified_summary()
        assert len(summary) == 4
        assert list(summary.columns) == [
            "Model Name",
            "Layer Name",
            "verify: Accuracy",
            "verify: Optimal Threshold",
            "verify: AUC",
            "rate: Correlation Score",
            "conditions - near: Mean Value",
            "conditions - far: Mean Value",
            "conditions - odd/even: Mean Value",
            "effect: upright Mean",
            "effect: inverted Mean",
            "effect: Relative Difference",
        ]
        assert summary.notna().all().all()


class TestFiles:
    @pytest.mark.usefixtures("finished")
    def test_all_documented_files_are_written(self, exported):
        found = {str(path.relative_to(exported)) for path in exported.rglob("*") if path.is_file()}
        distances = {
            f"Computed Metrics/{place}/{task}.csv"
            for place in ("a", "b/0", "b/1", "b/4")
            for task in ("verify", "rate", "conditions", "effect")
        }
        tables = {
            f"{name} Plots/{name} results.csv"
            for name in (
                "AccuracyTask",
                "CorrelationTask",
                "ConditionedAverageDistances",
                "RelativeDifferenceTask",
            )
        }
        pictures = {
            "AccuracyTask Plots/verify_accuracy_comparison.png",
            "CorrelationTask Plots/rate_scatters_comparison.png",
            "CorrelationTask Plots/rate_correlation_comparison.png",
            "ConditionedAverageDistances Plots/conditions_average_distance_comparison_near.png",
            "RelativeDifferenceTask Plots/effect_relative_difference_comparison.png",
        }
        expected = distances | tables | pictures | {"models_unified_results.csv"}
        assert expected <= found
        assert not [name for name in found if Path(name).name.startswith(".")]

    def test_exported_tables_read_back(self, finished, exported):
        summary = pd.read_csv(exported / "models_unified_results.csv")
        pd.testing.assert_frame_equal(summary, finished.unified_summary(), check_dtype=False)
        read = pd.read_csv(exported / "Computed Metrics/b/4/rate.csv")
        table = finished.model_task_distances_dfs["b"]["rate"]
        kept = table[table["layer_name"] == "4"].reset_index(drop=True)
        np.testing.assert_array_equal(
            read["model_computed_distance"], kept["model_computed_distance"]
        )

    def test_unsafe_names_make_safe_files_that_do_not_collide(self, world, small_net, tmp_path):
        tasks = [
            AccuracyTask(name, world.pairs, world.images, true_label="same")
            for name in ("a/b", "a:b", "../up")
        ]
        manager = MultiModelTaskManager(small_net("meta/net"), tasks)
        manager.run_all_tasks_all_models(tmp_path / "out")
        assert len(list((tmp_path / "out" / "Computed Metrics").rglob("*.csv"))) == 3
        assert {path.name for path in tmp_path.iterdir()} == {"out"}

    def test_no_export_path_means_the_current_folder(self, world, small_net, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        manager = MultiModelTaskManager(small_net(), four_tasks(world)[0])
        manager.run_task_with_all_models("verify")
        manager.export_unified_summary()
        assert (tmp_path / "models_unified_results.csv").is_file()
        assert (tmp_path / "AccuracyTask Plots" / "AccuracyTask results.csv").is_file()

    def test_tasks_of_a_class_run_one_by_one_share_its_table(self, world, small_net, tmp_path):
        tasks = [
            AccuracyTask(name, world.pairs, world.images, true_label="same") for name in ("x", "y")
        ]
        manager = MultiModelTaskManager(small_net(), tasks)
        for name in ("x", "y"):
            manager.run_task_with_all_models(name, tmp_path)
        results = pd.read_csv(tmp_path / "AccuracyTask Plots" / "AccuracyTask results.csv")
        assert results["Task Name"].tolist() == ["x", "y"]

    def test_exports_can_be_asked_for_again_elsewhere(self, finished, exported, tmp_path):
        again = tmp_path / "again"
        finished.export_computed_metrics(again)
        finished.export_model_results_by_task(again)
        finished.export_unified_summary(again)

        def tree(folder):
            return {path.relative_to(folder) for path in folder.rglob("*")}

        assert tree(again) == tree(exported)


class TestTalk:
    def test_library_prints_nothing(self, world, small_net, tmp_path, capfd):
        MultiModelTaskManager(small_net(), four_tasks(world)).run_all_tasks_all_models(tmp_path)
        assert capfd.readouterr() == ("", "")

    def test_print_log_tells_on_standard_error(self, world, small_net, tmp_path):
        code = f"""
            import sys; sys.path.insert(0, {TESTS!r})
            from support.small_net import SmallNet, small_transform
            from facebench import AccuracyTask, MultiModelTaskManager
            common = ({str(world.pairs)!r}, {str(world.images)!r})
            task = AccuracyTask("verify", *common, true_label="same")
            MultiModelTaskManager(SmallNet("n", None, None, small_transform), task).run_task(
                "n", "verify", {str(tmp_path)!r}, print_log=True)
        """
        run = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout == ""
        assert "'n': 18 images for 1 task." in run.stderr
        assert str(tmp_path) in run.stderr


class TestBadInput:
    def test_two_models_or_tasks_of_one_name(self, world, small_net):
        with pytest.raises(DuplicateNameError, match="Two models are named 'small'"):
            MultiModelTaskManager([small_net(), small_net()], four_tasks(world))
        manager = MultiModelTaskManager(small_net(), four_tasks(world))
        with pytest.raises(DuplicateNameError, match="Two tasks are named 'verify'"):
            manager.add_tasks(four_tasks(world)[0])
        with pytest.raises(DuplicateNameError):
            manager.add_models([small_net()])

    def test_added_models_and_tasks_run(self, world, small_net, tmp_path):
        manager = MultiModelTaskManager([], [])
        manager.add_models(small_net("late"))
        manager.add_tasks(four_tasks(world)[:2])
        manager.run_all_tasks_with_model("late", tmp_path, plots=False)
        assert list(manager.tasks_performance_dfs) == ["verify", "rate"]

    @pytest.mark.parametrize("wrong", ["small", 3, [object()]])
    def test_something_else_than_a_model(self, world, wrong):
        with pytest.raises(InputError, match="BaseModel"):
            MultiModelTaskManager(wrong, four_tasks(world))

    @pytest.mark.parametrize(
        "options",
        [{"batch_size": 0}, {"batch_size": "8"}, {"num_workers": -1}, {"on_bad_image": 1}],
    )
    def test_options_out_of_range(self, world, small_net, options):
        with pytest.raises(InputError, match=next(iter(options))):
            MultiModelTaskManager(small_net(), four_tasks(world), **options)

    def test_nothing_to_run(self, tmp_path):
        with pytest.raises(InputError, match="0 models and 0 tasks"):
            MultiModelTaskManager([], []).run_all_tasks_all_models(tmp_path, plots=False)

    def test_unknown_names_suggest_the_closest(self, world, small_net, tmp_path):
        manager = MultiModelTaskManager(small_net(), four_tasks(world))
        with pytest.raises(UnknownNameError, match=r"no task 'verifi'.*Did you mean 'verify'"):
            manager.run_task("small", "verifi", tmp_path)
        with pytest.raises(KeyError, match="no model 'smal'"):
            manager.run_all_tasks_with_model("smal", tmp_path, plots=False)

    def test_export_path_is_a_file(self, world, small_net, tmp_path):
        (tmp_path / "taken").write_text("")
        model = small_net()
        with pytest.raises(InputError, match="must be a folder"):
            MultiModelTaskManager(model, four_tasks(world)).run_task(
                "small", "verify", tmp_path / "taken"
            )
        assert model.images_seen == 0

    def test_missing_images_are_counted_before_any_forward(self, world, small_net, tmp_path):
        table = tmp_path / "pairs.csv"
        rows = "\n".join(f"gone{i}.png,person 0/0.png,{i % 2}" for i in range(7))
        table.write_text(f"img1,img2,same\n{rows}\n")
        good = four_tasks(world)
        bad = AccuracyTask("bad", table, world.images, true_label="same")
        model = small_net()
        with pytest.raises(MissingImageError, match=r"7 of 8 images.*'gone0.png' in row 1") as info:
            MultiModelTaskManager(model, [*good, bad]).run_all_tasks_all_models(tmp_path)
        assert "gone4" in str(info.value)
        assert "gone5" not in str(info.value)
        assert model.images_seen == 0

    def test_names_that_leave_the_folder(self, world, small_net, tmp_path):
        table = tmp_path / "pairs.csv"
        table.write_text(
            "img1,img2,same\nperson 0/0.png,../pairs.csv,1\nperson 0/0.png,person 1/0.png,0\n"
        )
        manager = MultiModelTaskManager(
            small_net(), AccuracyTask("out", table, world.images, true_label="same")
        )
        with pytest.raises(PairsError, match=r"'../pairs.csv' in row 1"):
            manager.run_all_tasks_all_models(tmp_path)


class TestBadImages:
    def test_they_stop_the_run_all_named(self, broken_world, small_net, tmp_path):
        models = [small_net("a"), small_net("b")]
        manager = MultiModelTaskManager(models, four_tasks(broken_world))
        with pytest.raises(ImageError, match="2 of 18 images cannot be read") as info:
            manager.run_all_tasks_all_models(tmp_path, plots=False)
        assert "person 0" in str(info.value)
        assert "person 3" in str(info.value)
        assert "on_bad_image='skip'" in str(info.value)
        assert models[1].images_seen == 0

    def test_skipping_reports_what_each_task_lost(self, broken_world, small_net, tmp_path, caplog):
        bad = {"person 0/0.png", "person 3/1.png"}
        lost = [bool({row["img1"], row["img2"]} & bad) for row in broken_world.rows]
        manager = MultiModelTaskManager(small_net(), four_tasks(broken_world), on_bad_image="skip")
        with caplog.at_level(logging.WARNING, "facebench"):
            manager.run_all_tasks_all_models(tmp_path)
        for task in manager.tasks:
            assert f"Task '{task}': {sum(lost)} of 44 pairs are left out" in caplog.text
            assert manager.unified_summary()[f"{task}: Pairs Lost"].tolist() == [sum(lost)]
            table = manager.model_task_distances_dfs["small"][task]
            assert table["model_computed_distance"].isna().tolist() == lost
        distance = table["model_computed_distance"]
        expected = distance[table["group"] == "upright"].mean()
        effect = manager.unrounded_performance_dfs["effect"].iloc[0]
        assert effect["upright Mean"] == pytest.approx(expected)

    def test_skipping_the_first_pair_keeps_the_order_of_groups(
        self, broken_world, small_net, tmp_path
    ):
        table = tmp_path / "pairs.csv"
        bad, good = "person 0/0.png", [f"person {i}/0.png" for i in (1, 2, 4, 5)]
        rows = [(bad, good[0], "up"), (good[0], good[1], "down"), (good[2], good[3], "up")]
        pd.DataFrame(rows, columns=["img1", "img2", "group"]).to_csv(table, index=False)
        task = RelativeDifferenceTask("order", table, broken_world.images, group_column="group")
        manager = MultiModelTaskManager(small_net(), task, on_bad_image="skip")
        manager.run_all_tasks_all_models(tmp_path / "out")
        results = manager.unrounded_performance_dfs["order"].iloc[0]
        assert list(results.index[3:5]) == ["up Mean", "down Mean"]
        expected = (results["up Mean"] - results["down Mean"]) / results[3:5].sum()
        assert results["Relative Difference"] == pytest.approx(expected)

    def test_skipping_a_whole_class_is_explained(self, broken_world, small_net, tmp_path):
        table = tmp_path / "pairs.csv"
        table.write_text(
            "img1,img2,same\nperson 0/0.png,person 0/1.png,1\nperson 1/0.png,person 2/0.png,0\n"
        )
        task = AccuracyTask("one", table, broken_world.images, true_label="same")
        manager = MultiModelTaskManager(small_net(), task, on_bad_image="skip")
        with pytest.raises(PairsError, match=r"both classes.*all different"):
            manager.run_all_tasks_all_models(tmp_path)

    def test_tasks_that_handle_failed_pairs_are_given_all(self, broken_world, small_net, tmp_path):
        class Failures(BaseTask):
            handles_failed_pairs = True

            def compute_task_performance(self, pairs_distances_df):
                assert pairs_distances_df["note"].tolist() == self.pairs_df["note"].tolist()
                failed = pairs_distances_df["model_computed_distance"].isna()
                pairs_distances_df["note"] = "mine to change"
                return pd.DataFrame({"Failed": [failed.sum()], "Rows": [len(failed)]})

            def plot(self, output_dir, performances, *optional):
                pass

        bad = {"person 0/0.png", "person 3/1.png"}
        lost = sum(bool({row["img1"], row["img2"]} & bad) for row in broken_world.rows)
        task = Failures("failures", broken_world.pairs, broken_world.images)
        manager = MultiModelTaskManager(small_net(), task, on_bad_image="skip")
        manager.run_all_tasks_all_models(tmp_path)
        found = manager.tasks_performance_dfs["failures"]
        assert (found["Failed"] == lost).all()
        assert (found["Rows"] == 44).all()
        table = manager.model_task_distances_dfs["small"]["failures"]
        assert "mine to change" not in set(table["note"])

    def test_old_style_tasks_see_only_the_pairs_that_are_left(
        self, broken_world, small_net, tmp_path
    ):
        class OldStyle(BaseTask):
            def compute_task_performance(self, pairs_distances_df):
                assert len(self.pairs_df) == len(pairs_distances_df)
                given = self.pairs_df["distance"].values
                error = (given - pairs_distances_df["model_computed_distance"].values) ** 2
                return pd.DataFrame({"MSE": [error.mean()]})

            @staticmethod
            def plot(output_dir, performances, *optional):
                pass

        task = OldStyle("old", broken_world.pairs, broken_world.images)
        manager = MultiModelTaskManager(small_net(), task, on_bad_image="skip")
        manager.run_all_tasks_all_models(tmp_path)
        assert manager.tasks_performance_dfs["old"]["MSE"].notna().all()
        assert len(task.pairs_df) == len(broken_world.rows)


class Failing(BaseTask):
    def compute_task_performance(self, pairs_distances_df):
        raise ZeroDivisionError("division by zero in my task")

    @staticmethod
    def plot(output_dir, performances, *optional):
        pass


class TestFailures:
    def test_a_failing_task_loses_nothing_else(self, world, small_net, tmp_path):
        tasks = [
            *four_tasks(world)[:2],
            Failing("bad", world.pairs, world.images),
            *four_tasks(world)[2:],
        ]
        manager = MultiModelTaskManager(small_net(), tasks)
        with pytest.raises(ZeroDivisionError) as info:
            manager.run_all_tasks_all_models(tmp_path)
        assert "small / bad" in info.value.__notes__[0]
        assert set(manager.tasks_performance_dfs) == {"verify", "rate", "conditions", "effect"}
        assert (tmp_path / "Computed Metrics/small/effect.csv").is_file()
        assert (
            tmp_path / "RelativeDifferenceTask Plots/RelativeDifferenceTask results.csv"
        ).is_file()
        assert (
            "effect: Relative Difference"
            in ((tmp_path / "models_unified_results.csv").read_text().splitlines()[0])
        )

    def test_several_failures_are_reported_together(self, world, small_net, tmp_path):
        class NanNet(type(small_net())):
            def _forward(self, input_tensor):
                return super()._forward(input_tensor) * float("nan")

        models = [small_net("nan", cls=NanNet), small_net("good")]
        tasks = [four_tasks(world)[0], Failing("bad", world.pairs, world.images)]
        manager = MultiModelTaskManager(models, tasks)
        with pytest.raises(RunFailedError, match="2 parts of the run failed") as info:
            manager.run_all_tasks_all_models(tmp_path, plots=False)
        assert [what for what, _ in info.value.failures] == ["nan", "good / bad"]
        assert isinstance(info.value.failures[0][1], LayerOutputError)
        assert "'default' of model 'nan'" in str(info.value)
        assert list(manager.tasks_performance_dfs["verify"]["Model Name"]) == ["good"]

    def test_a_failing_plot_loses_nothing(self, world, small_net, tmp_path):
        class Unplottable(AccuracyTask):
            @staticmethod
            def plot(output_dir, performances, *optional):
                raise RuntimeError("no ink")

        tasks = [
            Unplottable("plain", world.pairs, world.images, true_label="same"),
            four_tasks(world)[3],
        ]
        manager = MultiModelTaskManager(small_net(), tasks)
        with pytest.raises(RuntimeError, match="no ink"):
            manager.run_all_tasks_all_models(tmp_path)
        assert (tmp_path / "Unplottable Plots/Unplottable results.csv").is_file()
        assert list((tmp_path / "RelativeDifferenceTask Plots").glob("*.png"))

    def test_a_crash_leaves_the_tasks_before_it_exported(self, world, tmp_path):
        code = f"""
            import os, sys; sys.path.insert(0, {TESTS!r})
            from support.small_net import SmallNet, small_transform
            from facebench import AccuracyTask, MultiModelTaskManager
            class Crash(AccuracyTask):
                calls = 0
                def compute_task_performance(self, pairs_distances_df):
                    Crash.calls += 1
                    if Crash.calls == 2:
                        os._exit(9)
                    return super().compute_task_performance(pairs_distances_df)
            common = ({str(world.pairs)!r}, {str(world.images)!r})
            tasks = [AccuracyTask(f"t{{i}}", *common, true_label="same") for i in range(6)]
            tasks.append(Crash("t6", *common, true_label="same"))
            models = [SmallNet(name, None, None, small_transform) for name in "mn"]
            MultiModelTaskManager(models, tasks).run_all_tasks_all_models({str(tmp_path)!r})
        """
        run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
        assert run.returncode == 9
        exported = {path.stem for path in (tmp_path / "Computed Metrics/n").glob("*.csv")}
        assert exported == {f"t{i}" for i in range(6)}
        # A row of it has a column for every task: it is written when a model is done.
        summary = pd.read_csv(tmp_path / "models_unified_results.csv")
        assert summary["Model Name"].tolist() == ["m"]
        assert summary["t6: AUC"].notna().all()
        results = pd.read_csv(tmp_path / "AccuracyTask Plots" / "AccuracyTask results.csv")
        for _name, own in results.groupby("Model Name"):
            assert own["Task Name"].tolist() == [f"t{i}" for i in range(6)]
        assert set(results["Model Name"]) == {"m", "n"}

    def test_interrupting_keeps_what_is_finished(self, world, small_net, tmp_path):
        class Interrupt(AccuracyTask):
            def compute_task_performance(self, pairs_distances_df):
                raise KeyboardInterrupt

        tasks = [
            four_tasks(world)[0],
            Interrupt("stop", world.pairs, world.images, true_label="same"),
        ]
        manager = MultiModelTaskManager(small_net(), tasks)
        with pytest.raises(KeyboardInterrupt):
            manager.run_all_tasks_all_models(tmp_path, plots=False)
        assert (tmp_path / "Computed Metrics/small/verify.csv").is_file()
        assert (tmp_path / "models_unified_results.csv").is_file()

    def test_wrong_return_of_a_task_is_explained(self, world, small_net, tmp_path):
        class ReturnsNumber(Failing):
            def compute_task_performance(self, pairs_distances_df):
                return 0.5

        manager = MultiModelTaskManager(small_net(), ReturnsNumber("n", world.pairs, world.images))
        with pytest.raises(InputError, match="must return a DataFrame"):
            manager.run_task("small", "n", tmp_path)


class TestCustomParts:
    def test_preprocessing_with_gradients_crosses_from_workers(self, world, small_net, tmp_path):
        class Learned(type(small_net())):
            scale = torch.nn.Parameter(torch.tensor(2.0))

            def preprocess_image(self, image_path):
                return super().preprocess_image(image_path) * self.scale

        manager = MultiModelTaskManager(small_net(cls=Learned), four_tasks(world)[0], num_workers=2)
        manager.run_all_tasks_all_models(tmp_path, plots=False)
        assert len(manager.tasks_performance_dfs["verify"]) == 1

    @pytest.mark.parametrize("batch_size", [1, 5, 18])
    def test_a_squeezing_forward_works_for_any_batch(self, world, small_net, tmp_path, batch_size):
        class Squeezing(type(small_net())):
            def _forward(self, input_tensor):
                return super()._forward(input_tensor).squeeze()

        manager = MultiModelTaskManager(small_net(cls=Squeezing), four_tasks(world)[0], batch_size)
        manager.run_all_tasks_all_models(tmp_path, plots=False)
        assert len(manager.model_task_distances_dfs["small"]["verify"]) == len(world.rows)

    def test_a_failing_forward_names_model_and_image(self, world, small_net, tmp_path):
        model = small_net()
        model.set_preprocess_function(lambda image: (small_transform(image) * 255).byte())
        manager = MultiModelTaskManager(model, four_tasks(world)[0])
        with pytest.raises(ModelError, match=r"'small' failed on a batch.*uint8.*person"):
            manager.run_all_tasks_all_models(tmp_path, plots=False)

    def test_custom_tasks_are_computed_once_per_layer(self, world, small_net, tmp_path):
        calls = []

        class Counting(AccuracyTask):
            def compute_task_performance(self, pairs_distances_df):
                calls.append(pairs_distances_df["layer_name"].iloc[0])
                return super().compute_task_performance(pairs_distances_df)

        task = Counting("count", world.pairs, world.images, true_label="same")
        manager = MultiModelTaskManager(small_net(extract_layers=["0", "4"]), task)
        manager.run_task("small", "count", tmp_path)
        assert calls == ["0", "4"]

    def test_a_metric_of_another_width_is_found_after_the_first_batch(
        self, world, small_net, tmp_path
    ):
        weights = torch.eye(5)  # the network gives 8 numbers
        bad = AccuracyTask(
            "bad", world.pairs, world.images, lambda a, b: (a - b) @ weights @ (a - b).T, "same"
        )
        model = small_net()
        with pytest.raises(MetricError, match="shape"):
            MultiModelTaskManager(model, bad, 4).run_all_tasks_all_models(tmp_path, plots=False)
        assert model.images_seen == 4
        manager = MultiModelTaskManager(small_net(), [bad, four_tasks(world)[1]], 4)
        with pytest.raises(MetricError):
            manager.run_all_tasks_all_models(tmp_path, plots=False)
        assert list(manager.tasks_performance_dfs) == ["rate"]

    def test_a_new_distance_metric_is_used_and_named(self, world, small_net, tmp_path):
        task = four_tasks(world)[0]
        task.distance_metric = pairwise.euclidean_distances
        manager = MultiModelTaskManager(small_net(), task)
        manager.run_all_tasks_all_models(tmp_path, plots=False)
        results = manager.tasks_performance_dfs["verify"].iloc[0]
        assert results["Distance Metric"] == "euclidean_distances"
        expected = plain_distances(small_net(), world, pairwise.euclidean_distances)["default"]
        table = manager.model_task_distances_dfs["small"]["verify"]
        np.testing.assert_allclose(table["model_computed_distance"], expected, rtol=1e-5)

    def test_an_image_is_at_distance_zero_from_itself(self, world, small_net, tmp_path):
        table = tmp_path / "pairs.csv"
        names = sorted({row["img1"] for row in world.rows})
        rows = [(name, name, "self") for name in names]
        pd.DataFrame(rows, columns=["img1", "img2", "condition"]).to_csv(table, index=False)
        task = ConditionedAverageDistances("self", table, world.images)
        manager = MultiModelTaskManager(small_net(), task)
        manager.run_all_tasks_all_models(tmp_path, plots=False)
        assert manager.tasks_performance_dfs["self"]["Mean Value"].tolist() == [0.0]

    def test_a_device_torch_does_not_have(self, small_net):
        with pytest.raises(InputError, match=r"'device' of a model.*'gpu'"):
            small_net(device="gpu")


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_run_leaves_no_files_behind_elsewhere(world, small_net, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = names(world.folder)
    MultiModelTaskManager(small_net(), four_tasks(world)).run_all_tasks_all_models("out")
    assert names(tmp_path) == {"out"}
    assert names(world.folder) == before
