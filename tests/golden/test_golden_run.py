"""A whole run on images drawn here, against numbers kept in the repository.

That numbers are right is shown in tests/integration/test_run.py; these guard against silent
change. To renew them after a wanted change: `python tests/golden/test_golden_run.py`.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.metrics import pairwise
from torch import nn

from facebench import (
    AccuracyTask,
    BaseModel,
    ConditionedAverageDistances,
    CorrelationTask,
    MultiModelTaskManager,
    RelativeDifferenceTask,
)

GOLDEN = Path(__file__).parent / "models_unified_results.csv"


class Plain(BaseModel):
    """A network whose weights are written down, so that no random number generator matters."""

    def _build_model(self):
        self.model = nn.Sequential(nn.Conv2d(3, 2, 3, stride=3), nn.ReLU(True), nn.Flatten())
        count = self.model[0].weight.numel()
        weights = torch.linspace(-1, 1, count) * torch.tensor([1.0, -1.0]).repeat(count // 2)
        self.model[0].weight.data = weights.reshape(2, 3, 3, 3)
        self.model[0].bias.data = torch.tensor([0.1, -0.1])

    def _forward(self, input_tensor):
        return self.model(input_tensor)


def draw_world(folder: Path) -> Path:
    """Write twelve images of four people and a table of their 66 pairs."""
    y, x = np.mgrid[0:24, 0:24]
    names = []
    for person in range(4):
        for photograph in range(3):
            waves = [
                127 + 90 * np.sin((person + 1) * x / 7 + channel + photograph * 0.3) * np.cos(y / 5)
                for channel in range(3)
            ]
            names.append(f"p{person}_{photograph}.png")
            Image.fromarray(np.stack(waves, axis=-1).astype(np.uint8)).save(folder / names[-1])
    rows = [
        (a, b, int(a[:2] == b[:2]), (i * 7 % 11) / 10, f"c{i % 3}", ["up", "down"][i % 2])
        for i, (a, b) in enumerate((a, b) for n, a in enumerate(names) for b in names[n + 1 :])
    ]
    columns = ["img1", "img2", "same", "distance", "condition", "group"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "pairs.csv", index=False)
    return folder / "pairs.csv"


def golden_manager(folder: Path) -> MultiModelTaskManager:
    """Make the models and tasks of the golden run."""
    common = (draw_world(folder), folder, pairwise.euclidean_distances)
    tasks = [
        AccuracyTask("verify", *common, true_label="same"),
        CorrelationTask("rate", *common),
        ConditionedAverageDistances("conditions", *common),
        RelativeDifferenceTask("effect", *common, group_column="group"),
    ]

    def preprocess(image):
        return torch.from_numpy(np.asarray(image, dtype=np.float32) / 255).permute(2, 0, 1)

    models = [Plain("all", None, ["0", "1"], preprocess), Plain("end", None, None, preprocess)]
    return MultiModelTaskManager(models, tasks, num_workers=0)


def run(folder: Path) -> pd.DataFrame:
    golden_manager(folder).run_all_tasks_all_models(folder / "results")
    return pd.read_csv(folder / "results" / GOLDEN.name)


def test_run_gives_the_golden_numbers(tmp_path):
    expected = pd.read_csv(GOLDEN)
    pd.testing.assert_frame_equal(run(tmp_path), expected, check_exact=False, atol=2e-5)


@pytest.mark.parametrize("measure", ["verify: AUC", "effect: Relative Difference"])
def test_golden_numbers_are_of_a_layer_each(measure):
    values = pd.read_csv(GOLDEN)[measure]
    assert values[0] != values[1]
    assert values[1] == values[2]  # 'end' returns what layer 1 returns, flattened


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        run(Path(scratch)).to_csv(GOLDEN, index=False)
        sys.stdout.write(GOLDEN.read_text())
