"""torchvision's networks against torchvision called directly."""

import copy
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision import models

from facebench.engine.fingerprint import model_fingerprint
from facebench.errors import (
    InputError,
    MissingWeightsError,
    UnknownNameError,
    WeightsError,
)
from facebench.models.torchvision import TorchvisionModel, _as_published
from support.real_weights import MOBILENET, real_weights

SMALL = "shufflenet_v2_x0_5"


@pytest.fixture(scope="module")
def photograph():
    pixels = np.random.default_rng(0).integers(0, 256, (90, 71, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((310, 251))


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory):
    return real_weights(MOBILENET, tmp_path_factory.mktemp("mobilenet"))


def batch(side=64, count=2):
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def random(architecture=SMALL, **options):
    return TorchvisionModel("random", architecture, pretrained=False, **options)


def key(model):
    return model_fingerprint(model).layer_key("default")


class TestFeatures:
    @pytest.mark.slow
    def test_mobilenet_with_real_weights(self, mobilenet, photograph):
        model = TorchvisionModel("mobilenet", "mobilenet_v2", weights=mobilenet)
        network = models.mobilenet_v2()
        network.load_state_dict(torch.load(mobilenet, weights_only=True))
        network.eval()
        theirs = models.MobileNet_V2_Weights.IMAGENET1K_V1.transforms()(photograph)
        assert torch.allclose(model.preprocess(photograph), theirs, atol=1e-6)
        with torch.no_grad():
            expected = network.features(theirs[None]).mean((2, 3))
            logits = network(theirs[None])
        output = model.get_output(model.preprocess(photograph))["default"]
        assert torch.allclose(output, expected, atol=1e-5)
        read = TorchvisionModel("m", "mobilenet_v2", mobilenet, "classifier.1")
        assert torch.allclose(read.get_output(theirs)["classifier.1"], logits, atol=1e-5)
        assert model.num_identities == 1000

    @pytest.mark.parametrize(
        ("architecture", "layer", "side"),
        [
            ("squeezenet1_1", "classifier.1", 64),
            ("mobilenet_v3_small", "classifier.3", 64),
            ("mnasnet0_5", "classifier.1", 64),
        ],
    )
    def test_the_classifier_on_the_features_gives_the_logits(self, architecture, layer, side):
        model = random(architecture)
        features = model.get_output(batch(side))["default"]
        classifier = model.model.get_submodule(layer)
        with torch.no_grad():
            logits = model.model(batch(side))
            if architecture == "squeezenet1_1":
                features = features.reshape(2, 512, *(2 * [int((features.shape[1] / 512) ** 0.5)]))
                expected = classifier(features).relu().mean((2, 3))
            else:
                expected = classifier(features)
        torch.testing.assert_close(expected, logits, rtol=1e-4, atol=1e-5)

    @pytest.mark.slow
    def test_blocks_and_all(self):
        model = random("resnet18", extract_layers="blocks")
        assert model.extract_layers[0] == "layer1.0"
        assert len(model.extract_layers) == 8
        assert "fc" in random("resnet18", extract_layers="all").get_output(batch())


class TestPreprocessing:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("architecture", "weights"),
        [
            (SMALL, None),
            ("resnet50", "IMAGENET1K_V2"),
            ("mobilenet_v3_large", "MobileNet_V3_Large_Weights.IMAGENET1K_V2"),
            ("mobilenet_v2", models.MobileNet_V2_Weights.IMAGENET1K_V2),
        ],
    )
    def test_is_torchvisions_own(self, architecture, weights, photograph):
        model = random(architecture, weights=weights)
        member = list(models.get_model_weights(architecture))[0 if weights is None else 1]
        theirs = member.transforms()(photograph)
        assert torch.equal(model.preprocess(photograph), theirs)
        # The description is that of the same preprocessing.
        assert torch.allclose(model.input(photograph), theirs, atol=2e-6)

    def test_may_be_changed_in_part(self, photograph):
        model = random(input={"size": 112, "mean": 0.5})
        assert (model.input.size, model.input.resize) == ((112, 112), 128)
        assert model.input.std == (0.229, 0.224, 0.225)
        assert torch.equal(model.preprocess(photograph), model.input(photograph))
        assert model.preprocess(photograph).shape == (3, 112, 112)

    def test_vision_transformers_are_built_for_the_size_of_the_weights(self):
        larger = models.ViT_B_16_Weights.IMAGENET1K_SWAG_E2E_V1
        assert _as_published("vit_b_16", larger) == {"image_size": 384}

    def test_networks_that_change_their_input_do_as_the_weights_need(self):
        assert random("googlenet").model.transform_input


