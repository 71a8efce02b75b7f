"""What a run's tables know goes along with what is taken out of them."""

from __future__ import annotations

import copy

import pandas as pd

from facebench.figures.records.layer_table import layer_profile
from facebench.figures.records.run_facts import RunFacts, facts_of, is_lower_better

LAYERS = {"net": ["conv", "fc"], "random 0": ["conv", "fc"]}
FACTS = RunFacts(
    LAYERS,
    {"random": ["random 0"]},
    measures={"one": {"EER": {"better": "lower"}}, "two": {"EER": {"better": None}}},
)


def table(task: str) -> pd.DataFrame:
    return pd.DataFrame(
        {"Task Name": task, "Model Name": "net", "Layer Name": ["conv", "fc"], "EER": [0.1, 0.3]}
    )


def test_it_stays_with_rows_columns_and_copies() -> None:
    one = table("one")
    FACTS.note(one)
    for part in (one, one[one["EER"] > 0.2], copy.deepcopy(one), one.drop(columns="EER")):
        assert facts_of(part) == FACTS
        assert is_lower_better(part, "EER")
        # A measure is known by its whole name.
        assert not is_lower_better(part, "E")


def test_it_is_plain_text_that_pandas_need_not_copy() -> None:
    one = table("one")
    FACTS.note(one)
    assert all(isinstance(value, str) for value in one.attrs.values())


def test_a_table_that_knows_nothing() -> None:
    one = table("one")
    assert facts_of(one) == RunFacts()
    assert not is_lower_better(one, "EER")


def test_tables_of_a_run_below_each_other_know_the_directions_of_each_task() -> None:
    # Their tables once carried only their own task's facts, which concat then dropped: the peak
    # of an error was its highest value.
    one, two = table("one"), table("two")
    FACTS.note(one, two)
    whole = pd.concat([one, two], ignore_index=True)
    assert facts_of(whole) == FACTS
    peaks = layer_profile(whole, "EER")
    assert peaks[peaks["is_peak"]]["Layer Name"].tolist() == ["conv", "fc"]


def test_facts_that_were_noted_earlier_are_replaced() -> None:
    one = table("one")
    RunFacts({"net": []}).note(one)
    FACTS.note(one)
    assert facts_of(one) == FACTS
