"""Vision networks of transformers against transformers called directly, on tiny random ones."""

import json
import shutil

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from facebench.engine.fingerprint import model_fingerprint
from facebench.errors import (
    FacebenchError,
    InputError,
    MissingWeightsError,
    ModelError,
    UnknownNameError,
    WeightsError,
)
from facebench.models.transformers import TransformersModel
from support.transformers_folders import TINY, tiny_config, tiny_folder

SQUARE = {"height": 32, "width": 32}
FOR_TEXT_TOO = ("blip", "chinese_clip", "clip", "siglip", "siglip2")
# Kind → tokens before those of the patches.
CLASS_TOKENS = {
    "beit": 1, "data2vec-vision": 1, "deit": 2, "dinov2": 1, "dinov2_with_registers": 4,
    "dinov3_vit": 3, "vit": 1, "vit_msn": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}

    def folder(kind):
        if kind not in made:
            made[kind] = tiny_folder(kind, tmp_path_factory.mktemp(kind))
        return made[kind]

    return folder


@pytest.fixture(scope="module")
def photographs():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    return [image.resize((50, 60)), image.resize((90, 40))]


def output(model, images):
    return model.get_output(torch.stack([model.preprocess(image) for image in images]))["default"]


def theirs(folder, images, *, text=False):
    network = transformers.AutoModel.from_pretrained(folder).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    inputs = processor(images=images, return_tensors="pt")
    with torch.no_grad():
        return network.get_image_features(**inputs) if text else network(**inputs)


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(set(TINY) - set(FOR_TEXT_TOO)))
def test_every_pooling_of_every_kind(folders, photographs, kind):
    found = theirs(folders(kind), photographs)
    tokens = found.last_hidden_state
    first = CLASS_TOKENS.get(kind, 0)
    expected = {
        "tokens": tokens.flatten(1),
        "mean": tokens.mean((2, 3)) if tokens.ndim == 4 else tokens[:, first:].mean(1),
        "pooler": getattr(found, "pooler_output", None),
        "cls": tokens[:, 0] if first else None,
        "projection": None,
    }
    for pooling, own in expected.items():
        if own is None:
            with pytest.raises(ModelError, match="pooling"):
                output(TransformersModel("a", folders(kind), pooling=pooling), photographs)
        else:
            model = TransformersModel("a", folders(kind), pooling=pooling)
            torch.testing.assert_close(
                output(model, photographs), own.flatten(1), rtol=1e-4, atol=1e-6
            )
    usual = "cls" if first and kind != "beit" else "pooler"
    assert TransformersModel("a", folders(kind)).pooling == usual


def test_a_masked_autoencoder_sees_the_whole_image_each_time(photographs):
    options = TINY["vit"]
    model = TransformersModel("a", "vit_mae", pretrained=False, options=options, pooling="tokens")
    found = output(model, photographs)
    assert torch.equal(output(model, photographs), found)
    assert found.shape == (2, (16 + 1) * 16)
    batch = torch.stack([model.preprocess(image) for image in photographs])
    # The encoder alone, layer by layer, with the patches in their places.
    network = model.model
    with torch.no_grad():
        places = network.embeddings.position_embeddings
        patches = network.embeddings.patch_embeddings(batch) + places[:, 1:]
        first = (network.embeddings.cls_token + places[:, :1]).expand(2, -1, -1)
        tokens = torch.cat([first, patches], dim=1)
        for layer in network.layers:
            tokens = layer(tokens, None)
        expected = network.layernorm(tokens)
    torch.testing.assert_close(found, expected.flatten(1), rtol=1e-4, atol=1e-6)
    with pytest.raises(InputError, match="hide patches at random"):
        TransformersModel("a", "vit_mae", pretrained=False, options={"mask_ratio": 0.75})


@pytest.mark.slow
@pytest.mark.parametrize("kind", FOR_TEXT_TOO)
def test_networks_for_images_and_text_give_their_image_embedding(folders, photographs, kind):
    found = theirs(folders(kind), photographs, text=True)
    expected = found if isinstance(found, torch.Tensor) else found.pooler_output
    model = TransformersModel("a", folders(kind))
    assert model.pooling == "projection"
    torch.testing.assert_close(output(model, photographs), expected, rtol=1e-4, atol=1e-6)
    assert not [name for name, _ in model.model.named_parameters() if "text" in name]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["clip", "siglip", "siglip2", "blip"])
