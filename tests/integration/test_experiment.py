"""From a configuration to models and tasks."""
# ruff: noqa: E501 - messages are easier to compare in a line

import json
import textwrap

import pytest
import torch
from torch import nn

from facebench.engine.fingerprint import model_fingerprint
from facebench.errors import ConfigError
from facebench.experiment.building import build_experiment, image_files
from facebench.experiment.config import load_config

NET = """
    import torch
    from torch import nn
    from facebench import BaseModel
    from facebench.experiment.registry import register_model

    {decorator}
    class Net(BaseModel):
        def __init__(self, name, extract_layers=None, *, width: int = 4, pick: str = "a",
                     seed: int = 0, device=None):
            self.width, self.seed = width, seed
            if pick not in ("a", "b"):
                raise ValueError("The 'pick' parameter must be a or b.")
            super().__init__(name, extract_layers=extract_layers, device=device)

        def _build_model(self):
            torch.manual_seed(self.seed)
            self.model = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, self.width))

        def _forward(self, input_tensor):
            return self.model(input_tensor)

    def far(a, b):
        return abs(a - b).max()
"""


@pytest.fixture
def folder(tmp_path, world, monkeypatch):
    (tmp_path / "net.py").write_text(textwrap.dedent(NET.format(decorator="")))
    (tmp_path / "faces").symlink_to(world.images)
    (tmp_path / "pairs.csv").write_bytes(world.pairs.read_bytes())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path


@pytest.fixture
def build(folder):
    def built(models="net.py", tasks=None, **settings):
        tasks = tasks or {"a": {"task": "accuracy", "pairs": "pairs.csv", "true_label": "same"}}
        said = {"images": "faces", "models": models, "tasks": tasks} | settings
        (folder / "x.yaml").write_text(json.dumps(said, indent=1))
        return build_experiment(load_config(folder / "x.yaml"))

    return built


def problems(build, *arguments, **settings):
    with pytest.raises(ConfigError) as caught:
        build(*arguments, **settings)
    return str(caught.value)


class TestModels:
    @pytest.mark.parametrize("model", ["net.py", "./net.py:Net", "net:Net"])
    def test_by_file_and_by_module(self, build, model, monkeypatch):
        monkeypatch.delitem(__import__("sys").modules, "net", raising=False)
        [made] = build({"n": {"model": model, "width": 6}}).models
        assert (made.name, made.width, type(made).__name__) == ("n", 6, "Net")

    def test_by_a_name_that_a_plugin_registers(self, build, folder):
        text = textwrap.dedent(NET.format(decorator="@register_model('lab-net')"))
        (folder / "lab.py").write_text(text)
        [made] = build("lab-net", plugins=["lab.py"]).models
        assert made.name == "lab-net"

    def test_layers_by_pattern(self, build):
        [made] = build({"n": {"model": "net.py", "layers": "all"}}).models
        assert made.extract_layers == ["0", "1", "2"]
        [made] = build({"n": {"model": "net.py", "layers": ["[12]", "2"]}}).models
        assert made.extract_layers == ["1", "2"]

    def test_a_copy_for_each_seed(self, build):
        made = build({"n": {"model": "net.py", "seeds": [3, 5]}}).models
        assert [(model.name, model.seed) for model in made] == [("n-seed3", 3), ("n-seed5", 5)]
        assert {model.control for model in made} == {"n"}

    def test_copies_of_the_face_network_are_untrained(self, build):
        made = build({"n": {"model": "dlib-resnet", "align": False, "seeds": [0, 1]}}).models
        assert [model.pretrained for model in made] == [False, False]
        first, second = (model.model.fc.weight for model in made)
        assert not first.equal(second)

    def test_the_experiments_seed_and_device(self, build):
        [made] = build(seed=7, device="cpu").models
        assert made.seed == 7

    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            ({"model": "dlib-resnt"}, "Unknown model 'dlib-resnt'."),
            ({"model": "no.py"}, "no.py does not exist."),
            ({"model": "net.py:Nte"}, "has no class 'Nte'. Did you mean 'Net'?"),
            ({"model": "net:far"}, "must be a class that extends BaseModel or RecordedModel."),
            ({"model": "no.such:Net"}, "cannot be imported: ModuleNotFoundError"),
            ({"model": "net.py", "widht": 3}, "Net takes no 'widht'. Did you mean 'width'?"),
            ({"model": "net.py", "width": "x"}, "'width' must be int. Got 'x'."),
            (
                {"model": "scores", "file": "s.csv", "polarity": "Distance"},
                "'polarity' must be 'distance' or 'similarity'. Got 'Distance'.",
            ),
            (
                {"model": "scores", "file": "s.csv", "polarity": None},
                "'polarity' must be 'distance' or 'similarity'. Got None.",
            ),
            ({"model": "net.py", "layers": "7"}, "Model 'n' has no layer '7'."),
            ({"model": "net.py", "layers": "f*"}, "'f*' matches no layer of this network"),
            ({"model": "net.py", "pick": "c"}, "ValueError: The 'pick' parameter must be a or b."),
            ({"model": "vgg16", "seeds": 3, "pretrained": True}, "'seeds' makes untrained copies."),
        ],
    )
    def test_mistakes_are_told_at_their_line(self, build, entry, message):
        # In the file, the entry's keys begin in line 5, one a line.
        keys = list(entry)
        told = problems(build, {"n": entry})
        assert message in told
        assert f"x.yaml:{5 + len(keys) - 1}:4: " in told or "x.yaml:5:4: " in told

    def test_a_file_with_two_or_with_an_error(self, build, folder):
        (folder / "two.py").write_text("from facebench import *\nclass A(BaseModel): ...\n")
        assert "must define one model to be named by its file. It has: none" in problems(
            build, "two.py"
        )
        (folder / "bad.py").write_text("x = (\n")
        assert "cannot be imported: SyntaxError" in problems(build, "bad.py")


