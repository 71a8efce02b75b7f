"""CLIP's text tower with its tokenizer, from a folder or the hub; no code of others is run."""

from __future__ import annotations

import hashlib
from typing import Any, cast

import torch
from torch import nn
from transformers import AutoTokenizer, CLIPTextModelWithProjection

from facebench.models.hub import load_config, load_from_hub, load_network, of_kind, text_part

__all__ = ["load_text_tower", "state_digest"]

_KINDS = ("clip", "clip_text_model")
_tokenizers = cast(Any, AutoTokenizer)


def load_text_tower(source: str, owner: str) -> tuple[Any, Any]:
    """Load the network and its tokenizer.

    Parameters
    ----------
    source : str
        A folder written by ``save_pretrained``, or a hub name.
    owner : str
        The model's class, for messages.

    Returns
    -------
    network, tokenizer
        The network in evaluation mode.

    Raises
    ------
    MissingWeightsError, WeightsError, ModelError
        See `facebench.models.hub.load_network`.
    """
    config = text_part(of_kind(load_config(source, owner), _KINDS, source, owner))
    tokenizer = load_from_hub(
        lambda: _tokenizers.from_pretrained(source, trust_remote_code=False),
        source,
        owner,
        "tokenizer",
    )
    network = load_network(CLIPTextModelWithProjection, source, owner, config=config)
    return network.eval(), tokenizer


def state_digest(network: nn.Module) -> str:
    """Give a SHA-256 of all weights."""
    total = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        total.update(f"{name} {list(tensor.shape)} {tensor.dtype};".encode())
        total.update(
            tensor.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes()
        )
    return total.hexdigest()
