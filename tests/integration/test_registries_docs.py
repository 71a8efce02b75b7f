"""Every example of docs/registries.md is a configuration that runs."""

import pytest

from facebench.experiment.building import build_experiment
from facebench.experiment.config import load_config
from support.pages import examples
from support.real_weights import MOBILENET, real_weights
from support.transformers_folders import tiny_folder

EXAMPLES = examples("registries.md", "yaml")


@pytest.fixture
def folder(tmp_path, world):
    (tmp_path / "faces").symlink_to(world.images)
    (tmp_path / "pairs.csv").write_bytes(world.pairs.read_bytes())
    tiny_folder("vit", tmp_path / "my-vit")
    return tmp_path


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_example(folder, example):
    if "mobilenet" in example:
        real_weights(MOBILENET, folder)
    (folder / "x.yaml").write_text(example)
    experiment = build_experiment(load_config(folder / "x.yaml"))
    manager = experiment.manager()
    manager.run_all_tasks_all_models(folder / "out", plots=False)
    assert len(manager.unified_summary())
