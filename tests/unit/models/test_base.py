"""What every subclass of BaseModel inherits: building, feeding and reading a network."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import transforms

from facebench.errors import (
    ImageError,
    InputError,
    LayerOutputError,
    MissingImageError,
    MissingWeightsError,
    ModelError,
    UnknownNameError,
    WeightsError,
)
from facebench.models.base import BaseModel


class Network(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3)
        self.relu1 = nn.ReLU(inplace=True)
        self.block = nn.Sequential(nn.Conv2d(4, 5, 3), nn.ReLU(inplace=True), nn.Dropout(0.5))
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.unused = nn.Linear(1, 1)
        self.fc = nn.Linear(20, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.block(self.relu1(self.conv1(x))))
        return self.fc(x.flatten(1))


class Small(BaseModel):
    def _build_model(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.model = Network(self.num_identities or 6)

    def _forward(self, input_tensor: torch.Tensor) -> Any:
        return self.model(input_tensor)


def of_some(output: Any, count: int) -> Any:
    """Give what a layer returns for fewer images than the test sends."""
    if isinstance(output, torch.Tensor):
        return output[:count] if output.ndim and output.shape[0] > count else output
    if isinstance(output, dict):
        return type(output)(**{key: of_some(value, count) for key, value in output.items()})
    if isinstance(output, tuple | list):
        parts = [of_some(part, count) for part in output]
        return type(output)(*parts) if hasattr(output, "_fields") else type(output)(parts)
    return output


class Giving(BaseModel):
    """Its network has one layer, which returns what the test wants."""

    def __init__(self, output: Any, layers: str | None = "inner") -> None:
        self.output = output
        super().__init__("giving", extract_layers=layers)

    def _build_model(self) -> None:
        output = self.output

        class Inner(nn.Module):
            def forward(self, x: torch.Tensor) -> Any:
                return output if len(x) == 3 else of_some(output, len(x))

        self.model = nn.ModuleDict({"inner": Inner()})

    def _forward(self, input_tensor: torch.Tensor) -> Any:
        return self.model["inner"](input_tensor)


def batch(count: int = 3, size: int = 12) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(count))


def step_by_step(network: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Run the small network by hand, copying what each layer gives before the next may touch it."""
    with torch.no_grad():
        steps = {"conv1": network.conv1(x)}
        steps["relu1"] = steps["conv1"].clamp(min=0)
        steps["block.0"] = network.block[0](steps["relu1"])
        steps["block"] = steps["block.1"] = steps["block.2"] = steps["block.0"].clamp(min=0)
        steps["pool"] = network.pool(steps["block"])
        steps["fc"] = network.fc(steps["pool"].flatten(1))
    return {name: output.flatten(1) for name, output in steps.items()}


class TestConstruction:
    def test_subclass_needs_both_methods(self) -> None:
        class Half(BaseModel):
            def _build_model(self) -> None:
                self.model = nn.Identity()

        with pytest.raises(TypeError, match="_forward"):
            Half("half")

    @pytest.mark.parametrize("given", [None, "resnet50", torch.zeros(3), lambda x: x, nn.Identity])
    def test_anything_but_a_module_is_an_error(self, given: Any) -> None:
        class Wrong(Small):
            def _build_model(self) -> None:
                self.model = given

        with pytest.raises(ModelError, match=r"_build_model of Wrong must set self\.model .*Got"):
            Wrong("wrong")

    def test_not_setting_the_model_is_an_error(self) -> None:
        class Forgetful(Small):
            def _build_model(self) -> None:
                pass

        with pytest.raises(ModelError, match=r"Forgetful must set self\.model"):
            Forgetful("forgetful")

    @pytest.mark.parametrize("name", ["", "  ", None, 5])
    def test_name_must_be_a_text(self, name: Any) -> None:
        with pytest.raises(InputError, match="'name' of a Small"):
            Small(name)

    def test_preprocess_function_must_be_callable(self) -> None:
        with pytest.raises(InputError, match=r"'preprocess_function' of Small.*'resize'"):
            Small("small", preprocess_function="resize")  # type: ignore[arg-type]

    def test_repr_tells_name_and_layers(self) -> None:
        assert "'mine'" in repr(Small("mine"))
        assert "default" in repr(Small("mine"))
        assert "conv1, fc" in repr(Small("mine", extract_layers=["fc", "conv1"]))

    def test_documented_arguments_work_by_position(self, tmp_path: Path) -> None:
        torch.save(Network(6).state_dict(), tmp_path / "w.pth")
        model = Small("small", tmp_path / "w.pth", ["fc"], transforms.ToTensor())
        assert list(model.get_output(batch())) == ["fc"]


