"""Networks that are not ours: named, built, filled with weights and read as their authors do."""

import copy
import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from facebench import BaseModel, ModuleModel, untrained_copies
from facebench.engine.fingerprint import model_fingerprint
from facebench.errors import (
    FacebenchError,
    InputError,
    LayerOutputError,
    MissingWeightsError,
    ModelError,
    UnknownNameError,
    WeightsError,
)
from support.stranger import NETWORK, stranger_network, write_stranger

SIZE = {"size": 112}


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_stranger(tmp_path / "repository")


@pytest.fixture
def network(file):
    return stranger_network(file)


@pytest.fixture
def weights(tmp_path, network):
    content = {
        "epoch": 68,
        "net_state_dict": {f"module.{k}": v for k, v in network.state_dict().items()},
        "optimizer": {"state": {0: torch.ones(2)}},
        "accuracy": np.float64(0.99),
    }
    torch.save(content, tmp_path / "068.ckpt")
    return tmp_path / "068.ckpt"


def made(network="repository/my_net.py:MobileFaceNet", **options):
    given = {"input": SIZE, "device": "cpu", **options}
    return ModuleModel("stranger", network, **given)


@pytest.fixture
def photograph(tmp_path):
    generator = np.random.default_rng(0)
    path = tmp_path / "face.png"
    Image.fromarray(generator.integers(0, 256, (112, 112, 3), np.uint8)).save(path)
    return path


def by_hand(network, path, channels=slice(None), mean=0.5, std=0.5, white=1.0):
    """Do what an author's own script does, in NumPy."""
    pixels = np.asarray(Image.open(path))[..., channels].astype(np.float32) / 255 * white
    batch = torch.from_numpy(((pixels - mean) / std).transpose(2, 0, 1).copy()).float()[None]
    with torch.no_grad():
        return network(batch)


class TestNumbers:
    @pytest.mark.parametrize("key", [None, "net_state_dict"])
    def test_they_are_the_authors(self, network, weights, photograph, key):
        model = made(weights=weights, weights_key=key)
        batch = model.preprocess_image(photograph)[None]
        expected = by_hand(network, photograph)
        torch.testing.assert_close(model.get_output(batch)["default"], expected, atol=1e-5, rtol=0)

    def test_input_as_told(self, network, weights, photograph):
        told = {"size": 112, "channels": "bgr", "mean": 127.5, "std": 128, "max_value": 255}
        model = made(weights=weights, input=told)
        batch = model.preprocess_image(photograph)[None]
        expected = by_hand(network, photograph, slice(None, None, -1), 127.5, 128, 255)
        torch.testing.assert_close(model.get_output(batch)["default"], expected, atol=1e-5, rtol=0)
        assert model.input_size == (112, 112)

    def test_a_function_of_the_users_own_preprocesses(self, weights):
        def whole(_image):
            return torch.zeros(3, 112, 112)

        model = made(weights=weights, input=None, preprocess_function=whole)
        assert model.preprocess(Image.new("RGB", (9, 9))).shape == (3, 112, 112)

    def test_layers_are_read_by_name(self, network, weights):
        model = made(weights=weights, extract_layers=["blocks.*", "linear1"])
        batch = torch.rand(2, 3, 112, 112)
        with torch.no_grad():
            expected = network.blocks(network.dw_conv1(network.conv1(batch)))
        torch.testing.assert_close(
            model.get_output(batch)["blocks.2"], expected.flatten(1), atol=1e-5, rtol=0
        )

    def test_a_network_in_memory_is_left_as_it_is(self, network):
        before = copy.deepcopy(network.train())
        model = made(network)
        batch = torch.rand(2, 3, 112, 112)
        assert network.training
        assert all(weight.requires_grad for weight in network.parameters())
        torch.testing.assert_close(
            model.get_output(batch)["default"], before.eval()(batch).detach(), atol=1e-5, rtol=0
        )

    @pytest.mark.parametrize("how", ["class", "function", "installed", "function of the file"])
    def test_what_a_network_may_be_named_as(self, file, network, weights, how):
        if how == "installed":
            model = made("torch.nn:Identity", pretrained=True)
        elif how == "class":
            model = made(type(network), weights=weights)
        elif how == "function":
            model = made(lambda width: type(network)(width), weights=weights,
                         network_arguments={"width": 32})  # fmt: skip
        else:
            model = made("repository/my_net.py:mobilefacenet", weights=weights)
        assert isinstance(model.model, nn.Module)


