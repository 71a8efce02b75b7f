"""CLIP's vision tower."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection
from typing_extensions import override

from facebench.models.hub import HubModel, load_network, of_kind, one_of, vision_part
from facebench.types import HubSource

__all__ = ["CLIPModel", "clip_source"]

_HUB_NAMES = {
    "ViT-B/32": "openai/clip-vit-base-patch32",
    "ViT-B/16": "openai/clip-vit-base-patch16",
    "ViT-L/14": "openai/clip-vit-large-patch14",
    "ViT-L/14@336px": "openai/clip-vit-large-patch14-336",
}


_KINDS = ("clip", "clip_vision_model")
# Hidden size, layers, heads, patch, image and projection of the networks as published.
_SIZES = {
    "openai/clip-vit-base-patch32": (768, 12, 12, 32, 224, 512),
    "openai/clip-vit-base-patch16": (768, 12, 12, 16, 224, 512),
    "openai/clip-vit-large-patch14": (1024, 24, 16, 14, 224, 768),
    "openai/clip-vit-large-patch14-336": (1024, 24, 16, 14, 336, 768),
}


def clip_source(version: str, owner: str) -> str:
    """Give the folder or hub name of a version of CLIP."""
    if Path(version).is_dir():
        return version
    # OpenAI's short names hold a slash too, so they are told from hub names by their beginning.
    if version.startswith(("ViT-", "RN")) or "/" not in version:
        return _HUB_NAMES[one_of(version, tuple(_HUB_NAMES), "version", owner)]
    return version


class CLIPModel(HubModel):
    """CLIP's image embedding (projected), through transformers; no text tower is loaded.

    Parameters
    ----------
    name : str
        Display name.
    version : str, default 'ViT-B/32'
        OpenAI's short name ('ViT-B/32', 'ViT-B/16', 'ViT-L/14', 'ViT-L/14@336px'), a hub name
        ('owner/model'), or a local folder written by ``save_pretrained``.
    extract_layers, device
        See `BaseModel`.
    pretrained : bool, default True
        False makes a random network, an untrained control. Its architecture is that of `version`:
        of OpenAI's four known here, else read from the folder or the hub.
    seed : int, default 0
        Seed of the random network.

    Raises
    ------
    MissingWeightsError
        If the weights, or an untrained network's configuration, are neither local, nor cached, nor
        within reach.
    ModelError
        If `version` is a short name we do not know.

    References
    ----------
    A. Radford et al., "Learning transferable visual models from natural language supervision",
    ICML 2021.
    """

    outputs_version = "clip-1"
    citations = ("radford2021clip", "wolf2020transformers")
    built_from = HubModel.built_from

    def __init__(
        self,
        name: str,
        version: HubSource = "ViT-B/32",
        extract_layers: str | Iterable[str] | None = None,
        *,
        pretrained: bool = True,
        seed: int = 0,
        device: str | torch.device | None = None,
    ) -> None:
        super().__init__(
            name, version, pretrained=pretrained, seed=seed,
            extract_layers=extract_layers, device=device,
        )  # fmt: skip

    @override
    def _source(self) -> str:
        return clip_source(self.version, "CLIPModel")

    @override
    def _published(self, source: str) -> tuple[Any, Any] | None:
        if source not in _SIZES:
            return None
        hidden, layers, heads, patch, image, projection = _SIZES[source]
        config = CLIPVisionConfig(
            hidden_size=hidden,
            intermediate_size=4 * hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            patch_size=patch,
            image_size=image,
            projection_dim=projection,
        )
        processor = CLIPImageProcessor(
            size={"shortest_edge": image}, crop_size={"height": image, "width": image}
        )
        return config, processor

    @override
    def _checked(self, config: Any) -> Any:
        return vision_part(of_kind(config, _KINDS, self._source(), "CLIPModel"))

    @override
    def _loaded(self, source: str, config: Any) -> nn.Module:
        return load_network(CLIPVisionModelWithProjection, source, "CLIPModel", config=config)

    @override
    def _made(self, config: Any) -> nn.Module:
        return CLIPVisionModelWithProjection(config)

    @override
    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        embeddings: torch.Tensor = self.model(pixel_values=input_tensor).image_embeds
        return embeddings