class TestTasks:
    def test_short_names_and_named_functions(self, build):
        tasks = {
            "a": {"task": "correlation", "pairs": "pairs.csv", "correlation": "spearman"},
            "b": {"task": "CorrelationTask", "pairs_file_path": "pairs.csv", "distance": "net:far"},
            "c": {"task": "correlation", "pairs": "pairs.csv", "distance": "net.py:far"},
            "d": {"task": "correlation", "pairs": "pairs.csv",
                  "distance": "torch.nn:PairwiseDistance"},
        }  # fmt: skip
        made = build(tasks=tasks, distance="euclidean").tasks
        assert [task.distance_metric_name for task in made] == [
            "euclidean_distances",
            "far",
            "far",
            "PairwiseDistance",
        ]

    def test_every_image_once(self, build, world):
        images = image_files(build())
        used = {name for row in world.rows for name in (row["img1"], row["img2"])}
        assert len(images) == len(set(images)) == len(used)

    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            ({"task": "acuracy"}, "Unknown task 'acuracy'."),
            ({"task": "accuracy"}, "AccuracyTask needs 'pairs'."),
            ({"task": "accuracy", "pairs": "no.csv"}, "no.csv does not exist"),
            ({"task": "accuracy", "pairs": "pairs.csv", "true_label": "sam"}, "Got 'sam' instead."),
            ({"task": "accuracy", "pairs": "pairs.csv", "lable": "same"}, "takes no 'lable'."),
            ({"task": "accuracy", "pairs": "pairs.csv", "pairs_file_path": "x"}, "the same argument"),
            ({"task": "correlation", "pairs": "pairs.csv", "correlation": "sperman"}, "Did you mean 'spearman'?"),
            ({"task": "correlation", "pairs": "pairs.csv", "distance": "euclid"}, "Did you mean 'euclidean'?"),
            ({"task": "correlation", "pairs": "pairs.csv", "distance": "net:nothing"}, "net has no 'nothing'."),
        ],
    )  # fmt: skip
    def test_mistakes_are_told_at_their_line(self, build, entry, message):
        told = problems(build, tasks={"n": entry})
        assert message in told
        line = int(told.split("x.yaml:")[1].split(":")[0])
        # Models are in one line; what is wrong is the last key, or the entry where one is missing.
        assert line in (5 + len(entry), 5)

    def test_missing_images_are_told_before_anything_runs(self, build, folder):
        text = (folder / "pairs.csv").read_text().splitlines()
        (folder / "pairs.csv").write_text("\n".join([*text, "nobody.png,nobody.png,1"]))
        told = problems(build)
        assert "nobody.png" in told
        assert "1 of " in told
        assert "x.yaml:7:" in told
        told = problems(build, images="face")
        assert "x.yaml:2:" in told
        assert "Did you mean 'faces'?" in told

    def test_a_network_that_fails_is_told_at_its_line(self, build, folder):
        text = (folder / "net.py").read_text()
        (folder / "net.py").write_text(text.replace("return self.model", "return self.nothing"))
        experiment = build({"m": "net.py"})
        with pytest.raises(ConfigError, match=r"x\.yaml:4:\d+: Model 'm' "):
            experiment.plan()

    def test_a_misspelt_file_is_recognised(self, build):
        told = problems(build, tasks={"n": {"task": "accuracy", "pairs": "pairz.csv"}})
        assert "Did you mean 'pairs.csv'?" in told

    def test_all_are_told_at_once(self, build):
        told = problems(build, {"m": "nt.py"}, {"a": {"task": "x"}, "b": {"task": "accuracy"}})
        assert len(told.splitlines()) == 3


def test_checkpoints_of_a_training_are_models_that_know_their_place(build, folder):
    text = "from torch import nn\ndef net():\n    return nn.Sequential(nn.Flatten(), nn.Linear(192, 4))\n"
    (folder / "nets.py").write_text(text)
    for step in (10, 2):
        network = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
        torch.save(network.state_dict(), folder / f"ckpt_{step}.pth")
    entry = {"model": "module", "network": "nets.py:net", "input": {"size": 8}}
    models = build({"run": {**entry, "series": "ckpt_*.pth"}}).models
    assert [model.name for model in models] == ["run-ckpt_2", "run-ckpt_10"]
    assert [model.series["x"] for model in models] == [2.0, 10.0]
    # The place in a series is none of the settings that embeddings depend on.
    key = model_fingerprint(models[0])
    models[0].series = None
    assert model_fingerprint(models[0]) == key