class TestCheckpoints:
    def of_classes(self, n_classes):
        return models.get_model(SMALL, num_classes=n_classes).eval()

    @pytest.mark.parametrize("prefix", ["", "module."])
    def test_any_number_of_classes_loads(self, tmp_path, prefix):
        source = self.of_classes(7)
        state = {prefix + name: own for name, own in source.state_dict().items()}
        torch.save({"state_dict": state, "epoch": 3}, tmp_path / "w.pth")
        model = TorchvisionModel("mine", SMALL, tmp_path / "w.pth", "fc")
        assert model.num_identities == 7
        with torch.no_grad():
            torch.testing.assert_close(model.get_output(batch())["fc"], source(batch()))

    def test_safetensors_are_sorted_by_name(self, tmp_path):
        save_file(self.of_classes(7).state_dict(), tmp_path / "w.safetensors")
        assert TorchvisionModel("m", SMALL, tmp_path / "w.safetensors").num_identities == 7

    def test_a_backbone_without_classifier_loads(self, tmp_path):
        source = self.of_classes(7)
        source.fc = torch.nn.Identity()
        torch.save(source.state_dict(), tmp_path / "w.pth")
        model = TorchvisionModel("mine", SMALL, tmp_path / "w.pth")
        assert model.num_identities is None
        with torch.no_grad():
            torch.testing.assert_close(model.get_output(batch())["default"], source(batch()))

    @pytest.mark.slow
    def test_old_keys_of_densenet(self, tmp_path):
        source = models.densenet121(num_classes=3).eval()
        old = {
            name.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): own
            for name, own in source.state_dict().items()
            if not name.endswith("num_batches_tracked")
        }
        torch.save(old, tmp_path / "w.pth")
        model = TorchvisionModel("mine", "densenet121", tmp_path / "w.pth", "classifier")
        with torch.no_grad():
            torch.testing.assert_close(model.get_output(batch())["classifier"], source(batch()))

    @pytest.mark.slow
    def test_a_file_of_another_network_is_told_by_its_digest(self, mobilenet):
        with pytest.raises(WeightsError, match="holds the weights IMAGENET1K_V1 of 'mobilenet_v2'"):
            TorchvisionModel("m", SMALL, mobilenet)

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"<!DOCTYPE html><html>no</html>", "HTML page"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "Git LFS pointer"),
            (b"", "empty"),
        ],
    )
    def test_what_is_no_checkpoint_is_told(self, tmp_path, content, told):
        (tmp_path / "w.pth").write_bytes(content)
        with pytest.raises(WeightsError, match=told):
            TorchvisionModel("m", SMALL, tmp_path / "w.pth")

    def test_a_truncated_file(self, mobilenet, tmp_path):
        (tmp_path / "w.pth").write_bytes(mobilenet.read_bytes()[:100_000])
        with pytest.raises(WeightsError, match=r"w\.pth"):
            TorchvisionModel("m", "mobilenet_v2", tmp_path / "w.pth")


class TestNames:
    def test_an_unknown_network_names_the_closest(self):
        with pytest.raises(UnknownNameError, match="closest are: resnet50"):
            TorchvisionModel("m", "resnet51")

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("fcn_resnet50", "segmentation"),
            ("quantized_resnet50", "quantization"),
            ("ssd300_vgg16", "detection"),
            ("r3d_18", "video"),
        ],
    )
    def test_networks_for_something_else_are_told(self, name, kind):
        with pytest.raises(UnknownNameError, match=rf"'{name}'.*of torchvision\.models\.{kind}"):
            random(name)

    def test_weights_of_another_network(self):
        with pytest.raises(InputError, match=r"ResNet18_Weights.* are not those of shufflenet"):
            random(weights=models.ResNet18_Weights.IMAGENET1K_V1)

    def test_unknown_weights_name_those_there_are(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for weights in ("IMAGENET1K_V3", tmp_path / "IMAGENET1K_V3"):
            with pytest.raises(MissingWeightsError, match="IMAGENET1K_V1, IMAGENET1K_V2, DEFAULT"):
                TorchvisionModel("m", "resnet50", weights)

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(MissingWeightsError, match=r"mine\.pth does not exist"):
            TorchvisionModel("m", "resnet50", tmp_path / "mine.pth")

    def test_weights_out_of_reach_name_what_to_do(self, monkeypatch, tmp_path):
        def unreachable(*_arguments, **_options):
            msg = "no route"
            raise OSError(msg)

        monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
        monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
        with pytest.raises(MissingWeightsError, match=r"weights a checkpoint.*pretrained=False"):
            TorchvisionModel("m", "resnet18")

    def test_an_unknown_option(self):
        with pytest.raises(InputError, match="unexpected keyword argument 'groop'"):
            random("resnet18", options={"groop": 2})
        with pytest.raises(InputError, match="'num_classes'"):
            random(options={"num_classes": 2})


class TestFingerprints:
    @pytest.mark.slow
    def test_every_setting_counts(self, mobilenet, tmp_path):
        made = [
            random(),
            random(seed=1),
            random("shufflenet_v2_x1_0"),
            random(input={"size": 112}),
            random(input={"interpolation": "bicubic"}),
            random("mnasnet0_5"),
            random("mnasnet0_5", options={"dropout": 0.4}),
            TorchvisionModel("m", "mobilenet_v2", mobilenet),
            random("mobilenet_v2"),
            random("mobilenet_v2", weights="IMAGENET1K_V2"),
        ]
        assert len({key(model) for model in made}) == len(made)

    @pytest.mark.slow
    def test_the_same_file_elsewhere_is_the_same_model(self, mobilenet, tmp_path):
        other = shutil.copy(mobilenet, tmp_path / "other.pth")
        first = TorchvisionModel("a", "mobilenet_v2", mobilenet)
        assert key(first) == key(TorchvisionModel("b", "mobilenet_v2", other))
        assert key(copy.deepcopy(first)) == key(first)

    def test_random_networks_are_repeatable(self):
        torch.manual_seed(5)
        before = torch.random.get_rng_state()
        assert key(random(seed=3)) == key(random(seed=3))
        assert torch.equal(torch.random.get_rng_state(), before)
