"""dlib's network as a model: the numbers of dlib itself, and what happens without a face."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from PIL import Image

from facebench.engine.fingerprint import model_fingerprint
from facebench.errors import InputError, UnknownNameError
from facebench.faces import WhichFace
from facebench.faces.chips import face_chip
from facebench.models.dlib.network import NETWORK_FILE, dlib_data_file
from facebench.models.dlib_resnet import DlibResNetModel

dlib = pytest.importorskip("dlib")
if importlib.util.find_spec("face_recognition_models") is None:
    pytest.skip("face_recognition_models is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def dlib_model() -> Any:
    return dlib.face_recognition_model_v1(str(dlib_data_file(NETWORK_FILE)))


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    values = np.random.default_rng(3).integers(0, 256, (120, 200, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "noise.png")
    return tmp_path / "noise.png"


@pytest.fixture(scope="module")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw a face that dlib's detector finds."""
    from facebench.stimuli import render_face, sample_identity, sample_view

    for identity in range(6):
        face = render_face(sample_identity(identity), sample_view(identity))
        pixels = np.asarray(getattr(face, "image", face))
        if pixels.dtype == np.uint8 and face_chip(pixels).found:
            path = tmp_path_factory.mktemp("faces") / "portrait.png"
            Image.fromarray(pixels).save(path)
            return path
    pytest.skip("no drawn face is found by dlib's detector")


@pytest.mark.slow
def test_ready_made_chips_get_dlibs_own_descriptors(image_folder: Any, dlib_model: Any) -> None:
    paths = image_folder(4, size=150)
    model = DlibResNetModel(align=False)
    output = model.get_output(torch.stack([model.preprocess_image(path) for path in paths]))
    expected = [dlib_model.compute_face_descriptor(np.asarray(Image.open(p))) for p in paths]
    np.testing.assert_allclose(output["default"].numpy(), np.array(expected), atol=1e-5)
    assert model.take_image_notes() == []


def test_a_photograph_gets_the_descriptor_of_its_aligned_chip(
    portrait: Path, dlib_model: Any
) -> None:
    model = DlibResNetModel()
    output = model.get_output(model.preprocess_image(portrait))["default"]
    chip = face_chip(np.asarray(Image.open(portrait)))
    expected = dlib_model.compute_face_descriptor(np.ascontiguousarray(chip.pixels))
    np.testing.assert_allclose(output[0].numpy(), np.array(expected), atol=1e-5)
    assert model.take_image_notes() == []


def test_no_face_found_is_noted(noise: Path) -> None:
    model = DlibResNetModel()
    tensor = model.preprocess_image(noise)
    assert tensor.shape == (3, 150, 150)
    assert model.take_image_notes() == ["no face found"]


def test_without_aligning_no_face_is_looked_for(noise: Path) -> None:
    model = DlibResNetModel(align=False)
    assert model.preprocess_image(noise).shape == (3, 150, 150)
    assert model.take_image_notes() == []


def test_ready_made_chips_are_not_resampled(image_folder: Any) -> None:
    (path,) = image_folder(1, size=150)
    tensor = DlibResNetModel(align=False).preprocess_image(path)
    pixels = tensor.permute(1, 2, 0).numpy() * 256 + (122.782, 117.001, 104.298)
    np.testing.assert_allclose(pixels, np.asarray(Image.open(path)), atol=1e-3)


def test_name_and_aligning_have_defaults() -> None:
    model = DlibResNetModel()
    assert model.name == "dlib-resnet"
    assert model.align
    assert model.num_identities is None


def test_layers_are_hooked(image_folder: Any) -> None:
    paths = image_folder(2, size=150)
    layers = ["conv1", "relu1", "layer1.0.add", "layer1.0.relu2", "layer5.0", "avgpool", "fc"]
    model = DlibResNetModel("dlib", reversed(layers), align=False)
    tensors = torch.stack([model.preprocess_image(path) for path in paths])
    output = model.get_output(tensors)
    assert list(output) == layers
    assert [output[layer].shape[1] for layer in layers[-3:]] == [256 * 2 * 2, 256, 128]
    plain = DlibResNetModel(align=False).get_output(tensors)["default"]
    assert torch.equal(output["fc"], plain)
    added = output["layer1.0.add"]
    assert (added < 0).any()
    assert torch.equal(added.clamp(min=0), output["layer1.0.relu2"])


def test_unknown_layer_names_the_closest() -> None:
    with pytest.raises(UnknownNameError, match="avgpool"):
        DlibResNetModel(extract_layers="avg_pool")


@pytest.mark.slow
def test_which_face_is_part_of_what_is_embedded_and_the_default_is_what_it_was() -> None:
    """Where it differs from the default, and only where the model aligns."""

    def settings(**options: Any) -> str:
        model = DlibResNetModel(pretrained=False, device="cpu", **options)
        return model_fingerprint(model).settings

    assert "which_face" not in vars(DlibResNetModel(pretrained=False, device="cpu"))
    assert settings() == settings(align=True) == settings(which_face="nearest-centre")
    assert len({settings(which_face=name) for name in get_args(WhichFace)}) == 3
    assert settings(align=False) == settings(align=False, which_face="largest")
    assert settings(align=False) != settings()
    with pytest.raises(InputError, match="'which_face' parameter must be one of"):
        settings(which_face="any")


def test_alignment_can_be_left_to_the_run() -> None:
    model = DlibResNetModel(pretrained=False, device="cpu", which_face="largest")
    expected = {"size": 150, "padding": 0.25, "which_face": "largest"}
    expected |= {"template": "dlib150", "detector": "dlib-hog", "on_no_face": None}
    assert model.aligns_by_default
    assert {name: model.alignment[name] for name in expected} == expected
    with model.without_alignment():
        taken = DlibResNetModel(pretrained=False, device="cpu", align=False)
        assert model.alignment is taken.alignment is None
        assert model.expected_notes == taken.expected_notes == ()
    assert {name: model.alignment[name] for name in expected} == expected
    assert model.expected_notes == ("no face found",)
    assert not DlibResNetModel(pretrained=False, device="cpu", align=True).aligns_by_default