class TestLayers:
    def test_without_layers_the_key_is_default(self) -> None:
        model = Small("small")
        assert model.extract_layers == []
        output = model.get_output(batch())
        assert list(output) == ["default"]
        assert torch.equal(output["default"], step_by_step(model.model, batch())["fc"])

    @pytest.mark.parametrize("layers", ["block.0", ["block.0"], ("block.0",)])
    def test_one_layer_may_be_given_as_text_or_list(self, layers: Any) -> None:
        model = Small("small", extract_layers=layers)
        assert list(model.get_output(batch())) == ["block.0"]

    def test_empty_list_means_default(self) -> None:
        assert list(Small("small", extract_layers=[]).get_output(batch())) == ["default"]

    def test_layers_come_in_network_order_each_once(self) -> None:
        asked = ["fc", "block.1", "conv1", "fc", "block", "relu1"]
        model = Small("small", extract_layers=asked)
        expected = ["conv1", "relu1", "block", "block.1", "fc"]
        assert model.extract_layers == expected
        assert list(model.get_output(batch())) == expected

    def test_each_layer_gives_its_own_output_despite_in_place_successors(self) -> None:
        every = ["conv1", "relu1", "block", "block.0", "block.1", "block.2", "pool", "fc"]
        model = Small("small", extract_layers=every)
        output = model.get_output(batch())
        expected = step_by_step(model.model, batch())
        for layer in every:
            torch.testing.assert_close(output[layer], expected[layer], rtol=0, atol=1e-6)
        assert (output["conv1"] < 0).any()
        assert not torch.equal(output["conv1"], output["relu1"])

    def test_hooks_do_not_change_the_result(self) -> None:
        plain = Small("small").get_output(batch())["default"]
        hooked = Small("small", extract_layers=["conv1", "fc"]).get_output(batch())["fc"]
        assert torch.equal(plain, hooked)

    @pytest.mark.parametrize(
        ("asked", "close"), [("conv", "conv1"), ("blok.0", "block.0"), ("relu", "relu1")]
    )
    def test_unknown_layer_fails_at_construction_with_the_closest(
        self, asked: str, close: str
    ) -> None:
        with pytest.raises(UnknownNameError) as caught:
            Small("mine", extract_layers=["fc", asked])
        assert f"'mine' has no layer '{asked}'" in str(caught.value)
        assert close in str(caught.value)

    def test_all_unknown_layers_are_told_at_once(self) -> None:
        with pytest.raises(UnknownNameError) as caught:
            Small("mine", extract_layers=["con1", "fc", "relu9"])
        assert "'mine' has no layers 'con1' (closest: conv1" in str(caught.value)
        assert "'relu9' (closest: relu1" in str(caught.value)
        with pytest.raises(UnknownNameError, match=r"'blok\.\*' matches .*'con1' is not"):
            Small("mine", extract_layers=["blok.*", "fc", "con1"])

    def test_the_whole_network_is_no_layer(self) -> None:
        with pytest.raises(UnknownNameError):
            Small("small", extract_layers="")

    def test_a_layer_never_reached_is_named(self) -> None:
        model = Small("small", extract_layers=["conv1", "unused"])
        with pytest.raises(LayerOutputError, match=r"'small' never reached: unused"):
            model.get_output(batch())

    def test_a_layer_reached_only_once_is_not_remembered_from_the_last_batch(self) -> None:
        class Fickle(Small):
            def _forward(self, input_tensor: torch.Tensor) -> Any:
                if len(input_tensor) == 3:
                    return self.model(input_tensor)
                return self.model.conv1(input_tensor)

        model = Fickle("fickle", extract_layers="fc")
        model.get_output(batch(3))
        with pytest.raises(LayerOutputError, match="fc"):
            model.get_output(batch(2))
        assert model.get_output(batch(3))["fc"].shape == (3, 6)

    def test_layer_names_are_those_of_named_modules(self) -> None:
        model = Small("small")
        names = model.get_layer_names()
        assert names == [name for name, _ in model.model.named_modules() if name]

    def test_simplified_names_are_those_without_children(self) -> None:
        assert Small("small").get_layer_names(simplified=True) == [
            "conv1", "relu1", "block.0", "block.1", "block.2", "pool", "unused", "fc",
        ]  # fmt: skip

    def test_asking_for_names_needs_no_extraction(self) -> None:
        model = Small("small", extract_layers="fc")
        assert "conv1" in model.get_layer_names()


