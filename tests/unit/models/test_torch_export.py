"""Networks of torch.export: as files, and within models of people's own."""

import pickle
import warnings
import zipfile

import pytest
import torch
from torch import nn

from facebench import BaseModel
from facebench.engine.fingerprint import model_fingerprint
from facebench.errors import FacebenchError, InputError
from facebench.models.torch_export import ExportedModel
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


def made(path, layers=None, **options):
    return ExportedModel("net", path, layers, **{"input": INPUT, "device": "cpu", **options})


@pytest.mark.slow
@pytest.mark.parametrize("batch", [None, 1, 3])
def test_output_and_layers_equal_those_of_python(tmp_path, batch):
    path = save_exported(tmp_path / "net.pt2", batch=batch)
    expected = hooked(Net(), images())
    for layers in (None, LAYERS):
        model = made(path, layers)
        for layer, values in model.get_output(images()).items():
            torch.testing.assert_close(values, expected[layer], rtol=1e-4, atol=1e-5)
        assert model.facts["images at once"] == str(batch or "any number")


def test_patterns_and_the_kinds_of_layers(tmp_path):
    path = save_exported(tmp_path / "net.pt2", batch=1)
    assert made(path, "layer1.*").extract_layers == ["layer1.0", "layer1.1"]
    kinds = dict(made(path).model.named_modules())
    assert kinds["layer1.0.conv"].original_name == "Conv2d"


def test_blocks_are_those_of_python(tmp_path):
    net = Repeating()
    model = made(save_exported(tmp_path / "net.pt2", net, batch=5), "blocks")
    assert model.extract_layers == [*net.blocks]
    expected = hooked(net, images(), net.blocks)
    for layer, values in model.get_output(images()).items():
        torch.testing.assert_close(values, expected[layer])


@pytest.mark.slow
def test_size_is_that_of_the_program(tmp_path):
    path = save_exported(tmp_path / "net.pt2")
    assert made(path, input={"mean": 0.5}).input.size == (SIZE, SIZE)
    with pytest.raises(InputError, match="network takes 32 x 32"):
        made(path, input={"size": 48})
    with pytest.raises(InputError, match="Give its 'input'"):
        made(path, input=None)
    model = made(path, input=None, preprocess_function=lambda _image: images(1)[0])
    assert model.get_output(images())["default"].shape == (5, 16)


@pytest.mark.slow
def test_fingerprints_and_copies(tmp_path):
    def key(model):
        return model_fingerprint(model).layer_key("default")

    model = made(save_exported(tmp_path / "net.pt2", batch=1))
    other = pickle.loads(pickle.dumps(model))
    assert key(other) == key(model)
    assert torch.equal(other.get_output(images())["default"], model.get_output(images())["default"])
    assert key(made(tmp_path / "net.pt2", input={**INPUT, "channels": "bgr"})) != key(model)
    assert key(made(save_exported(tmp_path / "net.pt2", Net(seed=1), batch=1))) != key(model)


class Harm:
    def __reduce__(self):
        return print, ("harm",)


def with_pickle(path):
    """Put a pickle that calls a function in place of the example's tensors."""
    save_exported(path, batch=1)
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    torch.save(Harm(), path)
    harm = path.read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, harm if "sample_inputs" in name else data)


class TwoInputs(nn.Module):
    def forward(self, x, y):
        return x + y


def two_inputs(path):
    torch.export.save(torch.export.export(TwoInputs(), (images(1), images(1))), path)


BAD_FILES = {
    "checkpoint": (lambda path: torch.save(Net().state_dict(), path), "a checkpoint: weights"),
    "TorchScript": (save_script, "TorchScript.*Use it with 'model: torchscript'"),
    "ONNX": (save_onnx, "ONNX.*Use it with 'model: onnx'"),
    "LFS": (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1"), "LFS"),
    "truncated": (
        lambda path: save_exported(path, batch=1).write_bytes(path.read_bytes()[:-500]),
        "a damaged or incomplete zip archive",
    ),
    "two inputs": (two_inputs, r"takes 2 inputs"),
    "pickle": (with_pickle, "were refused|cannot be loaded"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_files_are_told_what_they_are(tmp_path, capsys, kind):
    write, expected = BAD_FILES[kind]
    write(tmp_path / "net.pt2")
    with pytest.raises(FacebenchError, match=expected) as told:
        made(tmp_path / "net.pt2", input={"size": SIZE})
    assert "net.pt2" in str(told.value)
    assert len(str(told.value).splitlines()) == 1
    assert capsys.readouterr().out == ""


class Boxed(nn.Module):
    """Holds an exported program beside a module that has an eval mode."""

    def __init__(self, part):
        super().__init__()
        self.inner = nn.ModuleDict({"part": part})
        self.drop = nn.Dropout(0.9)

    def forward(self, x):
        return self.drop(self.inner["part"](x))


@pytest.mark.parametrize("box", [lambda part: part, Boxed, lambda part: Boxed(Boxed(part))])
def test_within_a_model_of_ones_own(box):
    class Own(BaseModel):
        def _build_model(self):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.model = box(torch.export.export(Net(), (images(2),)).module())

        def _forward(self, input_tensor):
            return self.model(input_tensor)

    model = Own("own", device="cpu")
    expected = hooked(Net(), images(2))["default"]
    torch.testing.assert_close(model.get_output(images(2))["default"], expected)
    assert not any(part.training for part in model.model.modules() if isinstance(part, nn.Dropout))


def test_a_module_that_refuses_eval_mode_itself_is_no_program():
    class Refusing(nn.Module):
        def train(self, mode=True):
            raise NotImplementedError

    class Own(BaseModel):
        def _build_model(self):
            self.model = Refusing()

        def _forward(self, input_tensor):
            return input_tensor

    with pytest.raises(NotImplementedError):
        Own("own", device="cpu")


def exported(network, path, kind=torch.float32):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(
            network, (images(2).to(kind),), dynamic_shapes={"x": {0: torch.export.Dim("n")}}
        )
        torch.export.save(program, path)
    return path


@pytest.mark.parametrize("mode", [False, True])
def test_a_program_in_training_mode_is_told(tmp_path, caplog, mode):
    made(exported(Normalised().train(mode), tmp_path / "net.pt2"))
    told = "was saved in training mode: its batch_norm and dropout will" in caplog.text
    assert told == mode


def test_half_precision(tmp_path):
    network = Normalised().half().eval()
    model = made(exported(network, tmp_path / "net.pt2", torch.float16))
    assert model.facts["precision"] == "float16"
    with torch.no_grad():
        expected = network(images().half()).float()
    torch.testing.assert_close(model.get_output(images())["default"], expected)
