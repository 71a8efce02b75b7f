"""timm's networks against timm called directly."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from facebench.engine.fingerprint import model_fingerprint
from facebench.errors import (
    InputError,
    MissingWeightsError,
    ModelError,
    UnknownNameError,
    WeightsError,
)
from facebench.models.timm import TimmModel

timm = pytest.importorskip("timm")
SMALL = "test_resnet.r160_in1k"


@pytest.fixture(scope="module")
def photograph():
    pixels = np.random.default_rng(0).integers(0, 256, (90, 71, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((310, 251))


def random(architecture=SMALL, **options):
    return TimmModel("random", architecture, pretrained=False, **options)


def batch(model, count=2):
    side = model.input.size[0]
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def key(model):
    return model_fingerprint(model).layer_key("default")


class TestFeatures:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "architecture",
        ["test_resnet", "test_vit", "test_convnext", "deit_tiny_distilled_patch16_224", "resnet18"],
    )
    def test_are_timms_pre_logits(self, architecture):
        model = random(architecture)
        images, network = batch(model), model.model
        with torch.no_grad():
            expected = network.forward_head(network.forward_features(images), pre_logits=True)
        assert torch.allclose(model.get_output(images)["default"], expected, atol=1e-6)

    def test_the_classifier_is_a_layer_too(self):
        model = random(extract_layers=["fc", "layer1"])
        images = batch(model)
        with torch.no_grad():
            expected = model.model(images)
        torch.testing.assert_close(model.get_output(images)["fc"], expected)

    def test_blocks_and_all(self):
        model = random("test_vit", extract_layers="blocks")
        assert model.extract_layers[0] == "blocks.0"
        everything = random("test_vit", extract_layers="all")
        assert "head" in everything.get_output(batch(everything))

    def test_an_option_of_timm(self):
        model = random("test_vit", options={"global_pool": "avg"})
        images, network = batch(model), model.model
        with torch.no_grad():
            tokens = network.forward_features(images)
            expected = network.fc_norm(tokens[:, network.num_prefix_tokens :].mean(1))
        assert torch.allclose(model.get_output(images)["default"], expected, atol=1e-5)


class TestPreprocessing:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "architecture", [SMALL, "test_vit.r160_in1k", "test_nfnet.r160_in1k", "resnet18.a1_in1k"]
    )
    @pytest.mark.parametrize("use_test_size", [False, True])
    def test_is_timms_own(self, architecture, use_test_size, photograph):
        model = random(architecture, use_test_size=use_test_size)
        config = timm.data.resolve_model_data_config(model.model, use_test_size=use_test_size)
        theirs = timm.data.create_transform(**config, is_training=False)(photograph)
        assert torch.equal(model.preprocess(photograph), theirs)
        # The description is that of the same preprocessing.
        assert torch.allclose(model.input(photograph), theirs, atol=2e-6)

    def test_may_be_changed_in_part(self, photograph):
        model = random("test_vit.r160_in1k", input={"size": 96, "channels": "bgr"})
        assert (model.input.size, model.input.mean) == ((96, 96), (0.5, 0.5, 0.5))
        # A network of fixed input size is built for it.
        assert model.model.patch_embed.img_size == (96, 96)
        tensor = model.preprocess(photograph)
        assert torch.equal(tensor, model.input(photograph))
        assert model.get_output(tensor)["default"].shape == (1, 64)

    def test_the_size_of_an_option_is_that_of_the_images(self, photograph):
        model = random("test_vit.r160_in1k", options={"img_size": 96})
        assert model.preprocess(photograph).shape == (3, 96, 96)

    def test_what_cannot_be_described_is_not_changed_in_part(self, photograph):
        odd = "dm_nfnet_f0.dm_in1k"
        with pytest.raises(
            InputError, match=r"squash, crop_pct 0\.9.*Missing: interpolation, mean"
        ):
            random(odd, input={"size": 64})

    def test_the_licence_is_timms(self):
        assert random().licence == "apache-2.0"


class TestCheckpoints:
    @pytest.mark.slow
    @pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod."])
    @pytest.mark.parametrize("n_classes", [0, 7, 1000])
    def test_any_number_of_classes_loads(self, tmp_path, prefix, n_classes):
        source = timm.create_model(SMALL, num_classes=n_classes).eval()
        state = {prefix + name: own for name, own in source.state_dict().items()}
        torch.save({"state_dict": state, "epoch": 3}, tmp_path / "w.pth")
        model = TimmModel("mine", SMALL, tmp_path / "w.pth")
        assert model.num_identities == (n_classes or None)
        images = batch(model)
        with torch.no_grad():
            expected = source.forward_head(source.forward_features(images), pre_logits=True)
        torch.testing.assert_close(model.get_output(images)["default"], expected)

    @pytest.mark.slow
    def test_keys_of_the_original_code_are_converted(self, tmp_path):
        source = timm.create_model("convnext_atto", num_classes=5).eval()
        # As ConvNeXt's own repository names them, the reverse of what timm does.
        state = {}
        for name, own in source.state_dict().items():
            name = name.replace("stem.", "downsample_layers.0.").replace(".conv_dw.", ".dwconv.")
            name = name.replace(".mlp.fc1.", ".pwconv1.").replace(".mlp.fc2.", ".pwconv2.")
            name = name.replace("head.norm.", "norm.").replace("head.fc.", "head.")
            stage, _, rest = name.partition(".downsample.")
            if rest:
                name = f"downsample_layers.{stage[-1]}.{rest}"
            state[name.replace(".blocks.", ".")] = own
        torch.save({"model": state}, tmp_path / "w.pth")
        model = TimmModel("mine", "convnext_atto", tmp_path / "w.pth", "head.fc")
        assert model.num_identities == 5
        images = batch(model)
        with torch.no_grad():
            torch.testing.assert_close(model.get_output(images)["head.fc"], source(images))

    def test_a_folder_that_timm_has_saved(self, tmp_path):
        source = timm.create_model(SMALL, num_classes=3).eval()
        timm.models.save_for_hf(source, tmp_path, model_config={"num_classes": 3})
        model = TimmModel("mine", f"local-dir:{tmp_path}", extract_layers="fc")
        images = batch(model)
        with torch.no_grad():
            torch.testing.assert_close(model.get_output(images)["fc"], source(images))
        with pytest.raises(MissingWeightsError, match=r"cannot read the configuration|no weights"):
            TimmModel("mine", f"local-dir:{tmp_path / 'nowhere'}")

    def test_another_network_names_what_differs(self, tmp_path):
        torch.save(timm.create_model("test_vit").state_dict(), tmp_path / "w.pth")
        with pytest.raises(WeightsError, match=r"w\.pth do not fit.*missing"):
            TimmModel("mine", SMALL, tmp_path / "w.pth")

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"<!DOCTYPE html><html>no</html>", "HTML page"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "Git LFS pointer"),
            (b"PK\x03\x04 and no more", "damaged or incomplete"),
        ],
    )
    def test_what_is_no_checkpoint_is_told(self, tmp_path, content, told):
        (tmp_path / "w.pth").write_bytes(content)
        with pytest.raises(WeightsError, match=told):
            TimmModel("m", SMALL, tmp_path / "w.pth")


class TestNames:
    def test_an_unknown_network_names_the_closest(self):
        with pytest.raises(UnknownNameError, match=r"closest are:.*resnet50"):
            TimmModel("m", "resnet51")

    def test_an_unknown_tag_names_those_there_are(self):
        with pytest.raises(UnknownNameError, match=r"no weights 'fb'.*resnet18\.a1_in1k"):
            TimmModel("m", "resnet18.fb")

    def test_a_hub_name_needs_its_prefix(self):
        with pytest.raises(UnknownNameError, match=r"hf-hub:owner/net.*local-dir:"):
            TimmModel("m", "owner/net")

    @pytest.mark.parametrize("architecture", ["resnet18.a1_in1k", "hf-hub:owner/net"])
    def test_weights_out_of_reach_name_what_to_do(self, architecture):
        with pytest.raises(MissingWeightsError, match=f"{architecture}.*weights"):
            TimmModel("m", architecture)

    def test_a_network_without_published_weights(self):
        with pytest.raises(MissingWeightsError, match=r"no published weights.*pretrained=False"):
            TimmModel("m", "nf_resnet26")

    def test_unknown_options(self):
        with pytest.raises(InputError, match="unexpected keyword argument 'pooling'"):
            random(options={"pooling": "avg"})
        with pytest.raises(InputError, match="cannot hold 'num_classes'"):
            random(options={"num_classes": 2})

    def test_without_timm_the_extra_is_named(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "timm", None)
        with pytest.raises(ModelError, match=r"pip install 'facebench\[timm\]'"):
            TimmModel("m", "resnet18")


class TestFingerprints:
    @pytest.mark.slow
    def test_every_setting_counts(self):
        made = [
            random(),
            random(seed=1),
            random("test_resnet"),
            random("test_vit"),
            random("test_vit", options={"global_pool": "avg"}),
            random(input={"size": 96}),
            random(input={"mean": 0.4}),
            random("resnet18.a1_in1k"),
            random("resnet18.a1_in1k", use_test_size=True),
        ]
        assert len({key(model) for model in made}) == len(made)

    def test_the_same_file_elsewhere_is_the_same_model(self, tmp_path):
        for name in ("a.pth", "b.pth"):
            torch.save(random().model.state_dict(), tmp_path / name)
        first, second = (TimmModel("m", SMALL, tmp_path / name) for name in ("a.pth", "b.pth"))
        assert key(first) == key(second) == key(TimmModel("n", SMALL, tmp_path / "a.pth", seed=4))

    @pytest.mark.slow
    def test_timm_in_a_folder_of_its_own_is_stored(self, tmp_path):
        package = Path(timm.__file__).parent
        (info,) = package.parent.glob("timm-*.dist-info")
        for part in (package, info):
            shutil.copytree(part, tmp_path / "own" / part.name)
        code = (
            "import timm; from facebench import TimmModel; "
            "from facebench.engine.fingerprint import model_fingerprint; "
            f"found = model_fingerprint(TimmModel('m', {SMALL!r}, pretrained=False)); "
            "print(timm.__file__); print(found.why or 'stored')"
        )
        places = os.pathsep.join([str(tmp_path / "own"), *sys.path])
        told = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True,
            env=os.environ | {"PYTHONPATH": places},
        ).stdout.splitlines()  # fmt: skip
        assert told[0].startswith(str(tmp_path))
        assert told[1] == "stored"
