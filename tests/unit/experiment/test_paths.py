"""What a configuration says, as a run records it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from facebench.errors import ConfigError, FacebenchError, InputError
from facebench.experiment.building import build_experiment
from facebench.experiment.config import load_config
from facebench.experiment.paths import with_absolute_paths
from facebench.models.hub import HubModel

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


@pytest.mark.parametrize("family", ["transformers", "dinov2", "clip"])
@pytest.mark.parametrize(
    ("written", "given"),
    [
        ("facebook/some-net", "facebook/some-net"),
        ("vit", "vit"),
        ("saved/net", "{folder}/saved/net"),
        ("./other", "{folder}/other"),
    ],
)
def test_a_name_on_the_hub_is_no_path_unless_there_is_such_a_folder(
    family: str, written: str, given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "experiment"
    (folder / "saved" / "net").mkdir(parents=True)
    for name in "abc":
        Image.new("RGB", (8, 8)).save(folder / f"{name}.png")
    rows = ["img1,img2,rating", "a.png,b.png,1", "a.png,c.png,2", "b.png,c.png,3"]
    (folder / "pairs.csv").write_text("\n".join(rows))
    (folder / "x.yaml").write_text(
        f"models: [{{model: {family}, version: {written}}}]\n"
        "tasks: [{task: similarity, pairs: pairs.csv, images: .}]\n"
    )
    monkeypatch.chdir(tmp_path)

    def refuse(self: HubModel, name: str, version: str, **options: Any) -> None:
        msg = f"<{version}>"
        raise InputError(msg)

    monkeypatch.setattr(HubModel, "__init__", refuse)
    with pytest.raises(ConfigError, match=rf"<{given.format(folder=folder)}>"):
        build_experiment(load_config(folder / "x.yaml"))


def test_a_folder_of_timm_is_beside_the_file_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("timm")
    folder = tmp_path / "experiment"
    (folder / "net").mkdir(parents=True)
    for name in "ab":
        Image.new("RGB", (8, 8)).save(folder / f"{name}.png")
    (folder / "pairs.csv").write_text("img1,img2,rating\na.png,b.png,1\n")
    (folder / "x.yaml").write_text(
        "models: [{model: timm, architecture: 'local-dir:net'}]\n"
        "tasks: [{task: similarity, pairs: pairs.csv, images: .}]\n"
    )
    monkeypatch.chdir(tmp_path)
    config = load_config(folder / "x.yaml")
    (said,) = with_absolute_paths(config)["models"].values()
    assert said["architecture"] == f"local-dir:{folder}/net"
    with pytest.raises(FacebenchError, match=f"The folder {folder}/net holds no weights of timm"):
        build_experiment(config)
