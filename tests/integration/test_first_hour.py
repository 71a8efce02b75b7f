"""The commands of docs/first_hour.md, from faces to a figure with people and the ceiling."""

import shlex

import pytest
from typer.testing import CliRunner

from facebench import load_run
from facebench.cli import app
from facebench.stimuli import make_rendered_faces
from support.pages import examples


@pytest.fixture(scope="module")
def six():
    """Give the six commands, without the installation."""
    lines = examples("first_hour.md", "bash")[0].splitlines()
    assert len(lines) == 6
    assert lines[0] == "pip install facebench"
    return lines[1:]


TINY = """
from torch import nn

from facebench import BaseModel


class Tiny(BaseModel):
    def _build_model(self):
        self.model = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten())

    def _forward(self, input_tensor):
        return self.model(input_tensor)
"""
# Networks of no time, and no pictures beside those of the page.
QUICK = " --set 'models={dlib-resnet: tiny.py}' --set plots=false --set num_workers=0"


def call(line):
    program, *arguments = shlex.split(line)
    assert program == "facebench"
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, f"{line}\n{done.output}\n{done.stderr}\n{done.exception!r}"
    return done


def test_six_commands_lead_to_people_networks_and_the_ceiling(six, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rendered = make_rendered_faces("rendered", n_people=4, n_images=2, size=160, workers=1)
    rendered.images_path.rename("faces")
    printed = call(six[0]).stdout
    assert "task: inversion-effect" in printed
    (tmp_path / "tiny.py").write_text(TINY)
    told = [call(line + QUICK if " run " in line else line) for line in six[1:]]
    assert "holds simulated observers" in told[0].stderr
    assert "people_rating: similarity" in (tmp_path / "experiment.yaml").read_text()
    run = load_run("runs/experiment")
    results = run.results.set_index(["task", "model", "metric"])["value"].sort_index()
    network = results["people-similarity", "dlib-resnet"]
    low, high = (network[f"Noise Ceiling {end}"] for end in ("Lower", "Upper"))
    assert 0 < low < high <= 1
    assert abs(network["Spearman"]) <= 1
    assert results["people-similarity", "People", "Comparable Spearman"] == pytest.approx(low)
    # People were simulated to tell faces apart better upright.
    assert results["inversion", "People", "Difference"] > 0
    assert (run.path / "report.html").is_file()
    assert list((run.path / "Figures").glob("people-similarity_*.pdf"))

    # Again, nothing is replaced, and the stimuli are those that are there.
    refused = CliRunner().invoke(app, shlex.split(six[2])[1:])
    assert refused.exit_code == 2
    assert "experiment.yaml already exists" in refused.stderr
    stamp = (tmp_path / "stimuli" / "manifest.json").stat().st_mtime_ns
    call(f"{six[2]} -o second.yaml --quiet")
    assert (tmp_path / "stimuli" / "manifest.json").stat().st_mtime_ns == stamp
    trials = (tmp_path / "trials.yaml").read_text()
    (tmp_path / "trials.yaml").write_text(trials + "# mine\n")
    mine = CliRunner().invoke(app, [*shlex.split(six[2])[1:], "--force"])
    assert mine.exit_code == 2
    assert "To use it, give --people trials.yaml" in mine.stderr
    call(f"{six[2].replace('trials.csv', 'trials.yaml')} --force --quiet")
    assert (tmp_path / "trials.yaml").read_text().endswith("# mine\n")
