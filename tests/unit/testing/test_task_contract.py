"""What `check_task` finds in tasks."""

import numpy as np
import pandas as pd
import pytest

from facebench import BaseTask, EmbeddingTask, Measure, PlotHelper
from facebench.errors import ContractError
from facebench.testing import check_task


class MeanTask(BaseTask):
    def compute_task_performance(self, pairs_distances_df):
        return pd.DataFrame({"Mean": [pairs_distances_df["model_computed_distance"].mean()]})

    @staticmethod
    def plot(output_dir, performances, *optional):
        PlotHelper.bar_plot(
            performances=performances, y="Mean", ylabel="Mean", title_prefix="Mean",
            output_dir=output_dir, file_name="mean",
        )  # fmt: skip


class NormTask(EmbeddingTask):
    def compute_items(self, embeddings):
        return pd.DataFrame({"image": self.images, "norm": np.linalg.norm(embeddings, axis=1)})

    def compute_task_performance(self, items_df):
        return pd.DataFrame({"Mean Norm": [items_df["norm"].mean()]})

    @staticmethod
    def plot(output_dir, performances, *optional):
        PlotHelper.bar_plot(
            performances=performances, y="Mean Norm", ylabel="Norm", title_prefix="Norm",
            output_dir=output_dir, file_name="norm",
        )  # fmt: skip


class TestTasks:
    @pytest.mark.slow
    def test_good_ones_pass(self, image_folder):
        check_task(MeanTask)
        paths = image_folder(3)
        folder = paths[0].parent
        check_task(lambda: NormTask("norm", [path.name for path in paths], folder))
        check_task(NormTask)

    def test_a_class_that_needs_what_is_not_generated(self):
        class Weighted(NormTask):
            def __init__(self, name, images, images_path, heights):
                super().__init__(name, images, images_path)

        with pytest.raises(ContractError, match="nothing is generated for its 'heights': check a"):
            check_task(Weighted)

    def test_bad_input_that_a_task_of_embeddings_takes(self):
        class Lenient(NormTask):
            def __init__(self, name, images_path, probes):
                super().__init__(name, ["person0/0.png", "person1/0.png"], images_path)

        with pytest.raises(ContractError, match="A missing file as 'probes' must raise InputError"):
            check_task(Lenient)

    def test_a_task_that_draws_nothing(self):
        class Blind(MeanTask):
            @staticmethod
            def plot(output_dir, performances, *optional):
                pass

        with pytest.raises(ContractError, match=r"wrote no picture"):
            check_task(Blind)

    @pytest.mark.slow
    def test_a_task_that_reports_something_else_than_it_declares(self):
        class Wrong(MeanTask):
            measures = (Measure("Mean", bounds=(0, 0.1)), Measure("Median", headline=True))

        with pytest.raises(ContractError, match=r"are not among its results: \['Median'\]"):
            check_task(Wrong)
        Wrong.measures = Wrong.measures[:1]
        with pytest.raises(ContractError, match=r"'Mean' must be from 0 to 0\.1, but is \[1\."):
            check_task(Wrong)
        Wrong.measures = (Measure("Mean", bounds=(0, 2)),)
        with pytest.raises(ContractError, match="no measure it declares is a headline"):
            check_task(Wrong)

    @pytest.mark.slow
    def test_chance_and_tables_that_depend_on_values(self):
        class Drawn(MeanTask):
            def compute_task_performance(self, pairs_distances_df):
                return pd.DataFrame({"Mean": [np.random.default_rng().random()]})

        class Named(MeanTask):
            def compute_task_performance(self, pairs_distances_df):
                mean = pairs_distances_df["model_computed_distance"].mean()
                return pd.DataFrame({f"{mean:.6f}": [1.0], "Mean": [mean]})

        with pytest.raises(ContractError, match="seed it"):
            check_task(Drawn)
        with pytest.raises(ContractError, match="columns depend on the values"):
            check_task(Named)

    @pytest.mark.slow
    def test_no_table_or_no_numbers(self):
        class Number(MeanTask):
            def compute_task_performance(self, pairs_distances_df):
                return 3.0

        class Words(MeanTask):
            def compute_task_performance(self, pairs_distances_df):
                return pd.DataFrame({"Verdict": ["good"]})

        with pytest.raises(ContractError, match="it returned a float"):
            check_task(Number)
        with pytest.raises(ContractError, match="no column holds numbers"):
            check_task(Words)

    @pytest.mark.slow
    def test_its_own_pairs_are_left_alone(self):
        class Greedy(MeanTask):
            def compute_task_performance(self, pairs_distances_df):
                self.pairs_df["truth"] = 7
                return super().compute_task_performance(pairs_distances_df)

        with pytest.raises(ContractError, match="changed its own pairs_df"):
            check_task(Greedy)
