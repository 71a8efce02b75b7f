"""Published networks as models: their files, their controls and their input."""

import gzip
import lzma
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from facebench.engine.fingerprint import model_fingerprint
from facebench.errors import (
    InputError,
    MissingWeightsError,
    ModelError,
    UnknownNameError,
    WeightsError,
)
from facebench.experiment.registry import MODELS
from facebench.models import recipe_model
from facebench.models.architectures.mobilefacenet import mobilefacenet
from facebench.models.recipe_model import RecipeModel
from facebench.models.recipes import RECIPES
from support.published_networks import randomise
from support.recipe_files import published_state

# The smallest network of the table stands for all that they share.
SMALL = "mobilefacenet"


def make(name=SMALL, **options):
    return MODELS.get(name)("it", device="cpu", **options)


@pytest.fixture(scope="module")
def small_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "mobilefacenet.pth"
    torch.save(randomise(mobilefacenet()).state_dict(), path)
    return path


class TestFiles:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "name",
        ["adaface-ir18", "cvlface-ir18", "facenet", "ir-se50", "iresnet18", "vggface2-senet50"],
    )
    def test_a_published_file_loads_whole(self, tmp_path, name):
        recipe = RECIPES[name]
        state = published_state(name)
        torch.save({"state_dict": state, "epoch": 3}, tmp_path / "w.ckpt")
        model = make(name, weights=tmp_path / "w.ckpt")
        for key, value in model.model.state_dict().items():
            if not key.endswith("num_batches_tracked"):
                assert torch.equal(value, state[recipe.prefixes[0] + key]), key
        known = {"adaface-ir18": 10, "facenet": 10, "vggface2-senet50": 8631}
        assert model.num_identities == known.get(name)

    @pytest.mark.slow
    def test_vgg_face_keys_become_those_of_torchvision(self, tmp_path):
        state = published_state("vgg-face", n_classes=2622)
        torch.save(state, tmp_path / "vgg_face_dag.pth")
        model = make("vgg-face", weights=tmp_path / "vgg_face_dag.pth", extract_layers="blocks")
        assert model.num_identities == 2622
        weights = model.model.state_dict()
        assert torch.equal(weights["features.28.bias"], state["conv5_3.bias"])
        assert torch.equal(weights["classifier.3.bias"], state["fc7.bias"])
        assert model.extract_layers == [f"features.{place}" for place in (4, 9, 16, 23, 30)]

    @pytest.mark.slow
    @pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "backbone.", "net.module."])
    def test_prefixes_do_not_matter(self, tmp_path, small_file, prefix):
        state = torch.load(small_file)
        torch.save({prefix + key: part for key, part in state.items()}, tmp_path / "w.pth")
        weights = make(weights=tmp_path / "w.pth").model.state_dict()
        assert all(torch.equal(weights[key], state[key]) for key in state)

    def test_the_network_is_as_wide_as_its_file(self, tmp_path):
        torch.save(randomise(mobilefacenet(width=128)).state_dict(), tmp_path / "w.pth")
        model = make(weights=tmp_path / "w.pth")
        assert model.get_output(torch.zeros(2, 3, 112, 112))["default"].shape == (2, 128)

    def test_safetensors_and_half_precision_load(self, tmp_path, small_file):
        state = torch.load(small_file)
        half = {
            key: part.half() if part.is_floating_point() else part for key, part in state.items()
        }
        save_file(half, tmp_path / "w.safetensors")
        loaded = make(weights=tmp_path / "w.safetensors").model.state_dict()["linear.weight"]
        assert loaded.dtype == torch.float32
        torch.testing.assert_close(loaded, state["linear.weight"], rtol=1e-3, atol=1e-3)

    def test_weights_key_chooses_among_networks(self, tmp_path, small_file):
        state = torch.load(small_file)
        other = {key: part + 1 for key, part in state.items()}
        torch.save({"net_a": state, "net_b": other}, tmp_path / "w.pth")
        model = make(weights=tmp_path / "w.pth", weights_key="net_b")
        assert torch.equal(model.model.state_dict()["bn.bias"], other["bn.bias"])

    @pytest.mark.slow
    def test_counters_that_a_file_lacks_are_zero(self, tmp_path, small_file):
        state = torch.load(small_file)
        counters = [key for key in state if key.endswith("num_batches_tracked")]
        torch.save({key: state[key] for key in state if key not in counters}, tmp_path / "w.pth")
        model = make(weights=tmp_path / "w.pth")
        assert not any(bool(model.model.state_dict()[key]) for key in counters)
        assert model_fingerprint(model) == model_fingerprint(make(weights=tmp_path / "w.pth"))

    def test_weights_path_is_the_same_argument(self, small_file):
        assert make(weights_path=small_file).weights_path == small_file
        with pytest.raises(InputError, match="same argument"):
            make(weights=small_file, weights_path=small_file)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (lambda _: b"<!DOCTYPE html><html><head></head></html>", "HTML"),
            (lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "LFS"),
            (lambda raw: raw[: len(raw) // 2], "damaged"),
            (lzma.compress, "xz archive"),
            (gzip.compress, "gzip"),
            (lambda _: b"", "empty"),
        ],
        ids=["html", "lfs", "truncated", "xz", "gzip", "empty"],
    )
    def test_what_is_no_checkpoint_is_told(self, tmp_path, small_file, content, told):
        path = tmp_path / "w.pth"
        path.write_bytes(content(small_file.read_bytes()))
        with pytest.raises(WeightsError, match=told) as caught:
            make(weights=path)
        assert str(path) in str(caught.value)

    def test_a_missing_file_is_told(self, tmp_path):
        with pytest.raises(MissingWeightsError, match="does not exist"):
            make(weights=tmp_path / "none.pth")

    @pytest.mark.slow
    def test_one_weight_too_few_or_of_another_shape_is_told(self, tmp_path, small_file):
        state = torch.load(small_file)
        part = state.pop("conv_3.model.2.project.bn.bias")
        torch.save(state, tmp_path / "w.pth")
        with pytest.raises(WeightsError, match=r"1 missing: conv_3\.model\.2\.project\.bn\.bias"):
            make(weights=tmp_path / "w.pth")
        torch.save({**state, "conv_3.model.2.project.bn.bias": part[:3]}, tmp_path / "w.pth")
        with pytest.raises(WeightsError, match=r"file \[3\], network \[64\]"):
            make(weights=tmp_path / "w.pth")


