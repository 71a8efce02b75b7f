"""VGG16: whose weights it takes, and that its in-place ReLUs do not reach earlier layers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import VGG, VGG16_Weights
from torchvision.models import vgg16 as real_vgg16

from facebench.errors import MissingWeightsError, UnknownNameError, WeightsError
from facebench.models.vgg16 import Vgg16Model

FILE_NAME = Path(VGG16_Weights.IMAGENET1K_V1.url).name


def batch(count: int = 2, size: int = 64) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def same_weights(first: Any, second: Any) -> bool:
    one, two = first.model.state_dict(), second.model.state_dict()
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


LAYERS = ("features.0", "features.1", "features.29", "avgpool", "classifier.3", "classifier.4")


@pytest.fixture(scope="module")
def model() -> Iterator[Vgg16Model]:
    model = Vgg16Model("vgg16", extract_layers=reversed(LAYERS), pretrained=False)
    yield model
    # Half a gigabyte, which pytest would otherwise keep with the module.
    del model.model, model._recorder


class TestRealSize:
    @pytest.mark.slow
    def test_every_layer_gives_its_own_output(self, model: Vgg16Model) -> None:
        expected, x = {}, batch(1)
        network = model.model
        assert isinstance(network, VGG)
        with torch.no_grad():
            for part in ("features", "avgpool", "classifier"):
                x = x.flatten(1) if part == "classifier" else x
                for name, module in network.named_modules(prefix=""):
                    if name.startswith(part) and not any(module.children()):
                        # forward() itself, past the hooks of the model.
                        x = module.forward(x.clone())
                        expected[name] = x.clone().flatten(1)
        output = model.get_output(batch(1))
        assert tuple(output) == LAYERS
        for layer in LAYERS:
            scale = float(expected[layer].abs().max())
            torch.testing.assert_close(output[layer], expected[layer], rtol=0, atol=1e-5 * scale)

    def test_convolutions_and_their_relus_differ(self, model: Vgg16Model) -> None:
        output = model.get_output(batch(1))
        for before, after in (("features.0", "features.1"), ("classifier.3", "classifier.4")):
            assert (output[before] < 0).any()
            assert torch.equal(output[before].clamp(min=0), output[after])

    def test_untrained_weights_are_of_a_sensible_size(self, model: Vgg16Model) -> None:
        assert float(model.get_output(batch(1))["classifier.4"].std()) > 1e-6

    @pytest.mark.slow
    def test_checkpoint_of_seven_people_just_loads(self, tmp_path: Path) -> None:
        with torch.device("meta"):
            shapes = {k: v.shape for k, v in real_vgg16(num_classes=7).state_dict().items()}
        # Expanded tensors: the real shapes in a file of a few kilobytes.
        state = {
            key: torch.full((1,) * len(shape), index / 1000).expand(shape)
            for index, (key, shape) in enumerate(shapes.items())
        }
        torch.save(state, tmp_path / "seven.pth")
        model = Vgg16Model("seven", tmp_path / "seven.pth")
        assert model.num_identities == 7
        assert model.model.classifier[6].out_features == 7
        assert all(
            bool((value == state[key].flatten()[0]).all())
            for key, value in model.model.state_dict().items()
            if value.numel() < 1e6
        )


@pytest.mark.usefixtures("tiny_vgg16")
class TestUntrained:
    def test_same_seed_same_weights(self) -> None:
        first = Vgg16Model("a", pretrained=False, seed=3)
        torch.randn(7)
        assert same_weights(first, Vgg16Model("b", pretrained=False, seed=3))

    def test_other_seed_other_weights(self) -> None:
        assert not same_weights(
            Vgg16Model("a", pretrained=False, seed=3), Vgg16Model("b", pretrained=False, seed=4)
        )

    def test_seed_is_zero_by_default(self) -> None:
        assert same_weights(
            Vgg16Model("a", pretrained=False), Vgg16Model("b", pretrained=False, seed=0)
        )

    def test_global_random_numbers_are_untouched(self) -> None:
        torch.manual_seed(11)
        expected = torch.randn(5)
        torch.manual_seed(11)
        Vgg16Model("a", pretrained=False, seed=3)
        assert torch.equal(torch.randn(5), expected)

    def test_no_identities_are_known(self) -> None:
        assert Vgg16Model("a", pretrained=False).num_identities is None
        assert Vgg16Model("a", pretrained=False).get_output(batch())["default"].shape == (2, 1000)


class TestCheckpoints:
    @pytest.mark.parametrize(
        "wrap",
        [
            lambda state: state,
            lambda state: {"state_dict": {f"module.{k}": v for k, v in state.items()}, "epoch": 9},
        ],
        ids=["plain", "from data-parallel training"],
    )
    @pytest.mark.parametrize("classes", [1, 7, 1000, 8631])
    def test_any_number_of_classes_loads(
        self, tmp_path: Path, tiny_vgg16: Callable[..., Any], classes: int, wrap: Any
    ) -> None:
        source = tiny_vgg16(num_classes=classes)
        torch.save(wrap(source.state_dict()), tmp_path / "w.pth")
        model = Vgg16Model("mine", tmp_path / "w.pth")
        assert model.num_identities == classes
        with torch.no_grad():
            expected = source.eval()(batch())
        torch.testing.assert_close(model.get_output(batch())["default"], expected)

    @pytest.mark.parametrize("prefix", ["", "module."])
    def test_safetensors_of_another_class_count(
        self, tmp_path: Path, tiny_vgg16: Callable[..., Any], prefix: str
    ) -> None:
        source = tiny_vgg16(num_classes=7)
        state = {prefix + key: value for key, value in source.state_dict().items()}
        save_file(state, tmp_path / "w.safetensors")
        model = Vgg16Model("mine", tmp_path / "w.safetensors")
        assert model.num_identities == 7
        assert model.get_output(batch())["default"].shape == (2, 7)

    def test_a_file_is_used_whatever_pretrained_says(
        self, tmp_path: Path, tiny_vgg16: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def never() -> None:
            raise AssertionError

        monkeypatch.setattr("facebench.models.vgg16.downloaded_network", never)
        torch.save(tiny_vgg16(num_classes=7).state_dict(), tmp_path / "w.pth")
        assert Vgg16Model("mine", tmp_path / "w.pth", pretrained=True).num_identities == 7

    def test_keys_that_do_not_fit_are_listed(
        self, tmp_path: Path, tiny_vgg16: Callable[..., Any]
    ) -> None:
        state = tiny_vgg16(num_classes=7).state_dict()
        del state["features.0.bias"]
        state["features.99.weight"] = torch.zeros(2)
        state["classifier.6.weight"] = state.pop("classifier.6.weight")
        state["classifier.6.bias"] = state.pop("classifier.6.bias")
        torch.save(state, tmp_path / "w.pth")
        with pytest.raises(WeightsError) as caught:
            Vgg16Model("mine", tmp_path / "w.pth")
        assert "1 missing: features.0.bias" in str(caught.value)
        assert "1 unexpected: features.99.weight" in str(caught.value)


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give torch an empty cache and no network."""

    def unreachable(*_args: Any, **_kwargs: Any) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "urlopen", unreachable)
    return tmp_path / "hub" / "checkpoints"