def test_the_vision_tower_alone(folders, photographs, kind):
    network = transformers.AutoModel.from_pretrained(folders(kind)).eval().vision_model
    processor = transformers.AutoImageProcessor.from_pretrained(folders(kind))
    inputs = processor(images=photographs, return_tensors="pt")
    if kind == "siglip2":
        inputs["attention_mask"] = inputs.pop("pixel_attention_mask")
        try:
            with torch.no_grad():
                found = network(**inputs)
        except TypeError:
            inputs["pixel_attention_mask"] = inputs.pop("attention_mask")
    with torch.no_grad():
        found = network(**inputs)
    for pooling, expected in (
        ("tokens", found.last_hidden_state.flatten(1)),
        ("pooler", found.pooler_output),
    ):
        model = TransformersModel("a", folders(kind), pooling=pooling)
        torch.testing.assert_close(output(model, photographs), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["clip", "dinov2", "swin", "siglip2"])
@pytest.mark.parametrize("layers", ["all", "blocks"])
def test_layers(folders, photographs, kind, layers):
    model = TransformersModel("a", folders(kind), layers)
    batch = torch.stack([model.preprocess(image) for image in photographs])
    found = model.get_output(batch)
    assert list(found) == model.extract_layers
    assert all(len(rows) == 2 for rows in found.values())


class TestPreprocessing:
    def test_is_that_of_the_processor(self, folders, photographs):
        model = TransformersModel("a", folders("vit"))
        processor = transformers.AutoImageProcessor.from_pretrained(folders("vit"))
        own = processor(images=photographs[0], return_tensors="pt")["pixel_values"][0]
        assert torch.allclose(model.preprocess(photographs[0]), own, atol=1e-6)
        assert str(model.input) == "RGB, 32 × 32, 0–1, mean 0.4, 0.5, 0.6, SD 0.2, 0.3, 0.4"

    def test_may_be_changed_in_part(self, folders, photographs):
        options = {"input": {"size": 64}, "interpolate_pos_encoding": True, "pooling": "tokens"}
        model = TransformersModel("a", folders("vit"), **options)
        assert model.input.mean == (0.4, 0.5, 0.6)
        assert output(model, photographs).shape == (2, 16 * (1 + 64))

    @pytest.mark.parametrize(
        "processor",
        [
            transformers.ViTImageProcessor(size=SQUARE, do_rescale=False, do_normalize=False),
            transformers.ViTImageProcessor(size=SQUARE, do_normalize=False, resample=1),
            transformers.ViTImageProcessor(size=SQUARE, rescale_factor=1 / 127.5),
            transformers.MobileViTImageProcessor(size={"shortest_edge": 36}, crop_size=SQUARE),
        ],
        ids=["as they are", "not normalised", "another range", "BGR"],
    )
    def test_what_is_not_changed_stays_the_processors(
        self, folders, photographs, tmp_path, processor
    ):
        folder = shutil.copytree(folders("vit"), tmp_path / "vit")
        processor.save_pretrained(folder)
        model = TransformersModel("a", folder, input={"size": 32})
        image = photographs[0].resize((60, 60))
        own = processor(images=image, return_tensors="pt")["pixel_values"][0]
        # Filters round differently.
        level = model.input.max_value / 255 / model.input.std[0]
        assert (model.preprocess(image) - own).abs().max() < 1.5 * level

    @pytest.mark.parametrize(
        "processor",
        [
            transformers.ViTImageProcessor(size=SQUARE, do_resize=False),
            transformers.EfficientNetImageProcessor(size=SQUARE),
            transformers.BeitImageProcessor(
                size={"height": 48, "width": 48}, do_center_crop=True, crop_size=SQUARE
            ),
        ],
        ids=["not resized", "normalised twice", "cropped from a square"],
    )
    def test_what_is_something_else_needs_it_in_full(self, folders, tmp_path, processor):
        folder = shutil.copytree(folders("vit"), tmp_path / "vit")
        processor.save_pretrained(folder)
        with pytest.raises(InputError, match="must hold size, mean and std"):
            TransformersModel("a", folder, input={"size": 32})

    def test_a_folder_without_processor_needs_it_in_full(self, folders, photographs, tmp_path):
        folder = shutil.copytree(folders("vit"), tmp_path / "vit")
        (folder / "preprocessor_config.json").unlink()
        with pytest.raises(MissingWeightsError):
            TransformersModel("a", folder)
        model = TransformersModel("a", folder, input={"size": 32, "mean": 0.5, "std": 0.5})
        assert torch.equal(model.preprocess(photographs[0]), model.input(photographs[0]))