class TestWithoutFile:
    @pytest.mark.parametrize("name", ["facenet", "iresnet50", "vggface2-senet50"])
    def test_it_says_where_weights_are(self, name):
        with pytest.raises(MissingWeightsError) as caught:
            make(name)
        for part in (name, RECIPES[name].source, RECIPES[name].licence, "pretrained=False"):
            assert part in str(caught.value)

    @pytest.mark.slow
    def test_seeds_make_untrained_controls(self):
        def weights(**options):
            return make(pretrained=False, **options).model.state_dict()["linear.weight"]

        assert torch.equal(weights(seed=3), weights(seed=3))
        assert torch.equal(weights(), weights(seed=0))
        assert not torch.equal(weights(seed=3), weights(seed=4))
        torch.manual_seed(11)
        expected = torch.randn(5)
        torch.manual_seed(11)
        weights(seed=3)
        assert torch.equal(torch.randn(5), expected)

    def test_an_extra_that_is_not_installed_is_told(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "timm", None)
        with pytest.raises(ModelError, match=r"pip install 'facebench\[timm\]'"):
            make("edgeface-xxs", pretrained=False)

    def test_the_module_offers_the_classes_by_name(self):
        assert issubclass(recipe_model.adaface_ir50, RecipeModel)
        assert "adaface_ir50" in dir(recipe_model)
        with pytest.raises(AttributeError, match="no attribute 'iresnet51'"):
            recipe_model.iresnet51  # noqa: B018