Pair = namedtuple("Pair", "first second")


def as_model_output(tensor: torch.Tensor) -> Any:
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    return BaseModelOutputWithPooling(last_hidden_state=tensor, pooler_output=torch.zeros(3, 1))


class TestOutputs:
    @pytest.mark.parametrize("layers", ["inner", None])
    @pytest.mark.parametrize(
        "wrap",
        [
            lambda t: t,
            lambda t: (t, torch.zeros(3, 9)),
            lambda t: [t],
            lambda t: (None, t),
            lambda t: {"features": t, "other": torch.zeros(3, 9)},
            lambda t: {"nothing": None, "nested": ({"deep": t},)},
            lambda t: Pair(t, 5),
            as_model_output,
        ],
        ids=["tensor", "tuple", "list", "None first", "dict", "nested", "named", "ModelOutput"],
    )
    def test_the_first_tensor_of_any_container_is_taken(self, wrap: Any, layers: Any) -> None:
        tensor = torch.arange(24.0).reshape(3, 2, 4)
        (output,) = Giving(wrap(tensor), layers).get_output(batch(3)).values()
        assert torch.equal(output, tensor.reshape(3, 8))

    @pytest.mark.parametrize(
        "dtype", [torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.bool]
    )
    def test_outputs_become_float32(self, dtype: torch.dtype) -> None:
        (output,) = Giving(torch.ones(3, 4, dtype=dtype)).get_output(batch(3)).values()
        assert output.dtype == torch.float32
        assert torch.equal(output, torch.ones(3, 4))

    def test_flattening_does_not_depend_on_the_layout_in_memory(self) -> None:
        tensor = torch.randn(3, 2, 4, 5)
        laid_out = tensor.to(memory_format=torch.channels_last)
        (output,) = Giving(laid_out).get_output(batch(3)).values()
        assert torch.equal(output, tensor.reshape(3, -1))

    def test_one_value_per_image_becomes_a_column(self) -> None:
        (output,) = Giving(torch.tensor([1.0, 2.0, 3.0])).get_output(batch(3)).values()
        assert output.tolist() == [[1.0], [2.0], [3.0]]

    @pytest.mark.parametrize("nothing", [None, "text", (), {}, [None, "x"], 5.0])
    def test_no_tensor_is_an_error_naming_layer_and_model(self, nothing: Any) -> None:
        with pytest.raises(LayerOutputError, match=r"Layer 'inner' of model 'giving'.*no tensor"):
            Giving(nothing).get_output(batch())

    @pytest.mark.slow
    @pytest.mark.parametrize("shape", [(), (2, 5), (1, 3, 4)])
    def test_a_first_axis_that_is_not_the_images_is_an_error(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(LayerOutputError, match=r"Layer 'inner'.*for 3 images"):
            Giving(torch.zeros(shape)).get_output(batch(3))

    def test_forward_itself_is_blamed_without_layers(self) -> None:
        with pytest.raises(LayerOutputError, match="_forward of model 'giving'"):
            Giving(None, None).get_output(batch())

    @pytest.mark.parametrize("layers", ["inner", None])
    def test_outputs_are_copies(self, layers: Any) -> None:
        memory = torch.ones(3, 4)
        model = Giving(memory, layers)
        (output,) = model.get_output(batch(3)).values()
        memory.fill_(7)
        assert torch.equal(output, torch.ones(3, 4))

    def test_one_image_is_a_batch_of_one(self) -> None:
        model = Small("small")
        image = batch(1)[0]
        assert torch.equal(
            model.get_output(image)["default"], model.get_output(image[None])["default"]
        )

    def test_the_input_is_left_alone(self) -> None:
        images = batch()
        before = images.clone()
        Small("small", extract_layers="relu1").get_output(images)
        assert torch.equal(images, before)


class TestModeAndDevice:
    def test_network_is_in_eval_mode_without_gradients(self) -> None:
        model = Small("small", extract_layers=["fc"])
        assert not any(module.training for module in model.model.modules())
        assert not any(parameter.requires_grad for parameter in model.model.parameters())
        assert not model.get_output(batch())["fc"].requires_grad

    def test_train_mode_is_undone_before_every_batch(self) -> None:
        model = Small("small")
        expected = model.get_output(batch())["default"]
        model.model.train()
        assert torch.equal(model.get_output(batch())["default"], expected)
        assert not any(module.training for module in model.model.modules())

    def test_forward_runs_without_gradients_even_if_parameters_want_them(self) -> None:
        enabled = []

        class Watching(Small):
            def _forward(self, input_tensor: torch.Tensor) -> Any:
                enabled.append(torch.is_grad_enabled())
                return self.model(input_tensor)

        model = Watching("watching")
        model.model.requires_grad_(True)
        images = batch().requires_grad_(True)
        assert not model.get_output(images)["default"].requires_grad
        assert set(enabled) == {False}
        assert torch.is_grad_enabled()

    def test_device_is_known_while_building(self) -> None:
        seen = []

        class Curious(Small):
            def _build_model(self) -> None:
                seen.append(self.device)
                super()._build_model()

        model = Curious("curious", device="cpu")
        assert seen == [torch.device("cpu")] == [model.device]

    def test_to_moves_the_network_and_gives_the_model_back(self) -> None:
        model = Small("small", device="cpu")
        assert model.to("meta") is model
        assert model.device == torch.device("meta")
        assert {parameter.device.type for parameter in model.model.parameters()} == {"meta"}

    def test_to_keeps_eval_mode_and_hooks(self) -> None:
        model = Small("small", extract_layers="conv1")
        model.model.train()
        model.to("cpu")
        assert not model.model.training
        assert list(model.get_output(batch())) == ["conv1"]

    def test_default_device_is_one_torch_has(self) -> None:
        assert isinstance(Small("small").device, torch.device)


class TestPreprocessing:
    def reference(self, image: Image.Image) -> torch.Tensor:
        small = np.asarray(image.resize((224, 224), Image.Resampling.BILINEAR), dtype=np.float32)
        scaled = (small / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
        return torch.tensor(scaled.transpose(2, 0, 1), dtype=torch.float32)

    def test_default_is_resize_and_imagenet_normalisation(self, image_folder: Any) -> None:
        (path,) = image_folder(1, size=(90, 50))
        tensor = Small("small").preprocess_image(path)
        assert tensor.shape == (3, 224, 224)
        assert tensor.dtype == torch.float32
        expected = self.reference(Image.open(path))
        torch.testing.assert_close(tensor, expected, rtol=0, atol=1e-4)

    def test_path_may_be_text(self, image_folder: Any) -> None:
        (path,) = image_folder(1)
        model = Small("small")
        assert torch.equal(model.preprocess_image(str(path)), model.preprocess_image(path))

    @pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "CMYK", "1", "I;16"])
    def test_every_mode_becomes_three_channels(self, tmp_path: Path, mode: str) -> None:
        path = tmp_path / ("image.tif" if mode == "CMYK" else "image.png")
        values = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
        if mode == "I;16":
            Image.fromarray(values[..., 0].astype(np.uint16) * 257).save(path)
        else:
            Image.fromarray(values).convert(mode).save(path)
        assert Small("small").preprocess_image(path).shape == (3, 224, 224)

    def test_photographs_are_turned_upright(self, tmp_path: Path) -> None:
        upright = Image.fromarray(np.tile(np.arange(64, dtype=np.uint8)[:, None], (1, 64)) * 4)
        exif = Image.Exif()
        exif[0x0112] = 3  # the camera was upside down
        upright.save(tmp_path / "upright.png")
        upright.rotate(180).save(tmp_path / "turned.png", exif=exif)
        model = Small("small")
        assert torch.equal(
            model.preprocess_image(tmp_path / "turned.png"),
            model.preprocess_image(tmp_path / "upright.png"),
        )

    def test_own_function_replaces_the_default(self, image_folder: Any) -> None:
        (path,) = image_folder(1, size=(9, 7))
        seen = []

        def own(image: Image.Image) -> torch.Tensor:
            seen.append((image.mode, image.size))
            return torch.full((3, 5, 5), 2.0)

        model = Small("small", preprocess_function=own)
        assert torch.equal(model.preprocess_image(path), torch.full((3, 5, 5), 2.0))
        assert seen == [("RGB", (9, 7))]

    def test_function_may_be_changed_and_taken_back(self, image_folder: Any) -> None:
        (path,) = image_folder(1)
        model = Small("small")
        default = model.preprocess_image(path)
        model.set_preprocess_function(transforms.ToTensor())
        assert model.preprocess_image(path).shape == (3, 32, 32)
        model.set_preprocess_function(None)
        assert torch.equal(model.preprocess_image(path), default)

    def test_changing_to_something_else_is_an_error_and_changes_nothing(self) -> None:
        model = Small("small", preprocess_function=transforms.ToTensor())
        before = model.preprocess_function
        with pytest.raises(InputError):
            model.set_preprocess_function(5)  # type: ignore[arg-type]
        assert model.preprocess_function is before

    def test_overridden_preprocess_image_is_all_there_is(self, image_folder: Any) -> None:
        (path,) = image_folder(1)

        class Own(Small):
            def preprocess_image(self, image_path: Any) -> torch.Tensor:
                return torch.ones(3, 4, 4)

        def never(_image: Image.Image) -> torch.Tensor:
            raise AssertionError

        assert torch.equal(
            Own("own", preprocess_function=never).preprocess_image(path), torch.ones(3, 4, 4)
        )

    def test_missing_and_damaged_images_are_named(self, tmp_path: Path) -> None:
        model = Small("small")
        with pytest.raises(MissingImageError, match=r"none\.png"):
            model.preprocess_image(tmp_path / "none.png")
        (tmp_path / "bad.png").write_bytes(b"no image")
        with pytest.raises(ImageError, match=r"bad\.png"):
            model.preprocess_image(tmp_path / "bad.png")