class TestWeights:
    def test_a_classifiers_checkpoint_has_no_pooler(self, photographs, tmp_path):
        network = transformers.ViTForImageClassification(tiny_config("vit")).eval()
        tiny_folder("vit", tmp_path, network=network)
        model = TransformersModel("a", tmp_path)
        assert model.model.pooler is None
        batch = torch.stack([model.preprocess(image) for image in photographs])
        with torch.no_grad():
            features = model.get_output(batch)["default"]
            torch.testing.assert_close(network.classifier(features), network(batch).logits)
        # The message does not offer the pooling that it refuses.
        with pytest.raises(ModelError, match=r"'pooler'\. Take one of cls, mean, tokens, or leave"):
            output(TransformersModel("a", tmp_path, pooling="pooler"), photographs)

    def test_only_poolings_that_the_network_has_are_offered(self, folders, photographs):
        model = TransformersModel("a", folders("convnextv2"), pooling="cls")
        with pytest.raises(ModelError, match=r"'cls'\. Take one of mean, tokens, pooler, or leave"):
            output(model, photographs)
        with pytest.raises(ModelError, match=r"without a projection .* pooler\.$"):
            TransformersModel("a", folders("convnextv2"), pooling="projection")

    def test_missing_weights_are_not_drawn_at_random(self, folders, tmp_path):
        from safetensors.torch import load_file, save_file

        folder = shutil.copytree(folders("vit"), tmp_path / "vit")
        state = load_file(folder / "model.safetensors")
        del state["layernorm.weight"]
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(WeightsError, match=r"layernorm\.weight"):
            TransformersModel("a", folder)

    def test_options_that_do_not_fit(self, folders):
        with pytest.raises(WeightsError, match=r"do not fit|of another shape"):
            TransformersModel("a", folders("vit"), options={"intermediate_size": 32})

    @pytest.mark.parametrize("content", [b"version https://git-lfs", b"<html>", b"\x00" * 9])
    def test_what_is_no_checkpoint(self, folders, tmp_path, content):
        folder = shutil.copytree(folders("vit"), tmp_path / "vit")
        (folder / "model.safetensors").write_bytes(content)
        with pytest.raises(WeightsError, match="vit"):
            TransformersModel("a", folder)

    @pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json"])
    def test_code_in_a_folder_is_not_run(self, folders, tmp_path, file):
        folder = shutil.copytree(folders("vit"), tmp_path / "vit")
        (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
        config = json.loads((folder / file).read_text())
        config["auto_map"] = dict.fromkeys(
            ("AutoConfig", "AutoModel", "AutoImageProcessor"), "evil.Own"
        )
        config |= {"model_type": "own"} if file == "config.json" else {"image_processor_type": "O"}
        (folder / file).write_text(json.dumps(config))
        with pytest.raises(FacebenchError, match="brings code of its own"):
            TransformersModel("a", folder)
        assert not (tmp_path / "ran").exists()


class TestNames:
    def test_a_hub_name_out_of_reach(self):
        with pytest.raises(
            MissingWeightsError, match=r"owner/net.*save_pretrained.*pretrained=Fal"
        ):
            TransformersModel("a", "owner/net")

    def test_a_misspelt_kind(self):
        with pytest.raises(UnknownNameError, match=r"closest are:.*convnext"):
            TransformersModel("a", "convnxt", pretrained=False)

    def test_a_kind_alone_has_no_weights(self):
        with pytest.raises(ModelError, match=r"a kind of network.*pretrained=False"):
            TransformersModel("a", "vit")

    def test_an_unknown_pooling_or_option(self):
        with pytest.raises(ModelError, match="Did you mean 'pooler'"):
            TransformersModel("a", "vit", pooling="pooled")
        with pytest.raises(InputError, match=r"no entry 'hiden_size'.*'hidden_size'"):
            TransformersModel("a", "vit", pretrained=False, options={"hiden_size": 3})

    def test_a_network_of_texts_is_refused(self):
        sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
        with pytest.raises(ModelError, match="takes input_ids"):
            TransformersModel("a", "bert", pretrained=False, options=sizes)


class TestFingerprints:
    def test_every_setting_counts(self, folders):
        def made(version="vit", **options):
            named = {"options": TINY[version], "pretrained": False} | options
            return TransformersModel("m", version, **named)

        networks = [
            made(),
            made(seed=1),
            made(pooling="mean"),
            made(pooling="tokens"),
            made(interpolate_pos_encoding=True),
            made(input={"mean": 0.4}),
            made(options=TINY["vit"] | {"hidden_act": "relu"}),
            made("deit"),
            TransformersModel("m", folders("vit")),
            TransformersModel("m", folders("clip")),
            TransformersModel("m", folders("clip"), pooling="pooler"),
        ]
        keys = {model_fingerprint(model).layer_key("default") for model in networks}
        assert len(keys) == len(networks)

    def test_the_same_folder_elsewhere_is_the_same_model(self, folders, tmp_path):
        other = shutil.copytree(folders("siglip"), tmp_path / "elsewhere")
        first, second = (
            model_fingerprint(TransformersModel("m", folder)).layer_key("default")
            for folder in (folders("siglip"), other)
        )
        assert first == second