class TestOutput:
    @pytest.fixture
    def several(self, tmp_path, file):
        network = stranger_network(file, "Several")
        torch.save(network.state_dict(), tmp_path / "several.pth")
        return network

    def options(self, tmp_path, name="Several", **more):
        return {
            "network": f"repository/my_net.py:{name}",
            "weights": tmp_path / f"{name.lower()}.pth",
            **more,
        }

    @pytest.mark.parametrize(("output", "width"), [(None, 1), (0, 1), (1, 32)])
    def test_of_a_tuple(self, tmp_path, several, output, width):
        model = made(**self.options(tmp_path, output=output))
        assert model.get_output(torch.rand(2, 3, 112, 112))["default"].shape == (2, width)

    def test_that_the_first_of_several_is_taken_is_told(self, tmp_path, several, caplog):
        made(**self.options(tmp_path))
        assert "returns several values: 0: [1, 1], 1: [1, 32]" in caplog.text
        caplog.clear()
        made(**self.options(tmp_path, output=1))
        assert "several" not in caplog.text

    def test_another_method(self, tmp_path, several):
        model = made(**self.options(tmp_path, call="embed", output="feature"))
        batch = torch.rand(2, 3, 112, 112)
        torch.testing.assert_close(
            model.get_output(batch)["default"], several(batch)[1].detach(), atol=1e-5, rtol=0
        )

    def test_an_output_that_is_not_there(self, tmp_path, several):
        with pytest.raises(LayerOutputError, match=r"no 'output' 2.*0: \[1, 1\], 1: \[1, 32\]"):
            made(**self.options(tmp_path, output=2))

    def test_what_enters_the_classifier_or_leaves_a_layer(self, tmp_path, file):
        network = stranger_network(file, "Classifying", n_classes=7)
        torch.save(network.state_dict(), tmp_path / "classifying.pth")
        options = self.options(tmp_path, "Classifying", network_arguments={"n_classes": 7})
        batch = torch.rand(2, 3, 112, 112)
        features = type(network).__mro__[1].forward(network, batch).detach()
        for more in ({"classifier": "logits"}, {"default_layer": "flatten"}):
            model = made(**options, **more)
            torch.testing.assert_close(
                model.get_output(batch)["default"], features, atol=1e-5, rtol=0
            )
        assert made(**options, classifier="logits").num_identities == 7
        scores = made(**options).get_output(batch)["default"]
        torch.testing.assert_close(scores, network(batch).detach(), atol=1e-5, rtol=0)

    @pytest.mark.parametrize(
        ("layer", "width", "told"),
        [
            ("classifier", 30, True),
            ("fc", 1000, True),
            ("fc", 512, False),
            ("last", 85742, True),
            ("embedding", 100, False),
        ],
    )
    def test_what_looks_like_scores_of_classes_is_told(self, caplog, layer, width, told):
        network = nn.Sequential()
        network.add_module("flat", nn.Flatten())
        network.add_module("down", nn.Linear(48, 4))
        network.add_module(layer, nn.Linear(4, width))
        made(network, input={"size": 4})
        assert (f"returns what its layer '{layer}' gives, {width} numbers" in caplog.text) is told
        caplog.clear()
        # What is asked for by name is meant.
        made(network, input={"size": 4}, classifier=layer)
        made(network, input={"size": 4}, default_layer=layer)
        assert "scores of classes" not in caplog.text


class TestRandomWeights:
    def test_without_weights_it_must_be_said(self, file):
        with pytest.raises(MissingWeightsError, match=r"random weights .*pretrained: false"):
            made()
        assert made(pretrained=True)

    def test_a_network_that_brings_its_weights_is_taken_as_it_is(self, file):
        class Fixed(nn.Module):
            def __init__(self):
                super().__init__()
                self.weight = nn.Parameter(torch.ones(3))

            def forward(self, x):
                return x.mean((2, 3)) * self.weight

        assert made(Fixed)

    def test_a_seed_is_a_network(self, file):
        batch = torch.rand(1, 3, 112, 112)
        first, again, other = (
            made(pretrained=False, seed=seed).get_output(batch)["default"] for seed in (1, 1, 2)
        )
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    def test_untrained_copies(self, file):
        def factory(**options):
            return ModuleModel(network="repository/my_net.py:MobileFaceNet", input=SIZE,
                               device="cpu", **options)  # fmt: skip

        copies = untrained_copies(factory, 2)
        assert [one.control for one in copies] == ["untrained", "untrained"]


