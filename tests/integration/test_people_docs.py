"""Every example of docs/people.md reads the export that stands above it."""

import re

import numpy as np
import pytest
import scipy.io
from typer.testing import CliRunner

from facebench.cli import app
from facebench.people import read_trials
from support.pages import examples, text_of

_BLOCKS = re.compile(
    r"`(?P<name>[\w./-]+\.(?:csv|txt|json))`[^`]*?(?:`[^`]*`[^`]*?)*?\n\n?```(?:csv|json)\n(?P<file>.*?)```"
    r"|```yaml\n(?P<yaml>.*?)```",
    re.DOTALL,
)  # fmt: skip


def recipes():
    """Give each description with the files that stand above it."""
    files = {}
    for block in _BLOCKS.finditer(text_of("people.md")):
        if block["name"] is not None:
            files[block["name"]] = block["file"]
        else:
            yield block["yaml"], files
            files = {}


RECIPES = list(recipes())
# By file: participants, trials, and those without a response.
EXPECTED = {
    "data": (1, 3, 1),
    "jspsych.csv": (1, 2, 0),
    "jspsych.json": (1, 2, 0),
    "gorilla.csv": (1, 2, 0),
    "qualtrics.csv": (2, 4, 1),
    "psytoolkit": (1, 3, 1),
    "testable.csv": (1, 2, 0),
    "ratings.csv": (2, 4, 1),
    "other_race.mat": (5, 40, 0),
}


def write_other_race(path):
    """Write a matrix of participants × trials with what goes with it."""
    generator = np.random.default_rng(0)
    names = np.empty((12, 1), dtype=object)
    names[:, 0] = [f"face{n}.jpg" for n in range(12)]
    races = np.empty((5, 1), dtype=object)
    races[:, 0] = ["asian", "asian", "white", "white", "white"]
    variables = {
        "key": generator.integers(1, 3, (5, 8)),
        "rt": generator.uniform(0.4, 2, (5, 8)),
        "stim": np.array([generator.permutation(12)[:3] + 1 for _ in range(8)]),
        "imnames": names,
        "race": races,
        "face_race": np.repeat([1, 2], 4),
    }
    scipy.io.savemat(path, variables)


@pytest.mark.parametrize(("description", "files"), RECIPES, ids=range(len(RECIPES)))
def test_example(tmp_path, description, files):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    source = re.search(r"^trials: (\S+)", description, re.MULTILINE)[1]
    if source.endswith(".mat"):
        write_other_race(tmp_path / source)
    (tmp_path / "people.yaml").write_text(description, encoding="utf-8")

    trials = read_trials(tmp_path / "people.yaml")

    missing = int(trials.table["response"].isna().sum())
    assert (len(trials.participants), len(trials.table), missing) == EXPECTED[source]
    if trials.kind == "same-different":
        assert trials.table["response"].iloc[:2].tolist()[:1] == [1]
    assert not any("stim/" in name or "img/" in name for name in trials.table[trials.shown[0]])
    checked = CliRunner().invoke(app, ["people", "check", str(tmp_path / "people.yaml")])
    assert checked.exit_code == 0, checked.output


def test_every_program_has_an_example():
    named = {re.search(r"^trials: (\S+)", text, re.MULTILINE)[1] for text, _ in RECIPES}
    assert named == set(EXPECTED)


def test_the_measures_of_the_page_are_computed(capsys):
    (code,) = examples("people.md", "python")
    exec(compile(code, "people.md", "exec"), {})
    numbers = [float(text) for text in capsys.readouterr().out.split()]
    assert numbers[1] < numbers[0] < numbers[2]
