"""DINOv2."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from transformers import AutoModel, BitImageProcessor, Dinov2Config
from transformers.utils.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from typing_extensions import override

from facebench.models.hub import HubModel, load_network, of_kind, one_of
from facebench.types import HubSource

__all__ = ["DinoModel"]

# transformers annotates it only in part.
_auto = cast(Any, AutoModel)
_KINDS = ("dinov2", "dinov2_with_registers")
_POOLINGS = ("cls", "mean", "tokens")
# Hidden size, layers and heads of the networks as published (ViT-S/14, B/14 and L/14).
_SIZES = {
    "facebook/dinov2-small": (384, 12, 6),
    "facebook/dinov2-base": (768, 12, 12),
    "facebook/dinov2-large": (1024, 24, 16),
}


class DinoModel(HubModel):
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
    pretrained : bool, default True
        False makes a random network, an untrained control. Its architecture is that of `version`:
        of DINOv2 small, base and large known here, else read from the folder or the hub.
    seed : int, default 0
        Seed of the random network.
    device
        See `BaseModel`.

    Raises
    ------
    MissingWeightsError
        If the weights, or an untrained network's configuration, are neither local, nor cached, nor
        within reach.
    ModelError
        If `pooling` is none of the three.

    References
    ----------
    M. Oquab et al., "DINOv2: Learning robust visual features without supervision", TMLR 2024.
    """

    outputs_version = "dino-1"
    citations = ("oquab2024dinov2",)
    built_from = HubModel.built_from

    def __init__(
        self,
        name: str,
        version: HubSource = "facebook/dinov2-base",
        extract_layers: str | Iterable[str] | None = None,
        *,
        pooling: str = "cls",
        pretrained: bool = True,
        seed: int = 0,
        device: str | torch.device | None = None,
    ) -> None:
        self.pooling = one_of(pooling, _POOLINGS, "pooling", "DinoModel")
        super().__init__(
            name, version, pretrained=pretrained, seed=seed,
            extract_layers=extract_layers, device=device,
        )  # fmt: skip

    @override
    def _published(self, source: str) -> tuple[Any, Any] | None:
        sizes = _SIZES.get(source)
        if sizes is None or Path(source).is_dir():
            return None
        hidden, layers, heads = sizes
        config = Dinov2Config(
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            image_size=518,
            patch_size=14,
        )
        processor = BitImageProcessor(
            size={"shortest_edge": 256},
            crop_size={"height": 224, "width": 224},
            image_mean=IMAGENET_DEFAULT_MEAN,
            image_std=IMAGENET_DEFAULT_STD,
        )
        return config, processor

    @override
    def _checked(self, config: Any) -> Any:
        return of_kind(config, _KINDS, self.version, "DinoModel")

    @override
    def _loaded(self, source: str, config: Any) -> nn.Module:
        return load_network(AutoModel, source, "DinoModel", config=config)

    @override
    def _made(self, config: Any) -> nn.Module:
        network: nn.Module = _auto.from_config(config, trust_remote_code=False)
        return network

    @override
    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        tokens: torch.Tensor = self.model(pixel_values=input_tensor).last_hidden_state
        if self.pooling == "cls":
            return tokens[:, 0]
        if self.pooling == "mean":
            # Some versions put register tokens between the class token and the patches.
            config: Any = self.model.config
            return tokens[:, 1 + getattr(config, "num_register_tokens", 0) :].mean(dim=1)
        return tokens
