"""The analysis of variance against its sums of squares, and what it refuses."""

import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from facebench.errors import InputError, ModelError
from facebench.people.anova import repeated_measures_anova


@pytest.fixture
def table():
    generator = np.random.default_rng(0)
    rows = [
        (f"p{p}", level, generator.normal(place + p / 3, 1), "a" if p < 4 else "b", "correct")
        for p in range(8)
        for place, level in enumerate("xyz")
        for _ in range(3)
    ]
    columns = ["participant", "condition", "value", "group", "measure"]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.slow
def test_one_factor_is_that_of_its_sums_of_squares(table):
    pytest.importorskip("pingouin")
    wide = table.groupby(["participant", "condition"])["value"].mean().unstack().to_numpy()
    n, k = wide.shape
    effect = n * ((wide.mean(axis=0) - wide.mean()) ** 2).sum() / (k - 1)
    rest = wide - wide.mean(axis=0) - wide.mean(axis=1)[:, None] + wide.mean()
    f = effect / ((rest**2).sum() / ((n - 1) * (k - 1)))

    found, notes = repeated_measures_anova(table, ["condition"])

    assert notes == []
    assert found["F"].iloc[0] == pytest.approx(f)
    p = found.filter(regex="^p[-_]unc$").iloc[0, 0]
    assert p == pytest.approx(stats.f.sf(f, k - 1, (n - 1) * (k - 1)))


def test_participants_may_be_of_groups_and_lack_conditions(table):
    pytest.importorskip("pingouin")
    partly = table[~((table["participant"] == "p3") & (table["condition"] == "z"))]

    found, notes = repeated_measures_anova(partly, ["condition"], "group")

    assert list(found["Source"]) == ["group", "condition", "Interaction"]
    assert notes == ["1 of 8 participants lack a condition and were left out: p3."]


def test_two_factors(table):
    pytest.importorskip("pingouin")
    both = pd.concat(
        [table.assign(view="front"), table.assign(view="side", value=table["value"] ** 2)]
    )
    found, _ = repeated_measures_anova(both, ["condition", "view"])
    assert list(found["Source"]) == ["condition", "view", "condition * view"]


@pytest.mark.parametrize(
    ("change", "arguments", "says"),
    [
        ({}, (["conditon"],), "no column 'conditon'. Did you mean 'condition'"),
        ({"condition": "x"}, (["condition"],), "one level only"),
        (
            {"group": list("ab") * 36},
            (["condition"], "group"),
            "'p0' has several levels of 'group'",
        ),
        (
            {"measure": ["rt", "correct"] * 36},
            (["condition"],),
            "several of 'measure'. Give one with",
        ),
        ({"source": ["people", "networks"] * 36}, (["condition"],), "--source: people, networks"),
        ({}, (["condition"], None, "rt"), "no measure 'rt'.*: correct"),
        ({}, (["condition", "group"], "group"), "'within' must name one column"),
        ({"value": np.nan}, (["condition"],), "No row has a value"),
        ({"participant": [f"p{n}" for n in range(72)]}, (["condition"],), "0 participants have"),
    ],
)
def test_what_cannot_be_tested_is_said(table, change, arguments, says):
    pytest.importorskip("pingouin")
    with pytest.raises(InputError, match=says):
        repeated_measures_anova(table.assign(**change), *arguments)


def test_without_pingouin_it_is_one_sentence(table, monkeypatch):
    monkeypatch.setitem(sys.modules, "pingouin", None)
    with pytest.raises(ModelError, match=r"pip install 'facebench\[anova\]'"):
        repeated_measures_anova(table, ["condition"])
