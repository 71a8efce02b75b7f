"""DINOv2 against transformers called directly, on a tiny random one saved to a folder."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoModel, BitImageProcessor
from transformers.utils import logging

from facebench.errors import MissingWeightsError, ModelError, WeightsError
from facebench.models.dino import DinoModel


def batch(count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, 28, 28, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=["plain", "registers"])
def folder(request: pytest.FixtureRequest) -> Path:
    name = "dino_folder" if request.param == "plain" else "dino_registers_folder"
    return request.getfixturevalue(name)


def reference(folder: Path) -> Any:
    with torch.no_grad():
        return AutoModel.from_pretrained(folder).eval()(batch(), output_hidden_states=True)


@pytest.mark.parametrize("pooling", ["cls", "mean", "tokens"])
def test_pooling_takes_what_it_says(folder: Path, pooling: str) -> None:
    tokens = reference(folder).last_hidden_state
    registers = 3 if "registers" in folder.name else 0
    assert tokens.shape == (3, 1 + registers + 4, 16)
    expected = {
        "cls": tokens[:, 0],
        "mean": tokens[:, -4:].mean(dim=1),
        "tokens": tokens.flatten(1),
    }[pooling]
    output = DinoModel("dino", str(folder), pooling=pooling).get_output(batch())
    torch.testing.assert_close(output, {"default": expected})


def test_class_token_is_the_default(dino_folder: Path) -> None:
    default = DinoModel("dino", dino_folder).get_output(batch())["default"]
    cls = DinoModel("dino", dino_folder, pooling="cls").get_output(batch())["default"]
    assert torch.equal(default, cls)


def test_poolings_differ(folder: Path) -> None:
    outputs = [
        DinoModel("dino", folder, pooling=pooling).get_output(batch())["default"]
        for pooling in ("cls", "mean")
    ]
    assert not torch.allclose(*outputs, atol=1e-2)


def test_unknown_pooling_names_the_closest() -> None:
    with pytest.raises(ModelError, match=r"'pooling' parameter of DinoModel .*Did you mean 'mean'"):
        DinoModel("dino", pooling="means")


def test_hooked_encoder_layers_are_the_hidden_states(folder: Path) -> None:
    layers = ["encoder.layer.1", "encoder.layer.0"]
    output = DinoModel("dino", folder, layers).get_output(batch())
    hidden = reference(folder).hidden_states
    assert list(output) == ["encoder.layer.0", "encoder.layer.1"]
    for index, layer in enumerate(output):
        torch.testing.assert_close(output[layer], hidden[index + 1].flatten(1))


def test_layers_may_be_asked_for_by_the_end_of_their_names(folder: Path) -> None:
    assert DinoModel("dino", folder, "layer.0").extract_layers == ["encoder.layer.0"]
    model = DinoModel("dino", folder, ["all", "layer.*"])
    blocks = ["encoder.layer.0", "encoder.layer.1"]
    assert {*blocks} < {*model.extract_layers}
    assert {*model.extract_layers} == {*blocks, *model.get_layer_names(simplified=True)}
    assert list(model.get_output(batch())) == model.extract_layers


def test_hooked_layers_do_not_depend_on_pooling(dino_folder: Path) -> None:
    first, second = (
        DinoModel("dino", dino_folder, "encoder.layer.0", pooling=pooling).get_output(batch())
        for pooling in ("cls", "mean")
    )
    assert torch.equal(first["encoder.layer.0"], second["encoder.layer.0"])


@pytest.mark.parametrize("size", [(50, 40), (28, 28), (13, 90)])
def test_preprocessing_is_the_processors(
    dino_folder: Path, image_folder: Any, size: tuple[int, int]
) -> None:
    (path,) = image_folder(1, size=size)
    processor = BitImageProcessor.from_pretrained(dino_folder)
    expected = processor(images=Image.open(path), return_tensors="pt")["pixel_values"][0]
    tensor = DinoModel("dino", dino_folder).preprocess_image(path)
    assert tensor.shape == (3, 28, 28)
    torch.testing.assert_close(tensor, expected)


def test_preprocessing_may_be_replaced_and_restored(dino_folder: Path, image_folder: Any) -> None:
    (path,) = image_folder(1)
    model = DinoModel("dino", dino_folder)
    default = model.preprocess_image(path)
    model.set_preprocess_function(lambda _image: torch.ones(3, 28, 28))
    assert torch.equal(model.preprocess_image(path), torch.ones(3, 28, 28))
    model.set_preprocess_function(None)
    assert torch.equal(model.preprocess_image(path), default)


def test_nothing_is_printed_and_logging_is_left_as_it_was(
    dino_folder: Path, image_folder: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    capfd.readouterr()
    model = DinoModel("dino", dino_folder)
    model.get_output(model.preprocess_image(image_folder(1)[0]))
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == (level, bars)


class TestOutOfReach:
    def test_hub_name_is_told(self) -> None:
        with pytest.raises(MissingWeightsError, match="facebook/dinov2-base") as caught:
            DinoModel("dino")
        assert "save_pretrained" in str(caught.value)

    @pytest.mark.parametrize("name", ["nowhere", "./nowhere", "a/b/c"])
    def test_missing_folder(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(MissingWeightsError, match=name):
            DinoModel("dino", str(tmp_path / name))

    def test_logging_is_left_as_it_was_after_a_failure(self, tmp_path: Path) -> None:
        before = logging.get_verbosity(), logging.is_progress_bar_enabled()
        with pytest.raises(MissingWeightsError):
            DinoModel("dino", str(tmp_path / "nowhere"))
        assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before

    @pytest.mark.parametrize(
        "kept", [[], ["config.json"], ["config.json", "preprocessor_config.json"]]
    )
    def test_incomplete_folder(self, dino_folder: Path, tmp_path: Path, kept: list[str]) -> None:
        folder = tmp_path / "incomplete"
        folder.mkdir()
        for name in kept:
            shutil.copy(dino_folder / name, folder)
        with pytest.raises(MissingWeightsError, match="incomplete"):
            DinoModel("dino", str(folder))


class TestDamagedFolders:
    @pytest.fixture
    def folder(self, dino_folder: Path, tmp_path: Path) -> Path:
        return Path(shutil.copytree(dino_folder, tmp_path / "damaged"))

    def test_truncated_weights_are_a_weights_error(self, folder: Path) -> None:
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:2000])
        with pytest.raises(WeightsError, match="damaged"):
            DinoModel("dino", folder)

    def test_pickled_weights_that_run_code_are_refused_unrun(
        self, folder: Path, tmp_path: Path
    ) -> None:
        marker = tmp_path / "the-code-ran"

        class RunsCode:
            def __reduce__(self) -> tuple[Any, tuple[str]]:
                return os.mkdir, (str(marker),)

        pickle.loads(pickle.dumps(RunsCode()))
        marker.rmdir()
        (folder / "model.safetensors").unlink()
        torch.save({"layernorm.weight": RunsCode()}, folder / "pytorch_model.bin")
        with pytest.raises(Exception) as caught:  # noqa: PT011 - its class is judged below
            DinoModel("dino", folder)
        assert not marker.exists()
        assert isinstance(caught.value, WeightsError)

    def test_missing_weights_are_not_drawn_at_random(self, folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        path = folder / "model.safetensors"
        state = load_file(path)
        del state["layernorm.weight"]
        save_file(state, path, metadata={"format": "pt"})
        with pytest.raises(WeightsError, match=r"layernorm\.weight"):
            DinoModel("dino", folder)
