"""What is odd about trials is said, with an example."""

import numpy as np
import pytest

from facebench.people.health import cautions, divided_by, trial_health
from facebench.people.simulation import Observers
from facebench.people.trials import Trials


@pytest.fixture(scope="module")
def table():
    drawn = Observers({"upright": 2.5, "inverted": 1.5}).trials(6, 20, seed=1).table
    files = drawn["participant"].str.cat([".csv"] * len(drawn))
    rows = drawn.groupby("participant").cumcount() + 2
    return drawn.assign(**{"source file": files, "source row": rows})


def findings(table):
    trials = Trials(table, "same-different")
    return " ".join([*trial_health(trials).findings, *cautions(trials)])


def test_sound_trials_have_facts_and_no_findings(table):
    health = trial_health(Trials(table, "same-different"))
    assert health.findings == []
    assert cautions(Trials(table, "same-different")) == []
    assert health.facts["participants"] == 6
    assert health.facts["files"] == 6
    assert health.facts["trials per participant"] == "40"
    assert health.facts["items"] == 20
    assert list(health.conditions["level"]) == ["upright", "inverted"]
    assert list(health.conditions["trials per participant"]) == ["20", "20"]


def of(table, name):
    return table["participant"] == name


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.assign(participant=t["participant"].where(~of(t, "p02"), "p01")),
         "5 participants in 6 files: 1 are in several files, such as 'p01' in p01.csv, p02.csv. "
         "If every file is another participant, write `participant: file`"),
        (lambda t: t.assign(response=t["response"].where(~of(t, "p03") | (t.index % 2 == 0))),
         "most are missing of 'p03' (50%)"),
        (lambda t: t.assign(rt=t["rt"].where(t.index != 5, -0.1)),
         "1 RTs are of 0 s or less, which is impossible, such as -0.1 s of 'p01' (p01.csv, row 7)"),
        (lambda t: t.assign(rt=t["rt"].where(t.index != 5, 0.04)), "below 0.1 s, too fast"),
        (lambda t: t.assign(rt=t["rt"].where(t.index != 5, 75)), "1 RTs are above 60 s"),
        (lambda t: t[~(of(t, "p04") & (t["condition"] == "inverted"))],
         "1 of 6 participants have one condition only of 'condition': p04."),
        (lambda t: t[~(of(t, "p04") & (t["condition"] == "inverted"))],
         "have fewer than 80 % of the usual 40 trials: p04 (20)"),
        (lambda t: t.assign(response=t["response"].where(~of(t, "p05"), 1)),
         "1 participants gave the same answer in all trials: p05"),
        (lambda t: t.assign(condition="upright"), "120 trials show a participant the images of an"),
        (lambda t: t.assign(correct=1 - t["correct"]), "below chance (0.5). Are codes"),
        (lambda t: t.assign(rt=np.where(of(t, "p02"), t["rt"].shift(20), t["rt"])),
         "2 series"),
        (lambda t: t.assign(
            view=np.where(t["condition"] == "upright", "front", np.where(
                of(t, "p01"), "side", "front"))),
         "No participant has condition = 'upright' with view = 'side'."),
    ],
)  # fmt: skip
def test_what_is_odd_is_said(table, change, says):
    if says == "2 series":
        # One participant's times under another's name.
        own = table.loc[of(table, "p01"), "rt"].to_numpy()
        changed = table.copy()
        changed.loc[of(table, "p02"), "rt"] = own
        assert "1 series of RTs occur twice, such as that of p01 of p01.csv and p02 of" in (
            findings(changed)
        )
        return
    assert says in findings(change(table))


def test_another_name_of_participants_is_no_condition(table):
    named = table.assign(prolific="x" + table["participant"])
    assert divided_by(Trials(named, "same-different")) == divided_by(
        Trials(table, "same-different")
    )
