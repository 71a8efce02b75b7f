"""DINOv2."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from PIL import Image
from transformers import AutoModel

from facebench.models.base import BaseModel
from facebench.models.hub import load_config, load_network, load_processor, one_of, processed

__all__ = ["DinoModel"]

_KINDS = ("dinov2", "dinov2_with_registers")
_POOLINGS = ("cls", "mean", "tokens")


class DinoModel(BaseModel):
    """DINOv2 vision transformers, self-supervised, through transformers.

    Parameters
    ----------
    name : str
        Display name.
    version : str, default 'facebook/dinov2-base'
        A hub name, or a local folder written by ``save_pretrained``.
    extract_layers
        See `BaseModel`.
    pooling : {'cls', 'mean', 'tokens'}, default 'cls'
        Without `extract_layers`: the class token, the mean of the patch tokens, or all tokens
        flattened.
    device
        See `BaseModel`.

    Raises
    ------
    MissingWeightsError
        If the weights are neither local, nor cached, nor within reach.
    ModelError
        If `pooling` is none of the three.

    References
    ----------
    M. Oquab et al., "DINOv2: Learning robust visual features without supervision", TMLR 2024.
    """

    def __init__(
        self,
        name: str,
        version: str = "facebook/dinov2-base",
        extract_layers: str | Iterable[str] | None = None,
        *,
        pooling: str = "cls",
        device: str | torch.device | None = None,
    ) -> None:
        self.version = str(version)
        self.pooling = one_of(pooling, _POOLINGS, "pooling", "DinoModel")
        super().__init__(name, extract_layers=extract_layers, device=device)

    def _build_model(self) -> None:
        load_config(self.version, "DinoModel", _KINDS)
        self._processor = load_processor(self.version, "DinoModel")
        self.model = load_network(AutoModel, self.version, "DinoModel")

    def _default_preprocess(self, image: Image.Image) -> torch.Tensor:
        return processed(self._processor, image)

    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        tokens: torch.Tensor = self.model(pixel_values=input_tensor).last_hidden_state
        if self.pooling == "cls":
            return tokens[:, 0]
        if self.pooling == "mean":
            # Some versions put register tokens between the class token and the patches.
            config: Any = self.model.config
            return tokens[:, 1 + getattr(config, "num_register_tokens", 0) :].mean(dim=1)
        return tokens