class TestNotes:
    def test_notes_are_given_once(self) -> None:
        model = Small("small")
        model.note_image("no face found")
        model.note_image("blurred")
        assert model.take_image_notes() == ["no face found", "blurred"]
        assert model.take_image_notes() == []


class TestWeights:
    def test_checkpoint_is_loaded(self, tmp_path: Path) -> None:
        source = Network(6)
        torch.save(source.state_dict(), tmp_path / "w.pth")
        model = Small("small", weights_path=tmp_path / "w.pth")
        torch.testing.assert_close(
            model.get_output(batch())["default"], step_by_step(source, batch())["fc"]
        )

    def test_number_of_identities_is_known_before_building(self, tmp_path: Path) -> None:
        torch.save(Network(17).state_dict(), tmp_path / "w.pth")
        seen = []

        class Curious(Small):
            def _build_model(self) -> None:
                seen.append(self.num_identities)
                super()._build_model()

        model = Curious("curious", str(tmp_path / "w.pth"))
        assert seen == [17]
        assert model.num_identities == 17
        assert model.model.fc.out_features == 17

    def test_without_a_checkpoint_no_identities_are_known(self) -> None:
        assert Small("small").num_identities is None

    def test_missing_checkpoint_fails_before_anything_is_built(self, tmp_path: Path) -> None:
        class Never(Small):
            def _build_model(self) -> None:
                raise AssertionError

        with pytest.raises(MissingWeightsError, match=r"none\.pth") as caught:
            Never("never", tmp_path / "none.pth")
        assert isinstance(caught.value, FileNotFoundError)

    def test_checkpoint_of_another_network_names_file_and_keys(self, tmp_path: Path) -> None:
        torch.save(nn.Linear(2, 3).state_dict(), tmp_path / "linear.pth")
        with pytest.raises(WeightsError) as caught:
            Small("small", tmp_path / "linear.pth")
        message = str(caught.value)
        assert "linear.pth" in message
        assert "missing: conv1.weight" in message
        assert "2 unexpected: weight, bias" in message


