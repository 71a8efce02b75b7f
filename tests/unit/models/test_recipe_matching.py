"""Whose weights a file holds, where keys and shapes do not show it."""

import logging
import pickle

import pytest
import torch
from torch import nn
from torchvision.models import resnet50

from facebench.errors import WeightsError
from facebench.experiment.registry import MODELS
from facebench.models.base import BaseModel
from facebench.models.checkpoints import load_into
from facebench.models.recipe_matching import proposal
from facebench.models.vgg16 import Vgg16Model
from support.recipe_files import published_state


def saved(tmp_path, state):
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    return path


def made(name, path, **options):
    return MODELS.get(name)("it", weights=path, device="cpu", **options)


def refusal(name, path):
    with pytest.raises(WeightsError) as caught:
        made(name, path)
    return str(caught.value)


class TestMagFaceAndInsightface:
    @pytest.mark.slow
    @pytest.mark.parametrize("prefix", ["features.module.", "module.features."])
    def test_magface_is_refused_as_insightface(self, tmp_path, prefix):
        state = published_state("magface-iresnet18", prefix=prefix)
        state[prefix.replace("features.", "fc.", 1) + "weight"] = torch.zeros(512, 10)
        path = saved(tmp_path, {"state_dict": state, "epoch": 25, "arch": "iresnet18"})
        told = refusal("iresnet18", path)
        for part in ("model: magface-iresnet18", "BGR", "'features.'", str(path)):
            assert part in told
        model = made("magface-iresnet18", path)
        assert model.input.channels == "bgr"
        assert model.model.bn1.eps == 2e-5

    def test_a_file_of_a_backbone_is_insightface_s(self, tmp_path, caplog):
        made("iresnet18", saved(tmp_path, published_state("iresnet18")))
        assert not caplog.records

    @pytest.mark.slow
    def test_weights_that_insightface_never_has_are_warned_of(self, tmp_path, caplog):
        state = published_state("magface-iresnet18", prefix="")
        with caplog.at_level(logging.WARNING):
            made("iresnet18", saved(tmp_path, state))
        assert "magface-iresnet18 (BGR" in caplog.text


class TestAdaFaceAndCvlface:
    def test_each_is_refused_as_the_other(self, tmp_path):
        path = saved(tmp_path, {"state_dict": published_state("adaface-ir18")})
        assert "Use model: adaface-ir18" in refusal("cvlface-ir18", path)
        path = saved(tmp_path, published_state("cvlface-ir18", prefix="model.net."))
        assert "Use model: cvlface-ir18" in refusal("adaface-ir18", path)

    @pytest.mark.parametrize("name", ["adaface-ir18", "cvlface-ir18"])
    def test_a_file_without_its_prefix_is_warned_of(self, tmp_path, caplog, name):
        with caplog.at_level(logging.WARNING):
            model = made(name, saved(tmp_path, published_state(name, prefix="", n_classes=0)))
        assert "does not say" in caplog.text
        assert model.input.channels == ("bgr" if name.startswith("ada") else "rgb")


