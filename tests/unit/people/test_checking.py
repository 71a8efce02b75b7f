"""A look at trials: what was read, left out and found, with means."""

import json

import pytest
from typer.testing import CliRunner

from facebench.cli import app
from facebench.people.checking import check_trials
from facebench.people.simulation import Observers

DESCRIPTION = """\
trials: data
kind: same-different
columns:
  participant: participant
  correct: correct
  rt: rt
conditions: condition
rt_unit: s
exclude: {rt: [0.2, 1.2], accuracy: 0.6}
"""


@pytest.fixture
def description(tmp_path):
    table = Observers({"upright": 2.5, "inverted": 1.5}).trials(6, 20, seed=1).table
    (tmp_path / "data").mkdir()
    for name, rows in table.groupby("participant"):
        rows.to_csv(tmp_path / f"data/{name}.csv", index=False)
    (tmp_path / "people.yaml").write_text(DESCRIPTION)
    return tmp_path / "people.yaml"


def test_a_description_is_checked(description):
    found = check_trials(description, over="both")
    assert found.health.facts["participants"] == 6
    assert list(found.means["condition"]) == ["upright", "inverted"]
    assert found.means["d' CI Low"].notna().all()
    assert len(found.exclusions) == 2
    assert found.exclusions[0].startswith("Accuracy below 0.6")


def test_images_must_be_there(description, tmp_path):
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces/other.jpg").touch()
    found = check_trials(description, tmp_path / "faces")
    assert any("40 of 40 images of the trials are not in" in line for line in found.findings)

    names = [f"{n}{side}.jpg" for n in range(20) for side in "ab"]
    for name in names:
        (tmp_path / "faces" / name).touch()
    assert check_trials(description, tmp_path / "faces").findings == []


def test_the_command_prints_it(description):
    run = CliRunner().invoke(app, ["people", "check", str(description), "--json"])
    assert run.exit_code == 0, run.output
    said = json.loads(run.stdout)
    assert said["participants"] == 6
    assert [row["level"] for row in said["conditions"]] == ["upright", "inverted"]

    shown = CliRunner().invoke(app, ["people", "check", str(description)])
    assert "trials per participant: 40" in shown.stdout
    assert "Accuracy below 0.6" in shown.stdout

    wrong = CliRunner().invoke(app, ["people", "check", str(description), "--over", "faces"])
    assert wrong.exit_code == 2
    assert "'over' must be" in wrong.output


def test_a_table_in_this_form_needs_no_description(description, tmp_path):
    found = check_trials(tmp_path / "data/p01.csv")
    assert found.notes[0] == "p01.csv: trials were taken to be of kind 'same-different'."
