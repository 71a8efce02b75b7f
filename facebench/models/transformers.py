"""The vision networks of transformers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import transformers
from PIL import Image
from torch import nn
from transformers import AutoConfig, AutoModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_MAPPING
from typing_extensions import override

from facebench.errors import InputError, ModelError, UnknownNameError
from facebench.models.hub import HubModel, load_network, one_of, vision_part
from facebench.models.network_input import NetworkInput, network_input
from facebench.types import HubSource
from facebench.utils.suggestions import did_you_mean, nearest

__all__ = ["TransformersModel"]

# transformers annotates these only in part.
_auto, _configs, _networks = cast(tuple[Any, Any, Any], (AutoModel, AutoConfig, MODEL_MAPPING))
_POOLINGS = ("cls", "mean", "tokens", "pooler", "projection")
# Tokens before those of the patches, by the end of their parameter's name.
_CLASS_TOKENS = ("cls_token", "class_embedding")
_OTHER_TOKENS = ("register_tokens", "distillation_token")
_NOT_VISION = ("text", "multimodal")
# Masked autoencoders see a random quarter of the patches, in random order, unless told otherwise.
_HIDING = "vit_mae"
_FILTERS = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}


class TransformersModel(HubModel):
    """Any vision network of transformers: ViT, DINO, CLIP, SigLIP, BEiT, Swin, ConvNeXt and others.

    Of networks for images and text only the vision part is kept. Code that a model brings with it
    is never run.

    Parameters
    ----------
    name : str
        Display name.
    version : str
        A hub name ('google/siglip-base-patch16-224') or a local folder written by
        ``save_pretrained``; for a random network also a kind of network by transformers' name
        ('vit', 'swin', 'convnextv2'), in its default size.
    extract_layers, preprocess_function, device
        See `BaseModel`.
    pooling : {'cls', 'mean', 'tokens', 'pooler', 'projection'}, optional
        Without `extract_layers`: the class token; the mean of the patch tokens, or of the positions
        of a convolutional network; all tokens flattened; what the network pools itself; or the
        image embedding in the space of images and text. None takes 'projection' of networks for
        images and text, else 'cls' where there is a class token (BEiT with mean pooling: 'pooler'),
        else 'pooler' where the network pools, else 'mean'.
    pretrained : bool, default True
        False makes a random network, the untrained control of perception studies, of the
        architecture of `version`.
    seed : int, default 0
        Seed of the random network.
    input : mapping or NetworkInput, optional
        What the network expects of images, see `facebench.models.network_input.NetworkInput`; keys
        that are not given are those of the model's image processor. None uses that processor.
    interpolate_pos_encoding : bool, default False
        Whether position embeddings are interpolated to the size of the input, where the network
        can.
    options : mapping, optional
        Entries of the network's configuration to change, such as ``{num_hidden_layers: 6}``.

    Attributes
    ----------
    pooling : str
        The pooling in use.

    Raises
    ------
    MissingWeightsError
        If the weights, or an untrained network's configuration, are neither local, nor cached, nor
        within reach.
    ModelError
        If `pooling` is none of these, or the network takes no images.
    InputError
        If the configuration has no such entry.

    Examples
    --------
    >>> model = TransformersModel(
    ...     "untrained", "vit", pretrained=False,
    ...     options={"num_hidden_layers": 1, "hidden_size": 24},
    ... )
    >>> model.pooling
    'cls'
    """

    outputs_version = "transformers-2"
    citations = ("wolf2020transformers",)
    # Only `_build_model` reads these: the same weights in another folder are the same model.
    built_from = (*HubModel.built_from, "options")

    def __init__(
        self,
        name: str,
        version: HubSource,
        extract_layers: str | Iterable[str] | None = None,
        preprocess_function: Callable[[Image.Image], torch.Tensor] | None = None,
        *,
        pooling: str | None = None,
        pretrained: bool = True,
        seed: int = 0,
        input: Mapping[str, Any] | NetworkInput | None = None,
        interpolate_pos_encoding: bool = False,
        options: Mapping[str, Any] | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        if pooling is not None:
            one_of(pooling, _POOLINGS, "pooling", "TransformersModel")
        self.pooling = pooling
        self.options = dict(options or {})
        self.interpolate_pos_encoding = interpolate_pos_encoding
        self._asked = input
        self.input: NetworkInput | None = None
        super().__init__(
            name, version, pretrained=pretrained, seed=seed, extract_layers=extract_layers,
            preprocess_function=preprocess_function, device=device,
        )  # fmt: skip

    @override
    def _build_model(self) -> None:
        super()._build_model()
        if self.pooling is None:
            self.pooling = self._usual_pooling()

    @override
    def _source(self) -> str:
        if "/" in self.version or Path(self.version).is_dir():
            return self.version
        if self.version not in CONFIG_MAPPING:
            msg = (
                f"TransformersModel finds no {self.version!r}: it is neither a folder here, nor a "
                "hub name (owner/model), nor a kind of network. "
                f"{nearest(self.version, CONFIG_MAPPING)}"
            )
            raise UnknownNameError(msg)
        if self.pretrained:
            msg = (
                f"'version' is {self.version!r}, a kind of network, of which there are many "
                "weights. Give a hub name or a folder written by save_pretrained, or "
                "pretrained=False for a random network of this kind."
            )
            raise ModelError(msg)
        return self.version

    @override
    def _published(self, source: str) -> tuple[Any, Any] | None:
        if Path(source).is_dir() or source not in CONFIG_MAPPING:
            return None
        config = self._checked(_configs.for_model(source))
        base = NetworkInput(_image_size(config))
        self.input = network_input(self._asked or {}, base)
        return config, self.input

    @override
    def _image_processor(self, source: str, what: str) -> Any:
        needed = {"size", "mean", "std"}
        asked = self._asked
        is_whole = isinstance(asked, NetworkInput) or needed <= dict(asked or {}).keys()
        if is_whole:
            self.input = network_input(asked or {})
            return self.input
        processor = super()._image_processor(source, what)
        self.input = _described(processor)
        if asked is None:
            return processor
        if self.input is None:
            msg = (
                f"The 'input' for {source} must hold size, mean and std: its "
                f"{type(processor).__name__} prepares images in a way that they do not describe."
            )
            raise InputError(msg)
        self.input = network_input(asked, self.input)
        return self.input

    @override
    def _checked(self, config: Any) -> Any:
        """Choose the class and the configuration of the network to build: of its vision part."""
        config = _with_options(config, self.options)
        if config.model_type == _HIDING:
            if self.options.get("mask_ratio"):
                msg = (
                    f"The 'options' of {self.version} hide patches at random (mask_ratio "
                    f"{self.options['mask_ratio']!r}), so that an image would have another "
                    "embedding each time. Leave mask_ratio out: the whole image is then seen."
                )
                raise InputError(msg)
            config.mask_ratio = 0.0
        self._gives = "tokens"
        self._family: Any = AutoModel
        if type(config) not in _networks:
            msg = f"transformers has no network for {self.version}, of kind {config.model_type!r}."
            raise ModelError(msg)
        whole = _networks[type(config)]
        whole = whole[0] if isinstance(whole, tuple) else whole
        part = getattr(config, "vision_config", None)
        if self.pooling in (None, "projection"):
            projecting = _projecting(whole, config, part)
            if projecting is not None:
                self._gives, self._family = "image_embeds", projecting
                return vision_part(config)
            if part is not None and hasattr(whole, "get_image_features"):
                self._gives = "image_features"
                return config
            if self.pooling == "projection":
                msg = (
                    f"{self.version} holds a {whole.__name__} without a projection to the space "
                    f"of images and text. Take another 'pooling' of {', '.join(_POOLINGS[:-1])}."
                )
                raise ModelError(msg)
        return part if part is not None and type(part) in _networks else config

    @override
    def _loaded(self, source: str, config: Any) -> nn.Module:
        network = load_network(
            self._family, source, "TransformersModel", optional=("pooler",), config=config
        )
        return self._vision_of(network)

    @override
    def _made(self, config: Any) -> nn.Module:
        if self._family is not AutoModel:
            network = self._family(config)
        else:
            network = _auto.from_config(config, trust_remote_code=False)
        return self._vision_of(network)

    def _vision_of(self, network: nn.Module) -> nn.Module:
        """Drop what is for text only."""
        if self._gives == "image_features":
            for name, _ in list(network.named_children()):
                if any(word in name for word in _NOT_VISION):
                    delattr(network, name)
            return network
        tower = getattr(network, "vision_model", None)
        if self._gives == "tokens" and hasattr(network, "get_image_features") and tower is not None:
            network = tower
        if getattr(network, "main_input_name", "pixel_values") != "pixel_values":
            msg = (
                f"TransformersModel needs a network that takes images. {self.version}, a "
                f"{type(network).__name__}, takes {network.main_input_name}."
            )
            raise ModelError(msg)
        return network

    def _usual_pooling(self) -> str:
        """Choose the pooling where none is asked for, by what the network gives for an image."""
        if self._gives != "tokens":
            return "projection"
        config: Any = self.model.config
        network = self.model.eval()
        with torch.no_grad():
            output = self._run(self._default_preprocess(Image.new("RGB", (64, 64)))[None])
        network.train()
        pools = output.get("pooler_output") is not None
        has_class = bool(_tokens_named(self.model, _CLASS_TOKENS))
        if output["last_hidden_state"].ndim == 3 and has_class:
            return "pooler" if pools and getattr(config, "use_mean_pooling", False) else "cls"
        return "pooler" if pools else "mean"

    @override
    def _default_preprocess(self, image: Image.Image) -> torch.Tensor:
        if isinstance(self._processor, NetworkInput):
            return self._processor(image)
        inputs = self._processor(images=image, return_tensors="pt")
        values: torch.Tensor = inputs["pixel_values"][0]
        if "spatial_shapes" not in inputs:
            return values
        # A sequence of patches: whether each is one, and how many rows and columns there are.
        mask = inputs["pixel_attention_mask"][0].to(values)[:, None]
        shape = inputs["spatial_shapes"][0].to(values).expand(len(values), 2)
        return torch.cat([values, mask, shape], dim=1)[None]

    def _run(self, batch: torch.Tensor) -> Any:
        inputs: dict[str, Any] = {"pixel_values": batch}
        if batch.shape[1] == 1:
            inputs = {
                "pixel_values": batch[:, 0, :, :-3],
                "pixel_attention_mask": batch[:, 0, :, -3].long(),
                "spatial_shapes": batch[:, 0, 0, -2:].long(),
            }
        if self.interpolate_pos_encoding:
            inputs["interpolate_pos_encoding"] = True
        network: Any = self.model
        if network.config.model_type == _HIDING:
            # Patches are sorted by noise, which is drawn at random unless it is given.
            order = torch.arange(_patches(network.config, batch), device=batch.device)
            inputs["noise"] = order.expand(len(batch), -1)
        if self._gives == "image_features":
            return network.get_image_features(**inputs)
        return network(**inputs)

    @override
    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        output = self._run(input_tensor)
        if isinstance(output, torch.Tensor):
            return output
        found = self._pooled(str(self.pooling), output, input_tensor)
        if found is None:
            raise ModelError(self._refused(output, input_tensor))
        return found

    def _pooled(self, pooling: str, output: Any, batch: torch.Tensor) -> torch.Tensor | None:
        """Give what a pooling makes of an output; None where the network has no such thing."""
        tokens: torch.Tensor | None = output.get("last_hidden_state")
        if pooling in ("pooler", "projection"):
            pooled: torch.Tensor | None = output.get("image_embeds", output.get("pooler_output"))
            return pooled
        if tokens is None or pooling == "tokens":
            return tokens
        if pooling == "mean":
            return self._mean(tokens, batch)
        has_class = tokens.ndim == 3 and _tokens_named(self.model, _CLASS_TOKENS)
        return tokens[:, 0] if has_class else None

    def _mean(self, tokens: torch.Tensor, batch: torch.Tensor) -> torch.Tensor | None:
        if tokens.ndim == 4:
            return tokens.mean(dim=(2, 3))
        if batch.shape[1] == 1:
            mask = batch[:, 0, :, -3:-2]
            return (tokens * mask).sum(dim=1) / mask.sum(dim=1)
        first = _tokens_named(self.model, (*_CLASS_TOKENS, *_OTHER_TOKENS))
        patches = tokens[:, first:]
        return patches.mean(dim=1) if _is_grid(patches.shape[1], batch.shape[-2:]) else None

    def _refused(self, output: Any, batch: torch.Tensor) -> str:
        # A projection is what is taken where nothing is asked for.
        others = [
            pooling
            for pooling in _POOLINGS
            if pooling != "projection" and self._pooled(pooling, output, batch) is not None
        ]
        return (
            f"{type(self.model).__name__} of model {self.name!r} gives nothing for the pooling "
            f"{self.pooling!r}. Take one of {', '.join(others)}, or leave it out."
        )


def _patches(config: Any, batch: torch.Tensor) -> int:
    """Count the patches of an image of a masked autoencoder."""
    side = int(config.patch_size)
    return (batch.shape[-2] // side) * (batch.shape[-1] // side)


def _with_options(config: Any, options: Mapping[str, Any]) -> Any:
    """Change entries of a configuration, so that what follows from them changes too."""
    known = config.to_dict()
    for key, value in options.items():
        if key not in known and not hasattr(config, key):
            msg = (
                f"The configuration of {config.model_type!r} has no entry {key!r}."
                f"{did_you_mean(key, known)}"
            )
            raise InputError(msg)
        inner = known.get(key)
        known[key] = {**inner, **value} if isinstance(inner, dict) else value
    return type(config).from_dict(known) if options else config


def _projecting(whole: Any, config: Any, part: Any) -> Any | None:
    """Find the class of a vision tower with its projection, as CLIP has one."""
    if part is not None:
        name = whole.__name__.replace("Model", "VisionModelWithProjection")
    else:
        # A tower alone: its file says whether it was saved with the projection.
        named = [one for one in config.architectures or () if "WithProjection" in one]
        name = named[0] if named else ""
    found = getattr(transformers, name, None)
    wanted = type(config if part is None else part)
    return found if found is not None and found.config_class is wanted else None


def _tokens_named(network: nn.Module, names: Iterable[str]) -> int:
    """Count the tokens that a network adds before those of the patches.

    A token of the head is the query of a pooling by attention (AIMv2), and not in the sequence.
    """
    return sum(
        weight.shape[-2] if weight.ndim > 1 else 1
        for name, weight in network.named_parameters()
        if name.rpartition(".")[2] in names and "head" not in name.split(".")
    )


def _is_grid(n_tokens: int, size: torch.Size) -> bool:
    """Tell whether so many tokens may be the patches of an image, all of them and no others."""
    height, width = size
    return any(
        n_tokens in ((height // step) * (width // step), -(-height // step) * -(-width // step))
        for step in range(1, max(size) + 1)
    )


def _image_size(config: Any) -> tuple[int, int]:
    size = getattr(getattr(config, "vision_config", config), "image_size", None) or 224
    return (size, size) if isinstance(size, int) else (int(size[-2]), int(size[-1]))


def _described(processor: Any) -> NetworkInput | None:
    """Describe what an image processor does; None where it does something else."""

    def asked(step: str) -> bool:
        return bool(getattr(processor, f"do_{step}", False))

    sides = {key: getattr(processor, key, None) for key in ("size", "crop_size")}
    size, crop = ({} if value is None else dict(value) for value in sides.values())
    final = crop if asked("center_crop") else size
    filter_ = _FILTERS.get(int(getattr(processor, "resample", None) or 0))
    if not asked("resize") or not {"height", "width"} <= final.keys() or filter_ is None:
        return None
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if asked("normalize"):
        mean, std = tuple(processor.image_mean), tuple(processor.image_std)
    factor = float(getattr(processor, "rescale_factor", 1 / 255)) if asked("rescale") else 1.0
    is_centre = final is crop and "shortest_edge" in size
    found = NetworkInput(
        (final["height"], final["width"]),
        mean,
        std,
        channels="bgr" if asked("flip_channel_order") else "rgb",
        max_value=255 * factor,
        resize=size["shortest_edge"] if is_centre else None,
        interpolation=filter_,
    )
    return found if _prepares_alike(found, processor) else None


def _prepares_alike(found: NetworkInput, processor: Any) -> bool:
    """Tell whether a description does to an image what a processor does, which may do more."""
    rows, columns = np.mgrid[0:120, 0:90]
    pixels = np.stack([rows, columns, rows // 2 + columns], axis=2).astype(np.uint8)
    image = Image.fromarray(pixels)
    own = found(image)
    theirs = torch.as_tensor(processor(images=image, return_tensors="pt")["pixel_values"][0])
    if own.shape != theirs.shape:
        return False
    # Filters round differently, by a level or two.
    level = found.max_value / 255 / torch.tensor(found.std)[:, None, None]
    return bool(((own - theirs).abs() < 4 * level.abs()).all())
