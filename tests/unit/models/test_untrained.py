"""Random networks as controls."""

from __future__ import annotations

import shutil
from functools import partial
from itertools import combinations
from typing import Any

import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from facebench import (
    AccuracyTask,
    BaseModel,
    CLIPModel,
    DinoModel,
    DlibResNetModel,
    MultiModelTaskManager,
    Vgg16Model,
    layer_profile,
    untrained_copies,
)
from facebench.engine.fingerprint import model_fingerprint
from facebench.errors import InputError, MissingWeightsError
from facebench.figures.records.run_facts import facts_of
from facebench.models.untrained import misnomer, randomise


class Mine(BaseModel):
    """A network of a user, of all kinds of parts, that takes neither 'pretrained' nor 'seed'."""

    memory_format = torch.channels_last

    def __init__(self, name: str, width: int = 8, **options: Any) -> None:
        self.width = width
        super().__init__(name, **options)

    def _build_model(self) -> None:
        self.model = Parts(self.width)

    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        return self.model(input_tensor)


class Parts(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(7)
        self.conv = nn.Conv2d(3, width, 8, stride=8)
        self.norm = nn.BatchNorm2d(width)
        self.token = nn.Parameter(torch.randn(500, width, generator=generator) * 3 + 2)
        self.attn = nn.MultiheadAttention(width, 2, batch_first=True)
        self.bound = weight_norm(nn.Linear(width, width))
        for own in (*self.conv.parameters(), *self.attn.parameters(), *self.norm.buffers()):
            own.data.fill_(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.conv(x)).flatten(2).transpose(1, 2)
        x = torch.cat([self.token[None].expand(len(x), -1, -1), x], dim=1)
        return self.bound(self.attn(x, x, x, need_weights=False)[0])


def copies_of(factory: Any) -> tuple[list[BaseModel], torch.Tensor, torch.Tensor]:
    """Make two copies, and what they and a repetition of the first give for two images."""
    copies = [*untrained_copies(factory, 2), *untrained_copies(factory, 1)]
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (2, 64, 64, 3), generator=generator, dtype=torch.uint8)
    images = torch.stack([copies[0].preprocess(Image.fromarray(x.numpy())) for x in noise])
    first, second, again = (model.get_output(images)["default"] for model in copies)
    assert torch.equal(first, again)
    assert torch.isfinite(first).all()
    assert not torch.allclose(first[0], first[1])
    keys = [model_fingerprint(model).layer_key("default") for model in copies]
    assert keys[0] == keys[2] != keys[1]
    return copies, first, second


class TestOtherModels:
    @pytest.mark.slow
    def test_face_network(self) -> None:
        factory = partial(DlibResNetModel, align=False)
        copies, first, second = copies_of(factory)
        assert not torch.allclose(first, second)
        assert [model.pretrained for model in copies] == [False] * 3
        # A trained network has no seed: what is kept of it does not depend on one.
        assert factory(seed=3).seed == 0

    @pytest.mark.parametrize("registers", [False, True])
    def test_dino_from_a_folder(self, dino_folder, dino_registers_folder, registers, tmp_path):
        source = dino_registers_folder if registers else dino_folder
        folder = tmp_path / "architecture alone"
        folder.mkdir()
        for name in ("config.json", "preprocessor_config.json"):
            shutil.copy(source / name, folder)
        state = torch.get_rng_state()
        copies, first, second = copies_of(partial(DinoModel, version=folder))
        assert torch.equal(state, torch.get_rng_state())
        assert not torch.allclose(first, second)
        trained = dict(DinoModel("dino", source).model.named_parameters())
        shapes = {name: own.shape for name, own in copies[0].model.named_parameters()}
        assert shapes == {name: own.shape for name, own in trained.items()}

    def test_clip_from_a_folder(self, clip_folder) -> None:
        _, first, second = copies_of(partial(CLIPModel, version=clip_folder))
        assert first.shape == (2, 12)
        assert not torch.allclose(first, second)

    @pytest.mark.parametrize(
        ("model", "version", "count", "side"),
        [
            # As published: Oquab et al. 2024 (B/14), Radford et al. 2021.
            (DinoModel, "facebook/dinov2-base", 86_580_480, 224),
            (CLIPModel, "ViT-B/32", 87_849_216, 224),
            (CLIPModel, "ViT-L/14@336px", 304_293_888, 336),
        ],
    )
    def test_known_architectures_need_no_download(
        self, monkeypatch, model, version, count, side
    ) -> None:
        def on_meta(make: Any, _seed: int) -> nn.Module:
            with torch.device("meta"):
                return make()

        monkeypatch.setattr("facebench.models.hub.untrained_network", on_meta)
        monkeypatch.setattr(model, "_settle", lambda _self: None)
        made = model("net", version, pretrained=False)
        assert sum(own.numel() for own in made.model.parameters()) == count
        image = made.preprocess(Image.new("RGB", (300, 250)))
        assert image.shape == (3, side, side)

    @pytest.mark.parametrize("model", [DinoModel, CLIPModel])
    def test_a_configuration_out_of_reach(self, model, tmp_path) -> None:
        with pytest.raises(MissingWeightsError, match=r"configuration \(config\.json and prepr"):
            model("net", "some/body", pretrained=False)
        with pytest.raises(MissingWeightsError, match="holds no loadable model"):
            model("net", tmp_path, pretrained=False)

    def test_ones_own(self) -> None:
        copies, first, second = copies_of(partial(Mine, width=4))
        assert not torch.allclose(first, second)
        assert {model.control for model in copies} == {"untrained"}
        parts = copies[0].model
        # Tokens are drawn like the ones there were, all others as fresh layers begin.
        assert parts.token.std() == pytest.approx(3, abs=0.2)
        assert parts.token.mean() == pytest.approx(2, abs=0.3)
        assert not torch.equal(parts.token, Mine("m", 4).model.token)
        assert float(parts.norm.running_mean.abs().max()) == 0
        for own in (parts.conv.weight, parts.attn.in_proj_weight, parts.bound.weight):
            assert 0 < float(own.std()) < 1
            assert float(own.max()) < 1

    def test_the_callers_generator_is_left_alone(self) -> None:
        model, state = Mine("m"), torch.get_rng_state()
        randomise(model, 3)
        assert torch.equal(state, torch.get_rng_state())

    def test_a_checkpoint_gives_the_architecture_alone(self, tiny_vgg16, tmp_path) -> None:
        torch.save(tiny_vgg16(num_classes=5).state_dict(), tmp_path / "a.pt")
        factory = partial(Vgg16Model, weights_path=tmp_path / "a.pt", device="cpu")
        first, second = untrained_copies(factory, 2)
        assert first.num_identities == 5
        weights = [model.model.features[0].weight for model in (first, second)]
        assert not torch.equal(*weights)

    def test_factories_that_need_more(self) -> None:
        def needs(name: str, folder: str) -> Mine:
            return Mine(name + folder)

        with pytest.raises(InputError, match=r"'folder'.*functools\.partial"):
            untrained_copies(needs, 2)
        assert untrained_copies(lambda name: Mine(name), 1)[0].control == "untrained"


