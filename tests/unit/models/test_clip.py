"""CLIP's vision tower against transformers called directly, on tiny random ones in a folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from PIL import Image
from transformers.utils import logging

from facebench.errors import FacebenchError, MissingWeightsError, ModelError, WeightsError
from facebench.models.clip import CLIPModel


def batch(count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_embedding_is_that_of_the_whole_clip(clip_folder: Path) -> None:
    whole = transformers.CLIPModel.from_pretrained(clip_folder).eval()
    assert whole.config.vision_config.projection_dim != whole.config.projection_dim == 12
    with torch.no_grad():
        expected = whole.visual_projection(whole.vision_model(batch()).pooler_output)
    output = CLIPModel("clip", str(clip_folder)).get_output(batch())
    torch.testing.assert_close(output, {"default": expected})


def test_embedding_of_a_vision_tower_alone(clip_vision_folder: Path) -> None:
    tower = transformers.CLIPVisionModelWithProjection.from_pretrained(clip_vision_folder).eval()
    with torch.no_grad():
        expected = tower(batch()).image_embeds
    assert expected.shape == (3, 12)
    output = CLIPModel("clip", str(clip_vision_folder)).get_output(batch())
    torch.testing.assert_close(output, {"default": expected})


def test_two_loads_are_the_same(clip_folder: Path) -> None:
    first, second = (CLIPModel("clip", clip_folder).get_output(batch()) for _ in range(2))
    assert torch.equal(first["default"], second["default"])


def test_no_text_tower_is_in_memory(clip_folder: Path) -> None:
    names = [name for name, _ in CLIPModel("clip", clip_folder).model.named_parameters()]
    assert names
    assert not [name for name in names if "text" in name or "token" in name]


def test_hooked_encoder_layers_are_the_hidden_states(clip_folder: Path) -> None:
    tower = transformers.CLIPModel.from_pretrained(clip_folder).eval().vision_model
    with torch.no_grad():
        hidden = tower(batch(), output_hidden_states=True).hidden_states
    layers = [f"vision_model.encoder.layers.{index}" for index in (0, 1)]
    output = CLIPModel("clip", clip_folder, reversed(layers)).get_output(batch())
    assert list(output) == layers
    for index, layer in enumerate(layers):
        torch.testing.assert_close(output[layer], hidden[index + 1].flatten(1))


@pytest.mark.parametrize("size", [(50, 40), (32, 32), (13, 90)])
def test_preprocessing_is_the_processors(
    clip_folder: Path, image_folder: Any, size: tuple[int, int]
) -> None:
    (path,) = image_folder(1, size=size)
    processor = transformers.CLIPImageProcessor.from_pretrained(clip_folder)
    expected = processor(images=Image.open(path), return_tensors="pt")["pixel_values"][0]
    tensor = CLIPModel("clip", clip_folder).preprocess_image(path)
    assert tensor.shape == (3, 32, 32)
    torch.testing.assert_close(tensor, expected)


@pytest.mark.parametrize("kind", ["clip_folder", "clip_vision_folder"])
def test_nothing_is_printed_and_logging_is_left_as_it_was(
    request: pytest.FixtureRequest,
    kind: str,
    image_folder: Any,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = request.getfixturevalue(kind)
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    capfd.readouterr()
    model = CLIPModel("clip", folder)
    model.get_output(model.preprocess_image(image_folder(1)[0]))
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


class TestVersions:
    @pytest.mark.parametrize(
        ("version", "hub_name"),
        [
            ("ViT-B/32", "openai/clip-vit-base-patch32"),
            ("ViT-B/16", "openai/clip-vit-base-patch16"),
            ("ViT-L/14", "openai/clip-vit-large-patch14"),
            ("ViT-L/14@336px", "openai/clip-vit-large-patch14-336"),
            ("laion/some-clip", "laion/some-clip"),
        ],
    )
    def test_names_are_those_of_the_hub(self, version: str, hub_name: str) -> None:
        with pytest.raises(MissingWeightsError, match=f"'{hub_name}'"):
            CLIPModel("clip", version)

    def test_default_is_vit_b_32(self) -> None:
        with pytest.raises(MissingWeightsError, match="openai/clip-vit-base-patch32"):
            CLIPModel("clip")

    @pytest.mark.parametrize(
        ("version", "closest"),
        [
            ("ViT-B/31", "ViT-B/32"),
            ("ViT-B-16", "ViT-B/16"),
            ("ViT-L/14@336", "ViT-L/14@336px"),
            ("ViTL14", "ViT-L/14"),
        ],
    )
    def test_unknown_short_name_says_the_closest(self, version: str, closest: str) -> None:
        with pytest.raises(ModelError, match=f"Got '{version}' instead. Did you mean '{closest}'"):
            CLIPModel("clip", version)

    def test_unknown_short_name_lists_the_known(self) -> None:
        with pytest.raises(ModelError, match="ViT-B/32, ViT-B/16, ViT-L/14, ViT-L/14@336px"):
            CLIPModel("clip", "RN50")

    def test_missing_folder(self, tmp_path: Path) -> None:
        with pytest.raises(MissingWeightsError, match="nowhere"):
            CLIPModel("clip", str(tmp_path / "nowhere"))

    def test_empty_folder(self, tmp_path: Path) -> None:
        with pytest.raises(MissingWeightsError, match=tmp_path.name):
            CLIPModel("clip", str(tmp_path))

    def test_folder_in_the_working_directory_needs_no_slash(
        self, clip_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(clip_folder.parent)
        assert CLIPModel("clip", clip_folder.name).get_output(batch())["default"].shape == (3, 12)


def test_a_tower_without_projection_is_refused_not_projected_at_random(
    clip_unprojected_folder: Path,
) -> None:
    with pytest.raises(WeightsError, match="visual_projection"):
        CLIPModel("clip", clip_unprojected_folder)


def test_a_folder_of_another_family_is_one_clear_error(dino_folder: Path) -> None:
    with pytest.raises(FacebenchError, match="CLIP"):
        CLIPModel("clip", dino_folder)


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json"])
def test_code_in_a_folder_is_neither_run_nor_offered(
    clip_folder: Path, tmp_path: Path, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: object) -> str:
        raise AssertionError

    monkeypatch.setattr("builtins.input", asked)
    shutil.copytree(clip_folder, tmp_path / "own")
    (tmp_path / "own" / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')", "utf-8")
    config = json.loads((tmp_path / "own" / file).read_text())
    config["auto_map"] = dict.fromkeys(
        ("AutoConfig", "AutoModel", "AutoImageProcessor"), "evil.Own"
    )
    config |= {"model_type": "own"} if file == "config.json" else {"image_processor_type": "Own"}
    (tmp_path / "own" / file).write_text(json.dumps(config))
    with pytest.raises(FacebenchError, match="brings code of its own") as caught:
        CLIPModel("clip", tmp_path / "own")
    assert "trust_remote_code" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_all_layers_are_those_that_give_a_row_per_image(clip_folder: Path) -> None:
    model = CLIPModel("clip", clip_folder, "all")
    left_out = model.left_out_layers
    assert left_out["vision_model.embeddings.position_embedding"] == "no batch"
    assert list(model.get_output(batch(2))) == model.extract_layers
