"""docs/bring_your_network.md, followed to the letter on networks that are not ours."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from facebench import load_run
from facebench.cli import app
from support.stranger import stranger_network, write_stranger

PAGE = (Path(__file__).parents[2] / "docs" / "bring_your_network.md").read_text(encoding="utf-8")
pytestmark = pytest.mark.integration


def block(name):
    """Find the example that the page marks as one that runs."""
    return re.search(rf"<!-- runs: {re.escape(name)} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)[1]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEBENCH_CACHE", str(tmp_path / "store"))
    write_stranger(tmp_path)
    generator = np.random.default_rng(1)
    for person in range(10):
        (tmp_path / "faces" / f"p{person}").mkdir(parents=True)
        face = generator.integers(0, 256, (14, 14, 3))
        for number in range(2):
            noisy = np.clip(face + generator.normal(0, 30, face.shape), 0, 255).astype(np.uint8)
            image = Image.fromarray(noisy).resize((112, 112), Image.Resampling.BICUBIC)
            image.save(tmp_path / "faces" / f"p{person}" / f"{number}.png")
    return tmp_path


def prefixed(state, prefix):
    return {prefix + key: value for key, value in state.items()}


CHECKPOINTS = {
    "net_state_dict": lambda net: {"epoch": 68, "net_state_dict": net.state_dict()},
    "DataParallel and a head": lambda net: (
        prefixed(net.state_dict(), "module.") | {"module.arcface.weight": torch.ones(9, 32)}
    ),
    "the network as a whole": lambda net: {"model": torch.nn.DataParallel(net), "args": net},
    "before PyTorch 0.4.1": lambda net: {
        key: value for key, value in net.state_dict().items() if "num_batches" not in key
    },
    "compiled, beside an average": lambda net: {
        "net": prefixed(net.state_dict(), "_orig_mod."),
        "ema": {key: value + 1 for key, value in net.state_dict().items()},
        "best": np.float64(0.9),
    },
}


def independent(network, pairs, folder):
    """Compute the distances in NumPy and PyTorch alone."""

    def embedding(name):
        pixels = np.asarray(Image.open(folder / "faces" / name).convert("RGB"), np.float32)
        batch = torch.from_numpy(((pixels / 255 - 0.5) / 0.5).transpose(2, 0, 1).copy())[None]
        with torch.no_grad():
            return network(batch)[0].double().numpy()

    rows = {name: embedding(name) for name in pd.unique(pairs[["img1", "img2"]].to_numpy().ravel())}
    return np.array(
        [
            1 - rows[a] @ rows[b] / np.linalg.norm(rows[a]) / np.linalg.norm(rows[b])
            for a, b in zip(pairs["img1"], pairs["img2"], strict=True)
        ]
    )


@pytest.mark.parametrize("how", CHECKPOINTS)
def test_the_page_leads_to_the_right_distances(folder, how):
    network = stranger_network(folder / "my_net.py")
    torch.save(CHECKPOINTS[how](network), folder / "068.ckpt")
    (folder / "experiment.yaml").write_text(block("experiment.yaml"))
    commands = [shlex.split(line) for line in block("commands").splitlines()]
    if how != "net_state_dict":
        commands = [command for command in commands if command[1] != "doctor"]
    for program, *arguments in commands:
        assert program == "facebench"
        done = CliRunner().invoke(app, arguments)
        allowed = (0, 1) if arguments[0] == "doctor" else (0,)
        assert done.exit_code in allowed, f"{arguments}\n{done.output}\n{done.exception!r}"
        if arguments[0] == "doctor":
            assert re.search("RGB, -1 to 1|much better than chance", done.output)
    (manifest,) = (folder / "runs").rglob("manifest.json")
    found = load_run(manifest.parent).task_distances("mobilefacenet", "verification")
    pairs = pd.read_csv(folder / "pairs.csv")
    assert found["img1"].tolist() == pairs["img1"].tolist()
    np.testing.assert_allclose(
        found["model_computed_distance"], independent(network, pairs, folder), atol=1e-5
    )


def test_every_key_of_the_page_is_one_of_the_model(folder):
    from facebench.experiment.arguments import parameters_of
    from facebench.models.module import ModuleModel

    table = PAGE[PAGE.index("## 4.") : PAGE.index("## 5.")]
    said = set(re.findall(r"`(\w+): ", table)) - {"seeds", "layers"}
    assert said <= set(parameters_of(ModuleModel))
    assert {"weights_key", "network_arguments", "call", "output", "classifier"} <= said