def test_copies_differ_by_seed_alone(tiny_vgg16) -> None:
    factory = partial(Vgg16Model, extract_layers=["avgpool"], device="cpu")
    copies = untrained_copies(factory, 3, name="VGG16 untrained")
    assert [model.name for model in copies] == [f"VGG16 untrained {seed}" for seed in range(3)]
    assert [model.seed for model in copies] == [0, 1, 2]
    again = untrained_copies(factory, 2)
    images = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    first, second, repeated = (
        model.get_output(images)["avgpool"] for model in (copies[0], copies[1], again[0])
    )
    assert torch.equal(first, repeated)
    assert not torch.allclose(first, second)


@pytest.mark.parametrize("n_seeds", [0, -1, True, 1.5])
def test_numbers_of_copies(n_seeds) -> None:
    with pytest.raises(InputError, match="n_seeds"):
        untrained_copies(Vgg16Model, n_seeds)


def test_factories_must_take_the_name(tiny_vgg16) -> None:
    def deaf(name: str, pretrained: bool, seed: int) -> Vgg16Model:
        return Vgg16Model("mine", pretrained=pretrained, seed=seed)

    with pytest.raises(InputError, match="Asked for 'untrained 0', it made 'mine'"):
        untrained_copies(deaf, 1)
    with pytest.raises(InputError, match="it made 'int'"):
        untrained_copies(lambda **_: 3, 1)


@pytest.mark.slow
def test_a_run_knows_which_of_its_models_are_copies(image_folder, tmp_path) -> None:
    paths = image_folder(4, size=64)
    pairs = tmp_path / "pairs.csv"
    rows = [(a.name, b.name, i % 2) for i, (a, b) in enumerate(combinations(paths, 2))]
    pd.DataFrame(rows, columns=["img1", "img2", "same"]).to_csv(pairs, index=False)
    factory = partial(Mine, width=4, extract_layers=["conv", "norm"])
    models = [factory("trained"), *untrained_copies(factory, 2, name="random")]
    task = AccuracyTask("t", pairs, paths[0].parent, true_label="same")
    manager = MultiModelTaskManager(models, task, cache_dir=None, num_workers=0)
    manager.run_all_tasks_all_models(tmp_path / "results", plots=False)
    table = manager.tasks_performance_dfs["t"]
    assert facts_of(table).controls == {"random": ["random 0", "random 1"]}
    assert facts_of(table).layers["trained"] == models[0].get_layer_names()
    assert layer_profile(table, "Accuracy")["depth"].max() < 1


@pytest.mark.parametrize(
    ("name", "pretrained", "weights", "told"),
    [
        ("vgg16-untrained", True, None, "pretrained weights"),
        ("random init", True, None, "pretrained weights"),
        ("Untrained ResNet", False, "w.pth", "has the weights of w.pth"),
        ("pretrained", False, None, "random weights"),
        ("vgg16-untrained", False, None, ""),
        ("vgg16-trained", True, None, ""),
        ("trained", False, "w.pth", ""),
        ("random-crops", True, None, ""),
    ],
)
def test_names_that_contradict_the_weights(
    name: str, pretrained: bool, weights: str | None, told: str
) -> None:
    from support.small_net import SmallNet

    model = SmallNet(name)
    model.pretrained = pretrained  # type: ignore[attr-defined]
    model.weights_path = weights
    found = misnomer(model)
    assert told in found
    assert bool(told) == bool(found)