class TestVggface2AndTorchvision:
    @pytest.mark.slow
    def test_torchvision_s_network_refuses_its_weights(self, tmp_path):
        state = published_state("vggface2-resnet50")
        with pytest.raises(WeightsError, match="model: vggface2-resnet50"):
            load_into(resnet50(num_classes=8631), state, "file.pkl")

    @pytest.mark.slow
    def test_so_does_one_within_another_network(self):
        state = {
            f"backbone.{key}": part for key, part in published_state("vggface2-resnet50").items()
        }
        network = nn.ModuleDict({"backbone": resnet50(num_classes=8631)})
        with pytest.raises(WeightsError, match="model: vggface2-resnet50"):
            load_into(network, state, "file.pkl")

    @pytest.mark.slow
    def test_torchvision_s_own_weights_of_8631_classes_load_with_a_warning(self, caplog):
        network = resnet50(num_classes=8631)
        state = network.state_dict()
        for key in state:
            if key.endswith("num_batches_tracked"):
                state[key] = torch.tensor(7)
        with caplog.at_level(logging.WARNING):
            load_into(network, state, "mine.pth")
        assert "vggface2-resnet50" in caplog.text

    def test_without_classes_they_load_with_a_warning(self, caplog):
        network = resnet50()
        network.fc = nn.Identity()
        load_into(network, published_state("vggface2-resnet50", n_classes=0), "file.pkl")
        assert "model: vggface2-resnet50" in caplog.text
        caplog.clear()
        load_into(network, {**network.state_dict()}, "mine.pth")
        assert not caplog.records

    @pytest.mark.slow
    @pytest.mark.parametrize("model", ["timm", "torchvision"])
    def test_the_families_refuse_them(self, tmp_path, model):
        if model == "timm":
            pytest.importorskip("timm")
        path = saved(tmp_path, published_state("vggface2-resnet50"))
        with pytest.raises(WeightsError, match="model: vggface2-resnet50"):
            made(model, path, architecture="resnet50")

    @pytest.mark.slow
    def test_imagenet_weights_are_refused_as_vggface2(self, tmp_path):
        path = saved(tmp_path, resnet50().state_dict())
        assert "1000 classes" in refusal("vggface2-resnet50", path)

    def test_other_numbers_of_classes_are_warned_of(self, tmp_path, caplog):
        path = saved(tmp_path, published_state("vggface2-resnet50", n_classes=50))
        with caplog.at_level(logging.WARNING):
            assert made("vggface2-resnet50", path).num_identities == 50
        assert "torchvision's ResNet-50" in caplog.text

    @pytest.mark.slow
    def test_the_published_pickle_of_arrays_loads(self, tmp_path, caplog):
        state = published_state("vggface2-resnet50")
        path = tmp_path / "resnet50_ft_weight.pkl"
        path.write_bytes(pickle.dumps({key: part.numpy() for key, part in state.items()}, 2))
        model = made("vggface2-resnet50", path)
        assert model.num_identities == 8631
        assert not caplog.records
        assert float(model.model.layer4[2].conv3.weight[0, 0, 0, 0]) == pytest.approx(
            float(state["layer4.2.conv3.weight"][0, 0, 0, 0])
        )


@pytest.mark.slow
def test_edgeface_in_timm_s_network_is_warned_of(tmp_path, caplog):
    pytest.importorskip("timm")
    path = saved(tmp_path, published_state("edgeface-xxs"))
    with caplog.at_level(logging.WARNING):
        made("timm", path, architecture="edgenext_xx_small")
    assert "model: edgeface-xxs" in caplog.text
    caplog.clear()
    assert made("edgeface-xxs", path).model.head.fc.out_features == 512
    assert not caplog.records


class TestProposals:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("adaface-ir50", {}),
            ("adaface-ir-se50", {}),
            ("cvlface-ir101", {}),
            ("facenet", {}),
            ("ir-se50", {}),
            ("iresnet50", {}),
            ("iresnet100", {"width": 256}),
            ("magface-iresnet50", {}),
            ("mobilefacenet", {}),
            ("mobilefacenet", {"width": 128}),
            ("mobilefacenet-foamliu", {}),
            ("mobilefacenet-insightface", {}),
            ("vgg-face", {}),
            ("vggface2-resnet50", {}),
            ("vggface2-senet50", {}),
        ],
    )
    def test_a_published_file_is_recognised(self, name, options):
        state = published_state(name, **options)
        assert proposal(state) == f"These are {name} keys: model: {name}."
        assert proposal({"epoch": torch.zeros(())}, {"model": state}).endswith(f"model: {name}.")

    def test_where_two_fit_both_are_named(self):
        told = proposal(published_state("adaface-ir50", prefix="", n_classes=0))
        assert told.endswith("model: adaface-ir50 or model: cvlface-ir50.")

    def test_nothing_is_made_up(self):
        state = published_state("iresnet18")
        del state["layer4.1.conv2.weight"]
        assert not proposal(state)
        assert not proposal({"conv.weight": torch.zeros(3, 3)})

    @pytest.mark.slow
    def test_every_model_that_fails_to_load_tells(self, tmp_path):
        class Mine(BaseModel):
            def _build_model(self):
                self.model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))

            def _forward(self, input_tensor):
                return self.model(input_tensor)

        path = saved(tmp_path, published_state("iresnet50"))
        with pytest.raises(WeightsError, match=r"iresnet50 keys: model: iresnet50\."):
            Mine("mine", path)
        with pytest.raises(WeightsError, match=r"iresnet50 keys: model: iresnet50\."):
            Vgg16Model("vgg", path)
        assert "model: iresnet50." in refusal("iresnet18", path)
