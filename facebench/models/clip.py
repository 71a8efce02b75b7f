"""CLIP's vision tower."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from facebench.models.base import BaseModel
from facebench.models.hub import (
    CONFIGURATION,
    load_config,
    load_network,
    load_processor,
    one_of,
    processed,
    untrained_network,
)

__all__ = ["CLIPModel"]

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


class CLIPModel(BaseModel):
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
    # Only `_build_model` reads these: the same weights in another folder are the same model.
    built_from = ("version", "pretrained", "seed")

    def __init__(
        self,
        name: str,
        version: str = "ViT-B/32",
        extract_layers: str | Iterable[str] | None = None,
        *,
        pretrained: bool = True,
        seed: int = 0,
        device: str | torch.device | None = None,
    ) -> None:
        self.version = str(version)
        self.pretrained = pretrained
        # No seed changes a trained network: what is kept of it is found with any seed.
        self.seed = 0 if pretrained else seed
        super().__init__(name, extract_layers=extract_layers, device=device)

    def _source(self) -> str:
        if Path(self.version).is_dir():
            return self.version
        # OpenAI's short names hold a slash too, so they are told from hub names by their beginning.
        if self.version.startswith(("ViT-", "RN")) or "/" not in self.version:
            return _HUB_NAMES[one_of(self.version, tuple(_HUB_NAMES), "version", "CLIPModel")]
        return self.version

    def _build_model(self) -> None:
        source = self._source()
        if not self.pretrained:
            tower, self._processor = self._architecture(source)
            self.model = untrained_network(lambda: CLIPVisionModelWithProjection(tower), self.seed)
            return
        config = _tower(load_config(source, "CLIPModel", _KINDS))
        self._processor = load_processor(source, "CLIPModel")
        self.model = load_network(CLIPVisionModelWithProjection, source, "CLIPModel", config=config)

    def _architecture(self, source: str) -> tuple[Any, Any]:
        """Give the configuration of the network and its image processor, without weights."""
        if source not in _SIZES:
            return (
                _tower(load_config(source, "CLIPModel", _KINDS, CONFIGURATION)),
                load_processor(source, "CLIPModel", CONFIGURATION),
            )
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

    def _default_preprocess(self, image: Image.Image) -> torch.Tensor:
        return processed(self._processor, image)

    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        embeddings: torch.Tensor = self.model(pixel_values=input_tensor).image_embeds
        return embeddings


def _tower(config: Any) -> Any:
    """Give the configuration of the vision tower: of a whole CLIP, or the tower's own."""
    if not hasattr(config, "vision_config"):
        return config
    # The projection belongs to the whole CLIP; the tower's own entry may differ.
    config.vision_config.projection_dim = config.projection_dim
    return config.vision_config