class TestInput:
    @pytest.mark.slow
    def test_pixels_become_what_the_published_code_makes_of_them(self, small_file):
        pixels = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
        image = Image.fromarray(pixels)
        expected = (pixels[:, :, ::-1] / 255 - 0.5) / 0.5
        tensor = make(weights=small_file).preprocess(image)
        np.testing.assert_allclose(tensor, expected.transpose(2, 0, 1), atol=1e-6)
        face = make("facenet", pretrained=False).preprocess(image.resize((160, 160)))
        expected = (np.asarray(image.resize((160, 160)), np.float64) - 127.5) / 128
        np.testing.assert_allclose(face, expected.transpose(2, 0, 1), atol=1e-6)

    def test_it_may_be_changed_in_part(self, small_file):
        model = make(weights=small_file, input={"channels": "rgb", "mean": 0})
        assert str(model.input) == "RGB, 112 × 112, 0–1, mean 0, SD 0.5"
        with pytest.raises(InputError, match="no key 'chanels'"):
            make(weights=small_file, input={"chanels": "rgb"})

    @pytest.mark.slow
    def test_sizes_that_the_network_cannot_take_are_refused(self):
        with pytest.raises(InputError, match=r"must be 112 × 112.*\(96, 96\)"):
            make(pretrained=False, input={"size": 96})
        model = make("facenet", pretrained=False, input={"size": 112})
        assert model.get_output(torch.zeros(1, 3, 112, 112))["default"].shape == (1, 512)

    @pytest.mark.slow
    def test_every_setting_counts_in_the_fingerprint(self, tmp_path, small_file):
        def fingerprint(**options):
            found = model_fingerprint(make(**options))
            assert found.preprocessing is not None, found.why
            return found

        plain = fingerprint(weights=small_file)
        copy = tmp_path / "copy.pth"
        copy.write_bytes(small_file.read_bytes())
        assert plain == fingerprint(weights=copy)
        changed = [
            fingerprint(weights=small_file, input={key: value})
            for key, value in {
                "channels": "rgb", "mean": 0.4, "std": 0.4, "max_value": 255,
                "interpolation": "bicubic", "resize": 128,
            }.items()
        ]  # fmt: skip
        changed += [fingerprint(pretrained=False), fingerprint(pretrained=False, seed=1)]
        assert len({plain.layer_key("default"), *(c.layer_key("default") for c in changed)}) == 9

    def test_recipes_of_the_same_weights_have_other_keys(self, tmp_path):
        torch.save(published_state("iresnet18"), tmp_path / "w.pth")
        one = model_fingerprint(make("iresnet18", weights=tmp_path / "w.pth"))
        other = model_fingerprint(make("magface-iresnet18", weights=tmp_path / "w.pth"))
        assert one.weights == other.weights
        assert one.layer_key("default") != other.layer_key("default")


class TestLayers:
    @pytest.mark.slow
    def test_default_is_what_the_recipe_s_layer_gives_of_length_one(self, small_file):
        model = make(weights=small_file, extract_layers=[RECIPES[SMALL].layer])
        faces = torch.randn(2, 3, 112, 112)
        raw = model.get_output(faces)["bn"]
        unit = make(weights=small_file).get_output(faces)["default"]
        torch.testing.assert_close(raw / raw.norm(dim=1, keepdim=True), unit)

    @pytest.mark.slow
    def test_patterns_find_layers(self, small_file):
        blocks = make(weights=small_file, extract_layers="blocks").extract_layers
        assert len(blocks) >= 12
        every = make(weights=small_file, extract_layers="all")
        assert every.extract_layers == every.get_layer_names(simplified=True)
        assert not every.left_out_layers
        with pytest.raises(UnknownNameError, match="conv_6_dw"):
            make(weights=small_file, extract_layers="conv_6_dv")
