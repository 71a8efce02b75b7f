"""Tiny random networks of transformers, of many kinds, saved as ``save_pretrained`` does."""

import torch
import transformers
from transformers.utils import logging

_VIT = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
    "image_size": 32, "patch_size": 8, "initializer_range": 0.5,
}  # fmt: skip
_TEXT = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24,
    "vocab_size": 50, "max_position_embeddings": 16,
    "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1,
}  # fmt: skip
_STAGES = {"hidden_sizes": [8, 8, 12, 16], "depths": [1, 1, 2, 1]}
_SWIN = {
    "image_size": 32, "patch_size": 2, "embed_dim": 8, "depths": [1, 2], "num_heads": [1, 2],
    "window_size": 4,
}  # fmt: skip
_DUAL = {"text_config": _TEXT, "vision_config": _VIT, "projection_dim": 12}
# Kind → entries of its configuration that make it tiny.
TINY = {
    # Its class token is the query of the head that pools.
    "aimv2_vision_model": _VIT,
    "beit": {**_VIT, "use_mean_pooling": True},
    "blip": _DUAL,
    "chinese_clip": _DUAL,
    "clip": _DUAL,
    "convnext": _STAGES,
    "convnextv2": _STAGES,
    "data2vec-vision": {**_VIT, "use_mean_pooling": False},
    "deit": _VIT,
    "dinov2": {**_VIT, "mlp_ratio": 2},
    "dinov2_with_registers": {**_VIT, "mlp_ratio": 2, "num_register_tokens": 3},
    "dinov3_vit": {**_VIT, "num_register_tokens": 2},
    "resnet": {"embedding_size": 8, "layer_type": "basic", **_STAGES},
    "siglip": {"text_config": _TEXT, "vision_config": _VIT},
    "siglip2": {
        "text_config": _TEXT,
        "vision_config": {
            **{key: value for key, value in _VIT.items() if key != "image_size"},
            "num_patches": 16,
        },
    },
    "siglip_vision_model": _VIT,
    "swin": _SWIN,
    "swinv2": _SWIN,
    "vit": _VIT,
    "vit_msn": _VIT,
}


def tiny_config(kind):
    return transformers.AutoConfig.for_model(kind, **TINY[kind])


def tiny_folder(kind, folder, *, network=None):
    """Save a network and an image processor whose settings are nobody's defaults."""
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    with torch.random.fork_rng():
        torch.manual_seed(len(kind))
        network = network or transformers.AutoModel.from_config(tiny_config(kind))
    try:
        network.save_pretrained(folder)
        if kind == "siglip2":
            processor = transformers.Siglip2ImageProcessor(patch_size=8, max_num_patches=16)
        else:
            processor = transformers.ViTImageProcessor(
                size={"height": 32, "width": 32},
                image_mean=[0.4, 0.5, 0.6],
                image_std=[0.2, 0.3, 0.4],
            )
        processor.save_pretrained(folder)
    finally:
        if bars:
            logging.enable_progress_bar()
    return folder