@pytest.mark.usefixtures("tiny_vgg16")
class TestPretrained:
    def test_out_of_reach_says_what_goes_where(self, empty_cache: Path) -> None:
        with pytest.raises(MissingWeightsError) as caught:
            Vgg16Model("imagenet")
        message = str(caught.value)
        for part in (FILE_NAME, str(empty_cache), "weights_path", "pretrained=False"):
            assert part in message
        assert isinstance(caught.value, FileNotFoundError)

    def test_a_cached_file_is_used_without_network(
        self, empty_cache: Path, tiny_vgg16: Callable[..., Any]
    ) -> None:
        empty_cache.mkdir(parents=True)
        source = tiny_vgg16()
        torch.save(source.state_dict(), empty_cache / FILE_NAME)
        model = Vgg16Model("imagenet")
        with torch.no_grad():
            expected = source.eval()(batch())
        torch.testing.assert_close(model.get_output(batch())["default"], expected)
        assert model.num_identities is None

    def test_an_unwritable_cache_is_out_of_reach_too(
        self, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        empty_cache.parent.write_text("a file where the folder should be")
        with pytest.raises(MissingWeightsError, match=FILE_NAME):
            Vgg16Model("imagenet")


@pytest.mark.usefixtures("tiny_vgg16")
class TestUse:
    def test_documented_call(self, tmp_path: Path, tiny_vgg16: Callable[..., Any]) -> None:
        torch.save(tiny_vgg16(num_classes=7).state_dict(), tmp_path / "w.pth")
        model = Vgg16Model(
            name="VGG16-trained",
            weights_path=str(tmp_path / "w.pth"),
            extract_layers=["avgpool", "classifier.5"],
        )
        assert list(model.get_output(batch())) == ["avgpool", "classifier.5"]

    def test_unknown_layer_names_the_closest(self) -> None:
        with pytest.raises(UnknownNameError, match=r"'features\.31'.*features\.30"):
            Vgg16Model("vgg", extract_layers="features.31", pretrained=False)

    def test_own_preprocessing(self, image_folder: Any) -> None:
        model = Vgg16Model(
            "vgg", None, None, lambda _image: torch.zeros(3, 32, 32), pretrained=False
        )
        assert model.preprocess_image(image_folder(1)[0]).shape == (3, 32, 32)

    def test_layout_of_the_input_does_not_matter(self) -> None:
        model = Vgg16Model("vgg", extract_layers=["features.0", "avgpool"], pretrained=False)
        planar = model.get_output(batch())
        packed = model.get_output(batch().to(memory_format=torch.channels_last))
        reference = copy.deepcopy(model.model).to(memory_format=torch.contiguous_format)
        with torch.no_grad():
            expected = reference.features[0](batch()).flatten(1)
        torch.testing.assert_close(planar["features.0"], expected)
        for layer in planar:
            torch.testing.assert_close(planar[layer], packed[layer])
