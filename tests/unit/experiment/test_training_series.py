from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from facebench.errors import ConfigError
from facebench.experiment.config import load_config
from facebench.experiment.digest import data_digest


def config(folder: Path, entry: Any, name: str = "net") -> Any:
    (folder / "x.yaml").write_text(
        yaml.safe_dump({"models": {name: entry}, "tasks": {"t": "accuracy"}, "cache": False})
    )
    return load_config(folder / "x.yaml")


def touched(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def points(folder: Path, series: Any, **more: Any) -> list[tuple[str, float, str]]:
    """Give name, place and file of each model that a series becomes."""
    models = config(folder, {"model": "vgg16", "series": series, **more}).settings.models
    return [
        (name, entry.series.x, Path((entry.model_extra or {})["weights"]).name)
        for name, entry in models.items()
    ]


@pytest.mark.parametrize(
    ("files", "series", "expected"),
    [
        (["ckpt_2.pth", "ckpt_10.pth"], "ckpt_*.pth", [2, 10]),
        (["resnet50_e1.pth", "resnet50_e20.pth"], "resnet50_*.pth", [1, 20]),
        (["run/epoch_0.5.pth", "run/epoch_12.pth"], "run/*.pth", [0.5, 12]),
        (["step_500.pth", "step_1k.pth", "step_2M.pth"], "step_*.pth", [500, 1000, 2e6]),
        (["1/w.pth", "20/w.pth"], "*/w.pth", [1, 20]),
        (["e1_loss3.2.pth", "e2_loss2.9.pth"], "e{x}_*.pth", [1, 2]),
        (["ckpt_3.pth"], "ckpt_*.pth", [3]),
        (["b2.pth", "a10.pth"], ["b2.pth", "a10.pth"], [2, 10]),
        (["first.pth", "last.pth"], ["last.pth", "first.pth"], [1, 2]),
        (["a1.pth", "a2.pth", "a10.pth"], {"files": "a*.pth", "x": [5, 50, 500]}, [5, 50, 500]),
        (["[a]_1.pth"], "[[]a]_*.pth", [1]),
    ],
)
def test_numbers_come_from_names_lists_or_x(
    tmp_path: Path, files: list[str], series: Any, expected: list[float]
) -> None:
    touched(tmp_path, *files)
    found = points(tmp_path, series)
    assert [x for _, x, _ in found] == expected
    assert len({name for name, _, _ in found}) == len(files)


def test_models_are_named_by_checkpoint_and_keep_what_the_entry_says(tmp_path: Path) -> None:
    touched(tmp_path, "ckpt_1.pth", "ckpt_2.pth")
    series = {"files": "ckpt_*.pth", "label": "Epoch", "log": True}
    made = config(tmp_path, {"model": "vgg16", "layers": "fc7", "series": series}).settings.models
    assert list(made) == ["net-ckpt_1", "net-ckpt_2"]
    assert [entry.layers for entry in made.values()] == [["fc7"], ["fc7"]]
    point = made["net-ckpt_2"].series
    assert (point.of, point.x, point.label, point.log) == ("net", 2.0, "Epoch", True)


def test_x_goes_with_files_in_their_natural_order(tmp_path: Path) -> None:
    touched(tmp_path, "a10.pth", "a2.pth")
    found = points(tmp_path, {"files": "a*.pth", "x": [100, 900]})
    assert [(x, file) for _, x, file in found] == [(100, "a2.pth"), (900, "a10.pth")]


def test_embeddings_of_checkpoints_are_a_series_of_files(tmp_path: Path) -> None:
    touched(tmp_path, "e1.npz", "e2.npz")
    made = config(tmp_path, {"model": "embeddings", "series": "e*.npz"}).settings.models
    assert [Path((one.model_extra or {})["file"]).name for one in made.values()] == [
        "e1.npz",
        "e2.npz",
    ]


def test_an_entry_may_say_its_place_itself(tmp_path: Path) -> None:
    made = config(tmp_path, {"model": "clip", "series": {"of": "sizes", "x": 3}}).settings.models
    assert (made["net"].series.of, made["net"].series.x) == ("sizes", 3)


def test_other_weights_or_more_of_them_are_another_experiment(tmp_path: Path) -> None:
    touched(tmp_path, "c1.pth", "c2.pth")
    entry = {"model": "vgg16", "series": "c*.pth"}
    digests = [data_digest(config(tmp_path, entry))]
    (tmp_path / "c2.pth").write_text("trained on")
    digests.append(data_digest(config(tmp_path, entry)))
    touched(tmp_path, "c3.pth")
    digests.append(data_digest(config(tmp_path, entry)))
    assert len(set(digests)) == 3


@pytest.mark.parametrize(
    ("files", "entry", "told"),
    [
        ([], {"series": "ckpt_*.pth"}, "No file matches 'ckpt_\\*.pth', the series 'net'"),
        (["c1.pth"], {"series": ["c1.pth", "c2.pth"]}, "No file matches 'c2.pth'"),
        (["c1.pth", "c2.pth", "c_best.pth"], {"series": "c*.pth"}, "number of c_best.pth .*'x'"),
        (["a.pth", "b.pth"], {"series": "*.pth"}, "number of a.pth in the series 'net' cannot be"),
        (["e1_3.pth", "e2_4.pth"], {"series": "e*.pth"}, "several numbers that differ"),
        (["c1.pth", "c01.pth"], {"series": "c*.pth"}, "have the number 1: .*c01?.pth"),
        (["c1.pth"], {"series": {"files": "c*.pth", "x": [1, 2]}}, "a list of 1 numbers"),
        (["c1.pth"], {"series": {"files": "c*.pth", "x": ["a"]}}, "a list of 1 numbers"),
        (["c1.pth"], {"series": {"file": "c*.pth"}}, "Did you mean 'files'"),
        (["c1.pth"], {"series": 3}, "takes a pattern such as"),
        (["c1.pth"], {"series": "c*.pth", "weights": "c1.pth"}, "Leave out 'weights'"),
        (["c1.pth"], {"series": "c*.pth", "seeds": [1]}, "Leave out 'seeds'"),
        (["c1.pth"], {"series": {"files": "c*.pth", "log": "yes"}}, "'log' true or false"),
        (["c1.pth"], {"series": {"of": "a"}}, "x"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, files: list[str], entry: dict[str, Any], told: str
) -> None:
    touched(tmp_path, *files)
    with pytest.raises(ConfigError, match=told) as error:
        config(tmp_path, {"model": "vgg16", **entry})
    assert "x.yaml:" in str(error.value)


def test_a_series_needs_its_architecture(tmp_path: Path) -> None:
    touched(tmp_path, "c1.pth")
    with pytest.raises(ConfigError, match=r"needs its architecture: NAME: {model: vgg16"):
        config(tmp_path, {"series": "c*.pth"})
    # As a shorthand, it would be a model of the file's name.
    with pytest.raises(ConfigError, match="needs its architecture"):
        config(tmp_path, "c*.pth", name="series")