def test_layers_may_be_asked_for_by_pattern() -> None:
    from support.small_net import SmallNet

    assert SmallNet("net", extract_layers="all").extract_layers == ["0", "1", "2", "3", "4"]
    assert SmallNet("net", extract_layers=["[2-4]", "0"]).extract_layers == ["0", "2", "3", "4"]
    with pytest.raises(UnknownNameError, match=r"'conv\*' matches no layer"):
        SmallNet("net", extract_layers="conv*")


class Awkward(nn.Module):
    """Layers that are not called, that have no axis of images, and that put tokens first."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, stride=4)
        self.position = nn.Embedding(9, 8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16)
        self.head, self.aux = nn.Linear(8, 4), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.stem(x).flatten(2).permute(2, 0, 1)  # 9 tokens, images, 8 values
        tokens = tokens + self.position(torch.arange(9)[None]).squeeze(0)[:, None]
        return self.head(self.block(tokens).mean(0))


class AwkwardModel(BaseModel):
    def _build_model(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.model = Awkward()

    def _forward(self, input_tensor: torch.Tensor) -> Any:
        return self.model(input_tensor)

    def _default_preprocess(self, image: Image.Image) -> torch.Tensor:
        return transforms.functional.to_tensor(image.resize((12, 12)))


class TestWhatPatternsStandFor:
    def test_only_layers_that_can_be_read(self, caplog: pytest.LogCaptureFixture) -> None:
        model = AwkwardModel("net", extract_layers="all")
        assert model.extract_layers == ["stem", "head"]
        assert model.left_out_layers["aux"] == "not reached"
        assert model.left_out_layers["position"] == "no batch"
        assert list(model.get_output(batch(3))) == ["stem", "head"]
        assert "does not reach: aux" in caplog.text
        assert "Not one output per image: position" in caplog.text

    def test_the_first_batch_tells_where_no_image_can_be_made(self) -> None:
        class Own(AwkwardModel):
            def preprocess_image(self, image_path: Any) -> torch.Tensor:
                raise FileNotFoundError(image_path)

        model = Own("net", extract_layers=["all"])
        assert list(model.get_output(batch(2))) == ["stem", "head"]
        assert model.extract_layers == ["stem", "head"]

    def test_a_name_is_taken_at_its_word(self) -> None:
        model = AwkwardModel("net", extract_layers=["all", "aux"])
        with pytest.raises(LayerOutputError, match="never reached: aux"):
            model.get_output(batch(3))

    def test_nothing_to_read_is_an_error(self) -> None:
        with pytest.raises(LayerOutputError, match=r"none can be read: aux \(not reached\)"):
            _ = AwkwardModel("net", extract_layers="a*").extract_layers

    def test_trying_leaves_the_model_and_random_draws_as_they_were(self) -> None:
        class Counting(AwkwardModel):
            seen: int = 0

            def _forward(self, input_tensor: torch.Tensor) -> Any:
                self.seen += 1
                torch.rand(3)
                return super()._forward(input_tensor)

        model = Counting("net", extract_layers="all")
        state = torch.get_rng_state()
        assert model.extract_layers
        assert torch.equal(torch.get_rng_state(), state)
        assert model.seen == 0


class TestAnyNumberOfImages:
    @pytest.mark.parametrize("layer", ["position", "block"])
    @pytest.mark.parametrize("count", [1, 2, 9])
    def test_an_axis_that_is_not_the_images_is_refused(self, layer: str, count: int) -> None:
        # One image, or as many as tokens, would hide it.
        with pytest.raises(LayerOutputError, match=f"Layer '{layer}'"):
            AwkwardModel("net", extract_layers=[layer]).get_output(batch(count))

    def test_the_output_too(self) -> None:
        class Tokens(AwkwardModel):
            def _forward(self, input_tensor: torch.Tensor) -> Any:
                return self.model.stem(input_tensor).flatten(2).permute(2, 0, 1)

        with pytest.raises(LayerOutputError, match="_forward of model 'net'"):
            Tokens("net").get_output(batch(9))

    def test_a_network_for_one_number_of_images_is_said_to_be(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Fixed(AwkwardModel):
            def _forward(self, input_tensor: torch.Tensor) -> Any:
                return super()._forward(input_tensor.reshape(4, 3, 12, 12))

        assert Fixed("net").get_output(batch(4))["default"].shape == (4, 4)
        assert "runs on 4 images and not on 2" in caplog.text


class TestBetweenCalls:
    def test_a_network_is_a_plain_module(self) -> None:
        model = Small("small", extract_layers=["conv1", "fc"])
        model.get_output(batch(3))
        model.read_layers(batch(3))
        assert not any(
            part._forward_hooks or part._forward_pre_hooks for part in model.model.modules()
        )
        assert model.model(batch(5)).shape == (5, 6)

    def test_also_after_an_error(self) -> None:
        model = Small("small", extract_layers=["conv1", "unused"])
        with pytest.raises(LayerOutputError):
            model.get_output(batch(3))
        with pytest.raises(RuntimeError):
            Small("small", extract_layers="fc").get_output(torch.zeros(3, 1, 2, 2))
        assert not any(part._forward_hooks for part in model.model.modules())

    @pytest.mark.parametrize("layers", [["conv1", "fc"], "conv1"])
    def test_several_passes_are_said(self, layers: Any, caplog: pytest.LogCaptureFixture) -> None:
        class Flipped(Small):
            def _forward(self, input_tensor: torch.Tensor) -> Any:
                return self.model(input_tensor) + self.model(input_tensor.flip(-1))

        model = Flipped("flipped", extract_layers=layers)
        for _ in range(2):
            last = model.get_output(batch(3))["conv1"]
        expected = step_by_step(model.model, batch(3).flip(-1))["conv1"]
        torch.testing.assert_close(last, expected)
        assert caplog.text.count("makes 2 passes over a batch") == 1


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
class TestTorchScript:
    class Scripted(Small):
        def _build_model(self) -> None:
            super()._build_model()
            self.model = torch.jit.trace(self.model.eval(), torch.zeros(2, 3, 12, 12))

    def test_its_output_can_be_read(self) -> None:
        expected = Small("small").get_output(batch(3))["default"]
        torch.testing.assert_close(
            self.Scripted("script").get_output(batch(3))["default"], expected
        )

    @pytest.mark.parametrize("layers", [["fc"], "block.0"])
    def test_its_layers_cannot(self, layers: Any) -> None:
        with pytest.raises(LayerOutputError, match="inside TorchScript, which calls no hooks"):
            self.Scripted("script", extract_layers=layers)


def test_layers_without_a_shape_yet_are_told() -> None:
    class Lazy(Small):
        def _build_model(self) -> None:
            self.model = nn.Sequential(nn.Flatten(), nn.LazyLinear(3))

    with pytest.raises(ModelError, match=r"get their shape from a first batch.*1\.weight"):
        Lazy("lazy")


def test_a_network_of_torch_export_is_read_in_the_mode_it_was_exported_in() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1)).eval()
    batch = torch.randn(4, 3, 8, 8)

    class Exported(BaseModel):
        def _build_model(self) -> None:
            exported = torch.export.export(
                network, (torch.randn(2, 3, 8, 8),), dynamic_shapes=[{0: torch.export.Dim("n")}]
            )
            self.model = exported.module()

        def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
            return self.model(input_tensor)

    found = Exported("exported", device="cpu").get_output(batch)["default"]
    assert torch.allclose(found, network(batch).flatten(1))
