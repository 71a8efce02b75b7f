"""What a configuration says, as a run records it."""

from __future__ import annotations

from pathlib import Path

from facebench.experiment.config import load_config
from facebench.experiment.paths import with_absolute_paths

TEXT = """
images: .
models: {m: {model: untrained, seed: 3, rate: 0.5}}
tasks: {e: {task: effect, pairs: pairs.csv, contrast: [1.1, 1.10], upright: 007}}
"""


def test_codes_are_recorded_as_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(TEXT)
    (tmp_path / "pairs.csv").write_text("img1,img2\n")
    said = with_absolute_paths(load_config(tmp_path / "x.yaml"))
    task = said["tasks"]["e"]
    assert [str(code) for code in task["contrast"]] == ["1.1", "1.10"]
    assert task["upright"] == "007"
    assert task["pairs"] == str(tmp_path / "pairs.csv")
    assert (said["models"]["m"]["seed"], said["models"]["m"]["rate"]) == (3, 0.5)
