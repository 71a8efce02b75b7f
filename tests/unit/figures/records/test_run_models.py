"""What a run's tables know of its models goes along with what is taken out of them."""

from __future__ import annotations

import copy

import pandas as pd

from facebench.figures.records.run_models import (
    controls_of,
    is_lower_better,
    joined,
    network_layers_of,
    note_models,
)

LAYERS = {"net": ["conv", "fc"], "random 0": ["conv", "fc"]}
CONTROLS = {"random": ["random 0"]}


def test_it_stays_with_rows_columns_and_copies() -> None:
    table = pd.DataFrame({"Model Name": ["net", "random 0"], "AUC": [0.9, 0.5]})
    note_models(table, LAYERS, CONTROLS, ["EER"])
    whole = pd.concat([table, table.copy()], ignore_index=True)
    for part in (table, table[table["AUC"] > 0.7], table["AUC"], copy.deepcopy(table), whole):
        assert network_layers_of(part) == LAYERS
        assert controls_of(part) == CONTROLS
        assert is_lower_better(part, "EER")
        # A measure is known by its whole name.
        assert not is_lower_better(part, "E")


def test_it_is_plain_text_that_pandas_need_not_copy() -> None:
    table = pd.DataFrame({"AUC": [0.9]})
    note_models(table, LAYERS, CONTROLS, ["EER"])
    assert all(isinstance(value, str) for value in table.attrs.values())


def test_tables_that_know_nothing_and_tables_made_by_hand() -> None:
    table = pd.DataFrame({"AUC": [0.9]})
    assert network_layers_of(table) == controls_of(table) == {}
    assert not is_lower_better(table, "AUC")
    table.attrs |= {"layers": LAYERS, "lower is better": ["EER"]}
    assert is_lower_better(table, "EER")
    assert network_layers_of(table) == LAYERS


def test_tables_joined_know_what_any_of_them_does() -> None:
    # Of one task before, of the other after, models were added.
    before, after = (pd.DataFrame({"AUC": [value]}) for value in (0.9, 0.8))
    note_models(before, {"net": ["conv", "fc"]}, {}, ["EER"])
    note_models(after, LAYERS, CONTROLS, ["Distance"])
    plain = pd.DataFrame({"AUC": [0.7]})
    whole = joined([before, after, plain])
    assert whole["AUC"].tolist() == [0.9, 0.8, 0.7]
    assert network_layers_of(whole) == LAYERS
    assert controls_of(whole) == CONTROLS
    assert is_lower_better(whole, "EER")
    assert is_lower_better(whole, "Distance")
