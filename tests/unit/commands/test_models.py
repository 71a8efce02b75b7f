"""The layers of a model as `facebench layers` lists them: as a run would read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from facebench.cli import app

AWKWARD = """
import torch
from torch import nn
from torchvision.transforms.functional import pil_to_tensor
from PIL import Image
from facebench import BaseModel

class Net(BaseModel):
    def __init__(self, name, extract_layers=None, pretrained=True):
        self.pretrained = pretrained
        super().__init__(name, extract_layers=extract_layers)

    def _build_model(self):
        if self.pretrained:
            raise OSError("no network")
        self.model = nn.ModuleDict({
            "encoder": nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()),
            "position": nn.Embedding(2, 4), "unused": nn.Linear(1, 1),
        })

    def preprocess_image(self, image_path):
        return pil_to_tensor(Image.open(image_path).resize((8, 8))).float()

    def _forward(self, x):
        self.model["position"](torch.arange(2))
        return self.model["encoder"](x)
"""


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (
            [],
            {"encoder": 144, "encoder.0": 144, "encoder.1": 144, "position": None, "unused": None},
        ),
        (["all"], {"encoder.0": 144, "encoder.1": 144}),
        (["0"], {"encoder.0": 144}),
    ],
)
def test_widths_need_no_weights_and_two_sizes(
    tmp_path: Path, patterns: list[str], expected: dict[str, Any]
) -> None:
    (tmp_path / "net.py").write_text(AWKWARD, encoding="utf-8")
    result = CliRunner().invoke(app, ["layers", f"{tmp_path / 'net.py'}:Net", *patterns, "--json"])
    rows = json.loads(result.stdout)
    assert {row["layer"]: row["width"] for row in rows} == expected
