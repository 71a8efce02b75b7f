"""Which heavy libraries each command and import loads: what it needs, and no more."""

import pytest

from support.loading import HEAVY, loaded_by
from support.small_run import save_small_run

NETWORK = """\
from torch import nn

from facebench import BaseModel


class Net(BaseModel):
    def _build_model(self):
        self.model = nn.AdaptiveAvgPool2d(2)

    def _forward(self, input_tensor):
        return self.model(input_tensor)
"""
EXPERIMENT = """\
images: {images}
distance: cosine
models:
  net: {{model: {model}}}
tasks:
  same: {{task: accuracy, pairs: {pairs}, true_label: same}}
  views: {{task: verification, pairs: {pairs}}}
"""
# An experiment is checked with these, whatever it is.
CHECKING = {"PIL", "numpy", "pandas", "pyarrow", "pydantic", "scipy", "torch", "yaml"}
READING = {"numpy", "pandas", "pyarrow", "pydantic"}
REPORT = READING | {
    "PIL", "jinja2", "matplotlib", "plotly", "rich", "scipy", "scipy.stats", "yaml",
}  # fmt: skip


@pytest.mark.parametrize(
    "command",
    [
        "--help", "--version", "run --help", "cache --help", "models", "tasks", "metrics --json",
    ],
)  # fmt: skip
def test_helps_and_lists(command):
    shown, loaded = loaded_by(*command.split())
    assert shown
    # Typer itself looks at arguments with pydantic.
    assert loaded <= (set() if command.startswith("--") else {"pydantic", "rich"})


@pytest.mark.parametrize(
    "code",
    [
        "import facebench, facebench.stimuli, facebench.registry",
        "import facebench.cli",
        # At every Tab.
        "from facebench.commands.completion import *\n"
        "assert task_names('') and model_names('') and not run_folders('nowhere')",
        "from facebench.registry import *\n"
        "[e.summary for r in (MODELS, TASKS, METRICS, CORRELATIONS) for e in r.entries()]",
    ],
)
def test_nothing_heavy(code):
    assert loaded_by(code=code)[1] == set()


@pytest.mark.parametrize(
    ("code", "needed"),
    [
        ("import facebench.figures.plot_helper, facebench.data.pairs", {"numpy", "PIL"}),
        ("from facebench import AccuracyTask", {"PIL", "numpy", "pandas", "pyarrow", "scipy"}),
    ],
)
def test_imports_load_what_they_need(code, needed):
    assert loaded_by(code=code)[1] - {"scipy.optimize"} <= needed


@pytest.mark.parametrize(
    ("model", "more"),
    [("net.py", {"torchvision", "torch._dynamo"}), ("dlib-resnet, align: false", set())],
)
def test_validate(tmp_path, world, model, more):
    (tmp_path / "net.py").write_text(NETWORK)
    text = EXPERIMENT.format(images=world.images, pairs=world.pairs, model=model)
    (tmp_path / "x.yaml").write_text(text)
    _, loaded = loaded_by("validate", "x.yaml", cwd=tmp_path)
    assert loaded - {"scipy.optimize"} <= CHECKING | more


def test_what_only_reads_runs_loads_no_network_library(tmp_path):
    faces = tmp_path / "faces"
    faces.mkdir()
    run = save_small_run(faces, tmp_path / "runs")
    _, loaded = loaded_by(code=f"from facebench import load_run\nload_run({str(run)!r}).results")
    assert loaded <= READING
    page = ("-o", tmp_path / "page.html")
    for command in (["report"], ["compare", run, *page], ["leaderboard", *page]):
        _, loaded = loaded_by(command[0], run, *command[1:], "--quiet")
        assert loaded - {"scipy.optimize"} <= REPORT
    assert (run / "report.html").exists()
    assert (tmp_path / "page.html").exists()


def test_distances_of_pairs_need_no_scikit_learn():
    code = (
        "import numpy as np\n"
        "from facebench.tasks.accuracy import cosine_distances\n"
        "from facebench.tasks.shared.distance_metric import DistanceMetric\n"
        "metric = DistanceMetric(cosine_distances, 'a test')\n"
        "rows = np.eye(2, dtype=np.float32)\n"
        "print(metric.between(rows, np.array([0]), np.array([1])))\n"
    )
    shown, loaded = loaded_by(code=code)
    assert shown == "[1.]\n"
    assert loaded & HEAVY <= {"PIL", "numpy", "pandas", "pyarrow", "scipy", "scipy.optimize"}