class TestErrors:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("options", "error", "told"),
        [
            ({"network": "repository/my_net.py:Severals"}, InputError,
             r"no 'Severals'. Did you mean 'Several'\? It defines: .*Several"),
            ({"network": "repository/my_net.py"}, InputError, "is a file: name what in it"),
            ({"network": "nothing.py:Net"}, InputError, r"nothing\.py does not exist"),
            ({"network": "no_such_package.net:Net"}, InputError, "Is 'no_such_package' installed"),
            ({"network": "MobileFaceNet"}, InputError, "written as file.py:Name or as module:Name"),
            ({"network": "repository/my_net.py:torch"}, InputError, "must be a class or function"),
            ({"network": "collections:OrderedDict"}, InputError, "does not extend torch.nn.Module"),
            ({"network": "repository/my_net.py:NeedsDepth"}, InputError,
             r"needs depth: give it as 'network_arguments', .*\{depth: …\}"),
            ({"network_arguments": {"embedding": 3}}, InputError,
             "takes no 'embedding'. Did you mean 'embedding_size'"),
            ({"network_arguments": [3]}, InputError, "must be the arguments of the network by"),
            ({"network": "repository/my_net.py:no_network"}, ModelError, "It returned a dict"),
            ({"network": "repository/my_net.py:fails"}, ModelError, "cannot be built with .*Key"),
            ({"input": None}, InputError, r"needs the 'input' .*input: \{size: 112\}"),
            ({"input": {"mean": 0}}, InputError, "needs a 'size'"),
            ({"input": {"size": 64}}, ModelError, "does not run on 3 × 64 × 64.*Is the size"),
            ({"call": "embedd"}, InputError, "must be a method of MobileFaceNet"),
            ({"default_layer": "linear9"}, UnknownNameError, "no layer 'linear9'. Did you mean"),
            ({"default_layer": "linear1", "classifier": "linear7"}, InputError, "exclude each oth"),
            ({"weights": None, "weights_key": "net"}, InputError, "Give both"),
            ({"weights_key": "net"}, WeightsError, "under 'net_state_dict'"),
            ({"network_arguments": {"embedding_size": 8}}, WeightsError,
             r"linear1\.conv\.weight \(file \[32, 16, 1, 1\], network \[8, 16, 1, 1\]\)"),
        ],
    )  # fmt: skip
    def test_each_is_told_before_anything_runs(self, weights, options, error, told):
        with pytest.raises(error, match=told):
            made(**{"weights": weights, **options})

    def test_a_layer_that_is_not_reached(self, file, weights):
        file.write_text(
            NETWORK + "\n\nclass Idle(MobileFaceNet):\n    def __init__(self):\n"
            "        super().__init__()\n        self.idle = nn.Identity()\n"
        )
        with pytest.raises(LayerOutputError, match="never reached layer 'idle'"):
            made("repository/my_net.py:Idle", weights=weights, default_layer="idle")


class TestFingerprint:
    @pytest.mark.slow
    def test_it_changes_with_all_that_changes_numbers(self, file, weights, tmp_path):
        other = tmp_path / "other.pth"
        torch.save(stranger_network(file, seed=5).state_dict(), other)
        keys = {
            name: model_fingerprint(made(**{"weights": weights, **options})).layer_key("default")
            for name, options in {
                "as it is": {},
                "another name of the file": {"weights": copy_of(weights)},
                "weights": {"weights": other},
                "size": {"input": {"size": (113, 112)}},
                "mean": {"input": {"size": 112, "mean": 0}},
                "channels": {"input": {"size": 112, "channels": "bgr"}},
                "layer": {"default_layer": "linear7"},
                "classifier": {"classifier": "linear1"},
            }.items()
        }
        assert keys.pop("another name of the file") == keys["as it is"]
        assert len(set(keys.values())) == len(keys)

    def test_it_changes_with_the_code_of_the_file_and_of_its_helper(self, file, weights):
        before = model_fingerprint(made(weights=weights)).layer_key("default")
        file.write_text(NETWORK + "\n# a comment\n")
        assert model_fingerprint(made(weights=weights)).layer_key("default") == before
        file.write_text(NETWORK.replace("return x + self.conv(x)", "return x - self.conv(x)"))
        assert model_fingerprint(made(weights=weights)).layer_key("default") != before


def copy_of(path):
    other = path.with_name("copy.ckpt")
    other.write_bytes(path.read_bytes())
    return other


def test_two_repositories_with_files_of_the_same_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        write_stranger(tmp_path / name)
    blocks = tmp_path / "two" / "blocks.py"
    blocks.write_text(blocks.read_text().replace("self.prelu(x)", "self.prelu(x) * 2"))
    batch = torch.rand(1, 3, 112, 112)
    first, second, again = (
        made(f"{name}/my_net.py:MobileFaceNet", pretrained=False).get_output(batch)["default"]
        for name in ("one", "two", "one")
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, second)


def test_a_package_with_relative_imports_and_a_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "repository" / "nets"
    file = write_stranger(folder)
    file.write_text(NETWORK.replace("from blocks", "from .blocks"))
    (folder / "__init__.py").write_text("")
    assert made("repository/nets/my_net.py:MobileFaceNet", pretrained=False)
    assert made("nets.my_net:MobileFaceNet", repository="repository", pretrained=False)
    other = tmp_path / "elsewhere" / "deep"
    other.mkdir(parents=True)
    (tmp_path / "elsewhere" / "shared_parts").mkdir()
    (tmp_path / "elsewhere" / "shared_parts" / "parts.py").write_text("from torch import nn\n")
    (other / "net.py").write_text("from shared_parts.parts import nn\nNet = nn.Identity\n")
    with pytest.raises(InputError, match=r"'shared_parts.*say so with repository: .*elsewhere\."):
        made("elsewhere/deep/net.py:Net", pretrained=False)
    assert made("elsewhere/deep/net.py:Net", pretrained=False, repository="elsewhere")


def test_errors_are_of_facebench_and_name_the_model():
    assert issubclass(ModuleModel, BaseModel)
    with pytest.raises(FacebenchError, match=re.escape("Model 'stranger' needs the 'input'")):
        made(nn.Identity, input=None)
