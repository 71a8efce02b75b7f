"""Networks in TorchScript: output and layers as in Python, and clear errors."""

import copy
import pickle
import warnings

import pytest
import torch
from torch import nn

from facebench.engine.fingerprint import model_fingerprint
from facebench.errors import FacebenchError, InputError, LayerOutputError, ModelError
from facebench.models.torchscript import TorchScriptModel
from support.whole_networks import (
    INPUT,
    LAYERS,
    SIZE,
    Net,
    Normalised,
    Repeating,
    hooked,
    images,
    save_exported,
    save_onnx,
    save_script,
)


class Looped(Net):
    def forward(self, x):
        x = self.stem(x)
        count = x.size(0) - x.size(0) + 2
        for _ in range(count):
            x = self.relu(self.layer1(x))
        return torch.flatten(self.pool(x), 1)


class TwoInputs(nn.Module):
    def forward(self, x, y):
        return x + y


def made(path, layers=None, **options):
    return TorchScriptModel("net", path, layers, **{"input": INPUT, "device": "cpu", **options})


@pytest.mark.parametrize("traced", [False, True])
class TestNumbers:
    def test_output_equals_python(self, tmp_path, traced):
        found = made(save_script(tmp_path / "net.pt", traced=traced)).get_output(images())
        torch.testing.assert_close(found["default"], hooked(Net(), images())["default"])

    @pytest.mark.slow
    def test_layers_equal_hooks_of_python(self, tmp_path, traced):
        path = save_script(tmp_path / "net.pt", traced=traced)
        expected = hooked(Net(), images())
        for layers in (LAYERS, *([layer] for layer in LAYERS)):
            found = made(path, layers).get_output(images())
            assert list(found) == layers
            for layer, values in found.items():
                torch.testing.assert_close(values, expected[layer])

    def test_patterns(self, tmp_path, traced):
        path = save_script(tmp_path / "net.pt", traced=traced)
        assert made(path, "layer1.*").extract_layers == ["layer1.0", "layer1.1"]
        leaves = ["stem", "relu", "layer1.0.conv", "layer1.1.conv", "pool", "drop", "fc"]
        assert made(path, "all").extract_layers == leaves

    def test_blocks_are_those_of_python(self, tmp_path, traced):
        net = Repeating()
        model = made(save_script(tmp_path / "net.pt", net, traced=traced), "blocks")
        assert model.extract_layers == [*net.blocks]
        expected = hooked(net, images(), net.blocks)
        for layer, values in model.get_output(images()).items():
            torch.testing.assert_close(values, expected[layer])

    def test_copies_give_the_same(self, tmp_path, traced):
        model = made(save_script(tmp_path / "net.pt", traced=traced), ["stem"])
        expected = model.get_output(images())["stem"]
        for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert torch.equal(other.get_output(images())["stem"], expected)
            assert model_fingerprint(other) == model_fingerprint(model)


def test_a_trace_that_fixes_the_batch_gets_one_image_at_a_time(tmp_path):
    class Reshaping(Net):
        def forward(self, x):
            x = self.pool(self.layer1(self.relu(self.stem(x))))
            return self.fc(x.reshape(1, 72))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(Reshaping(), images(1)), tmp_path / "net.pt")
    model = made(tmp_path / "net.pt", ["stem", "fc"])
    expected = hooked(Net(), images())
    for layer, values in model.get_output(images()).items():
        torch.testing.assert_close(values, expected[layer])
    assert model.facts["images at once"] == "1"


def test_what_is_called_in_a_loop_cannot_be_read_and_the_rest_can(tmp_path):
    path = save_script(tmp_path / "net.pt", Looped())
    expected = hooked(Looped(), images(), ["stem"])
    found = made(path, ["stem"]).get_output(images())
    torch.testing.assert_close(found["stem"], expected["stem"])
    torch.testing.assert_close(made(path).get_output(images())["default"], expected["default"])
    with pytest.raises(LayerOutputError, match=r"layer1\.0.*cannot be read.*in a loop"):
        made(path, ["layer1.0"]).get_output(images())


def test_a_frozen_network_has_no_layers(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.freeze(torch.jit.script(Net())), tmp_path / "net.pt")
    found = made(tmp_path / "net.pt").get_output(images())["default"]
    torch.testing.assert_close(found, hooked(Net(), images())["default"])
    with pytest.raises(LayerOutputError, match="has no modules within"):
        made(tmp_path / "net.pt", ["stem"])


def test_fingerprints(tmp_path):
    def key(model):
        return model_fingerprint(model).layer_key("default")

    first = key(made(save_script(tmp_path / "net.pt")))
    assert key(made(save_script(tmp_path / "net.pt"), ["stem"])) == first
    assert key(made(tmp_path / "net.pt", input={**INPUT, "mean": 0.4})) != first
    assert key(made(save_script(tmp_path / "net.pt", Net(seed=1)))) != first


def test_what_it_expects_must_be_said(tmp_path):
    path = save_script(tmp_path / "net.pt")
    with pytest.raises(InputError, match=r"Give its 'input': \{size: 112"):
        made(path, input=None)
    model = made(path, input=None, preprocess_function=lambda _image: images(1)[0])
    assert model.get_output(images())["default"].shape == (5, 16)


def test_a_wrong_size_is_one_clear_error(tmp_path):
    path = save_script(tmp_path / "net.pt")
    with pytest.raises(ModelError, match=r"net\.pt cannot run on images of shape \[1, 3, 64, 64\]"):
        made(path, input={**INPUT, "size": 64})
    with pytest.raises(ModelError, match=r"shape \[2, 3, 16, 16\]"):
        made(path, ["stem", "layer1.0"]).get_output(torch.zeros(2, 3, 16, 16))


BAD_FILES = {
    "checkpoint": (lambda path: torch.save(Net().state_dict(), path), "a checkpoint: weights"),
    "export": (save_exported, "torch.export.*Use it with 'model: torch-export'"),
    "ONNX": (save_onnx, "ONNX.*Use it with 'model: onnx'"),
    "HTML": (lambda path: path.write_text("<html></html>"), "an HTML page"),
    "truncated": (
        lambda path: save_script(path).write_bytes(path.read_bytes()[:-500]),
        "a damaged or incomplete zip archive",
    ),
    "two inputs": (lambda path: save_script(path, TwoInputs()), "missing value for argument 'y'"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_files_are_told_what_they_are(tmp_path, kind):
    write, expected = BAD_FILES[kind]
    write(tmp_path / "net.pt")
    with pytest.raises(FacebenchError, match=expected) as told:
        made(tmp_path / "net.pt", input={"size": SIZE})
    assert "net.pt" in str(told.value)
    assert len(str(told.value).splitlines()) == 1


def test_a_trace_in_training_mode_is_told(tmp_path, caplog):
    path = tmp_path / "net.pt"
    made(save_script(path, Normalised(), traced=True))
    assert "was saved in training mode: its batch_norm and dropout will" in caplog.text
    caplog.clear()
    made(save_script(path, Normalised().eval(), traced=True))
    # Scripted code asks for the mode as it runs.
    made(save_script(path, Normalised()))
    assert "training mode" not in caplog.text


def test_half_precision(tmp_path):
    network = Normalised().half().eval()
    model = made(save_script(tmp_path / "net.pt", network), ["conv"])
    assert model.facts["precision"] == "float16"
    with torch.no_grad():
        expected = network.conv(images().half()).flatten(1).float()
    torch.testing.assert_close(model.get_output(images())["conv"], expected)
