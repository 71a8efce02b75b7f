"""The table of a layer profile, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebench import PlotHelper, layer_profile
from facebench.errors import InputError
from facebench.figures.records.run_facts import RunFacts
from support.layer_values import table


class TestTable:
    def test_depth_peak_and_interval(self) -> None:
        values = [0.5, 0.96, 1.0, 1.0]
        frame = table(values, **{"AUC CI Low": np.array(values) - 0.1})
        found = layer_profile(pd.concat([frame, table([0.7], "one")]), "AUC")
        assert found["depth"].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1, 1])
        assert found["is_peak"].tolist() == [False, False, True, False, True]
        assert found["reaches_95"].tolist() == [False, True, False, False, True]
        assert found["low"][:4].tolist() == pytest.approx([0.4, 0.86, 0.9, 0.9])
        assert found["high"].isna().all()
        assert found["excludes_zero"].tolist() == [True] * 4 + [False]

    def test_network_order(self) -> None:
        frame = table([0.5, 0.9]).assign(**{"Layer Name": ["late", "early"]})
        found = layer_profile(frame, "AUC", layers={"net": ["early", "middle", "late", "head"]})
        assert found["Layer Name"].tolist() == ["early", "late"]
        assert found["layer_index"].tolist() == [0, 2]
        assert found["depth"].tolist() == pytest.approx([0, 2 / 3])

    def test_a_container_is_where_its_last_leaf_is(self) -> None:
        names = ["conv1", "layer1", "layer1.0", "layer1.0.conv", "layer1.0.relu", "layer1.1",
                 "layer1.1.conv", "layer1.1.relu", "fc"]  # fmt: skip
        shown = ["conv1", "layer1", "layer1.0", "layer1.0.conv", "layer1.1.relu", "fc"]
        frame = table([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]).assign(**{"Layer Name": shown})
        for layers in (names, [name for name in names if name in shown or "." in name[7:]]):
            found = layer_profile(frame, "AUC", layers={"net": layers}).set_index("Layer Name")
            assert found.index.tolist() == [
                "conv1", "layer1.0.conv", "layer1.0", "layer1.1.relu", "layer1", "fc",
            ]  # fmt: skip
            assert found["layer_index"].tolist() == [0, 1, 2, 4, 4, 5]
            assert found["depth"].tolist() == pytest.approx([0, 0.2, 0.4, 0.8, 0.8, 1])
            assert found["value"].tolist() == [0.1, 0.4, 0.3, 0.5, 0.2, 0.6]
        # Without the network's layers, the table's own are put in order.
        found = layer_profile(frame.drop(index=3), "AUC")
        assert found["Layer Name"].tolist() == [
            "conv1",
            "layer1.0",
            "layer1.1.relu",
            "layer1",
            "fc",
        ]
        assert found["depth"].tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1])

    def test_the_layers_that_a_run_knows(self) -> None:
        frame = pd.concat([table([0.5, 0.9]), table([0.7], "other")], ignore_index=True)
        frame.loc[2, "Layer Name"] = "default"
        names = ["layer0", "b", "layer1", "c", "d"]
        RunFacts(layers={"net": names, "other": names}).note(frame)
        assert layer_profile(frame, "AUC")["depth"].tolist() == [0, 0.5, 1]
        # What is said counts first; renamed layers are in the order of the table.
        said = layer_profile(frame, "AUC", layers={"net": names[:3]})
        assert said["depth"].tolist() == [0, 1, 1]
        renamed = frame.replace({"Layer Name": {"layer1": "second"}})
        assert layer_profile(renamed, "AUC")["depth"].tolist() == [0, 1, 1]

    def test_containers_alone_have_depth_of_their_ends(self) -> None:
        names = [f"blocks.{i}{part}" for i in range(4) for part in ("", ".attn", ".mlp")]
        frame = table([0.1, 0.4]).assign(**{"Layer Name": ["blocks.0", "blocks.3"]})
        found = layer_profile(frame, "AUC", layers={"net": ["blocks", *names, "head"]})
        assert found["depth"].tolist() == pytest.approx([1 / 8, 7 / 8])

    def test_smaller_is_better(self) -> None:
        found = layer_profile(table([0.9, 0.1, 0.5]), "AUC", larger_is_better=False)
        assert found["is_peak"].tolist() == found["reaches_95"].tolist() == [False, True, False]

    def test_the_tables_of_a_run_know_what_is_better_lower(self, tmp_path) -> None:
        frame = table([0.9, 0.1, 0.5])
        RunFacts(measures={"t": {"AUC": {"better": "lower"}}}).note(frame)
        assert layer_profile(frame, "AUC")["is_peak"].tolist() == [False, True, False]
        assert layer_profile(frame, "AUC", larger_is_better=True)["is_peak"].tolist()[0]
        PlotHelper.plot_layer_profile(frame, "AUC", tmp_path, "p")

    def test_conditions(self) -> None:
        frame = pd.concat([table([0.1, 0.2]), table([0.3, 0.4])])
        frame["Condition"] = ["a", "a", "b", "b"]
        assert layer_profile(frame, "AUC", condition="b")["value"].tolist() == [0.3, 0.4]
        with pytest.raises(InputError, match=r"more than once\. Give the 'condition'"):
            layer_profile(frame, "AUC")
        with pytest.raises(InputError, match="must be one of 'a', 'b'"):
            layer_profile(frame, "AUC", condition="c")

    @pytest.mark.slow
    @given(st.lists(st.floats(-5, 5) | st.just(float("nan")), min_size=1, max_size=12))
    def test_the_peak_is_reached_no_later_than_it_is(self, values) -> None:
        found = layer_profile(table(values), "AUC")
        defined = found["value"].dropna()
        assert found["is_peak"].sum() == found["reaches_95"].sum() == (len(defined) > 0)
        if len(defined):
            peak = found.index[found["is_peak"]][0]
            first = found.index[found["reaches_95"]][0]
            assert first <= peak
            assert found["value"][peak] == defined.max()

    def test_bad_input(self) -> None:
        with pytest.raises(InputError, match="'measure' parameter"):
            layer_profile(table([1.0]), "auc")
        with pytest.raises(InputError, match="They lack 'layer1'"):
            layer_profile(table([1.0, 2.0]), "AUC", layers={"net": ["layer0"]})
