"""Files to begin a plug-in with: one class that runs as it is, and its contract test."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from facebench.errors import InputError, UnknownNameError
from facebench.utils.suggestions import did_you_mean, listed

__all__ = ["KINDS", "write_plugin"]

_MODEL = '''"""{title}: a network for facebench."""

import torch
from torch import nn

from facebench import BaseModel
from facebench.registry import register_model


@register_model("{name}")
class {cls}(BaseModel):
    """What the network is, what it was trained on, and where that is described."""

    def _build_model(self):
        # self.num_identities: the classes of a checkpoint (weights_path), or None.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.model = nn.Sequential(
                nn.Conv2d(3, 8, kernel_size=7, stride=4),
                nn.ReLU(),
                nn.AdaptiveAvgPool2d(4),
                nn.Flatten(),
                nn.Linear(128, self.num_identities or 64),
            )

    def _forward(self, input_tensor):
        return self.model(input_tensor)
'''
_TASK = '''"""{title}: a task for facebench."""

import pandas as pd

from facebench import BaseTask, Measure, PlotHelper
from facebench.registry import register_task


@register_task("{name}")
class {cls}(BaseTask):
    """What does the task ask of a network?"""

    # Which way is better ("higher", "lower" or None); the headline stands for the task.
    measures = (Measure("Mean Distance", better=None, headline=True),)
    # What the data are a sample of, such as "people", "images" or "pairs".
    sampling_unit = "pairs"

    def compute_task_performance(self, pairs_distances_df):
        # The rows of the pairs file with all their columns and model_computed_distance.
        distances = pairs_distances_df["model_computed_distance"]
        return pd.DataFrame({{"Mean Distance": [distances.mean()]}})

    @staticmethod
    def plot(output_dir, performances, *optional):
        PlotHelper.bar_plot(
            performances=performances,
            y="Mean Distance",
            ylabel="Mean distance",
            title_prefix="{title}",
            output_dir=output_dir,
            file_name="{module}",
        )
'''
_TEST = '''"""{cls} keeps what facebench asks of a {kind}; run with pytest."""

from {module} import {cls}

from facebench.testing import check_{kind}


def test_contract():
    check_{kind}({cls})
'''
KINDS = {"model": _MODEL, "task": _TASK}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def write_plugin(kind: str, name: str, folder: Path) -> tuple[Path, Path]:
    """Write a plug-in file and its test.

    Parameters
    ----------
    kind : {'model', 'task'}
        What it is.
    name : str
        Its name, such as 'my-net'; file and class are named after it.
    folder : Path
        Where to.

    Returns
    -------
    plugin, test : Path
        The files.

    Raises
    ------
    UnknownNameError
        If there is no such kind.
    InputError
        If the name gives none for a class, or a file already exists.
    """
    if kind not in KINDS:
        msg = (
            f"There is nothing to begin a {kind!r} with, only: {listed(KINDS)}."
            f"{did_you_mean(kind, KINDS)}"
        )
        raise UnknownNameError(msg)
    words = [word.lower() for word in _WORD.findall(name)]
    if words and words[-1] == kind:
        words.pop()
    module = "_".join(words)
    if not module.isidentifier() or keyword.iskeyword(module):
        msg = f"A {kind} needs a name of letters, such as 'my-{kind}'. Got {name!r}."
        raise InputError(msg)
    filled = {
        "cls": "".join(word.capitalize() for word in words) + kind.capitalize(),
        "kind": kind,
        "module": f"{module}_{kind}",
        "name": "-".join(words),
        "title": " ".join(words).capitalize(),
    }
    texts = {
        folder / f"{filled['module']}.py": KINDS[kind],
        folder / f"test_{filled['module']}.py": _TEST,
    }
    for path in texts:
        if path.exists() or path.is_symlink():
            msg = f"{path} already exists. Choose another name or move it away."
            raise InputError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    for path, template in texts.items():
        path.write_text(template.format(**filled), encoding="utf-8")
    plugin, test = texts
    return plugin, test
