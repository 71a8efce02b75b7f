"""CLIP's vision tower."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from PIL import Image
from transformers import CLIPVisionModelWithProjection

from facebench.models.base import BaseModel
from facebench.models.hub import load_config, load_network, load_processor, one_of, processed

__all__ = ["CLIPModel"]

_HUB_NAMES = {
    "ViT-B/32": "openai/clip-vit-base-patch32",
    "ViT-B/16": "openai/clip-vit-base-patch16",
    "ViT-L/14": "openai/clip-vit-large-patch14",
    "ViT-L/14@336px": "openai/clip-vit-large-patch14-336",
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

    Raises
    ------
    MissingWeightsError
        If the weights are neither local, nor cached, nor within reach.
    ModelError
        If `version` is a short name we do not know.

    References
    ----------
    A. Radford et al., "Learning transferable visual models from natural language supervision",
    ICML 2021.
    """

    def __init__(
        self,
        name: str,
        version: str = "ViT-B/32",
        extract_layers: str | Iterable[str] | None = None,
        *,
        device: str | torch.device | None = None,
    ) -> None:
        self.version = str(version)
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
        config = load_config(source, "CLIPModel", ("clip", "clip_vision_model"))
        if hasattr(config, "vision_config"):
            # The projection belongs to the whole CLIP; the tower's own entry may differ.
            config.vision_config.projection_dim = config.projection_dim
            config = config.vision_config
        self._processor = load_processor(source, "CLIPModel")
        self.model = load_network(CLIPVisionModelWithProjection, source, "CLIPModel", config=config)

    def _default_preprocess(self, image: Image.Image) -> torch.Tensor:
        return processed(self._processor, image)

    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        embeddings: torch.Tensor = self.model(pixel_values=input_tensor).image_embeds
        return embeddings
