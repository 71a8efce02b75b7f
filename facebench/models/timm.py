"""The networks of timm (PyTorch Image Models)."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import torch
from PIL import Image
from torch import nn
from typing_extensions import override

from facebench.errors import (
    InputError,
    MissingWeightsError,
    UnknownNameError,
    WeightsError,
)
from facebench.models.base import BaseModel
from facebench.models.checkpoints import StateDict, count_identities, load_into
from facebench.models.classifier import last_layer
from facebench.models.network_input import NetworkInput, network_input
from facebench.types import StrPath
from facebench.utils.extras import import_extra
from facebench.utils.suggestions import first_line, nearest

__all__ = ["TimmModel"]

_log = logging.getLogger(__name__)
_OWN_OPTIONS = {
    *("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path"),
    *("num_classes", "in_chans", "features_only"),
}
_FOLDER = "local-dir:"
_WEIGHT_FILES = ("model.safetensors", "open_clip_model.safetensors", "pytorch_model.bin")


class TimmModel(BaseModel):
    """Any network of timm: published weights, a checkpoint, or random (extra: timm).

    Without `extract_layers` it gives the features that enter the classifier, timm's pre-logits.

    Parameters
    ----------
    name : str
        Display name.
    architecture : str
        timm's name, with the tag of the weights or without: 'convnext_tiny.fb_in22k', 'resnet50';
        also 'hf-hub:owner/name', or 'local-dir:folder' of a folder as timm saves one.
    weights : str or Path, optional
        A checkpoint with any number of classes, or none, with timm's keys or those of the original
        code, as far as timm converts them. None takes the published weights.
    extract_layers, preprocess_function, device
        See `BaseModel`.
    pretrained : bool, default True
        False makes a random network, the untrained control of perception studies.
    seed : int, default 0
        Seed of the random network.
    input : mapping or NetworkInput, optional
        What the network expects of images, see `facebench.models.network_input.NetworkInput`; keys
        that are not given are those of the published weights. None uses timm's own transform for
        the published weights. A network of fixed input size is built for the size given here.
    use_test_size : bool, default False
        Whether to use the size and crop that timm evaluates the weights with, where these differ
        from those of training.
    options : mapping, optional
        Further arguments of ``timm.create_model``, such as ``{global_pool: avg}``.

    Attributes
    ----------
    input : NetworkInput or None
        What the network expects of images; None where timm's transform is of another kind.
    licence : str or None
        Licence of the published weights, as timm states it.

    Raises
    ------
    UnknownNameError
        If timm has no such network; the message names the closest.
    InputError
        If the network takes no such option.
    MissingWeightsError
        If there are no published weights, or they are neither cached nor within reach.

    References
    ----------
    R. Wightman, "PyTorch Image Models", https://github.com/huggingface/pytorch-image-models, 2019.

    Examples
    --------
    >>> model = TimmModel("untrained", "test_resnet.r160_in1k", pretrained=False)
    >>> print(model.input)
    RGB, 160 × 160, 0–1, mean 0.5, SD 0.5
    """

    outputs_version = "timm-1"
    citations = ("wightman2019timm",)
    # Only `_build_model` reads these: the same weights in another file are the same model.
    built_from = ("pretrained", "seed", "options")

    def __init__(
        self,
        name: str,
        architecture: str,
        weights: StrPath | None = None,
        extract_layers: str | Iterable[str] | None = None,
        preprocess_function: Callable[[Image.Image], torch.Tensor] | None = None,
        *,
        pretrained: bool = True,
        seed: int = 0,
        input: Mapping[str, Any] | NetworkInput | None = None,
        use_test_size: bool = False,
        options: Mapping[str, Any] | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        timm = import_extra("timm", "timm", "TimmModel")
        self.architecture = _known_architecture(timm, str(architecture))
        self.pretrained = pretrained
        if weights is None and pretrained and self.architecture.startswith(_FOLDER):
            weights = _file_in(Path(self.architecture.removeprefix(_FOLDER)))
        # No seed changes a trained network: what is kept of it is found with any seed.
        self.seed = 0 if pretrained or weights is not None else seed
        self.options = dict(options or {})
        refused = sorted(_OWN_OPTIONS & self.options.keys())
        if refused:
            msg = f"The 'options' of TimmModel cannot hold {', '.join(map(repr, refused))}."
            raise InputError(msg)
        self.use_test_size = use_test_size
        self._asked = input
        super().__init__(name, weights, extract_layers, preprocess_function, device=device)

    @override
    def _count_identities(self, weights: StateDict) -> int | None:
        # Of the classifier, whose name is known once the network is built.
        return None

    @override
    def _build_model(self) -> None:
        timm: Any = import_module("timm")
        published = _published(timm, self.architecture)
        self.licence = published.get("license")
        self._prepare(published)
        options = dict(self.options)
        if self.input is not None and published.get("fixed_input_size"):
            options.setdefault("img_size", self.input.size)
        if self.weights_path is None and self.pretrained:
            self.model = self._downloaded(options, published)
        else:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed)
                self.model = self._created(options)

    def _prepare(self, published: Mapping[str, Any]) -> None:
        """Make the preprocessing that belongs to the published weights, or that is asked for."""
        timm_data: Any = import_module("timm.data")
        args: dict[str, Any] = {}
        if "img_size" in self.options:
            side = self.options["img_size"]
            args["input_size"] = (3, *((side, side) if isinstance(side, int) else side))
        config = timm_data.resolve_data_config(
            args, pretrained_cfg=dict(published), use_test_size=self.use_test_size
        )
        self._transform: Any = timm_data.create_transform(**config, is_training=False)
        self.input = _described(config)
        if self._asked is None:
            return
        if self.input is None and not isinstance(self._asked, NetworkInput):
            needed = {"size", "mean", "std", "resize", "interpolation"}
            absent = sorted(needed - dict(self._asked).keys())
            if absent:
                msg = (
                    f"The 'input' of {self.architecture} must hold all of "
                    f"{', '.join(sorted(needed))}: timm prepares its images in a way that they do "
                    f"not describe ({config['crop_mode']}, crop_pct {config['crop_pct']}). "
                    f"Missing: {', '.join(absent)}."
                )
                raise InputError(msg)
        self.input = self._transform = network_input(self._asked, self.input)

    def _created(self, options: Mapping[str, Any], *, pretrained: bool = False) -> nn.Module:
        import timm

        try:
            network: nn.Module = timm.create_model(
                self.architecture, pretrained=pretrained, **options
            )
        except (TypeError, AssertionError) as error:
            msg = f"timm does not build {self.architecture} with {dict(options)}: {error}."
            raise InputError(msg) from error
        return network

    def _downloaded(self, options: Mapping[str, Any], published: Mapping[str, Any]) -> nn.Module:
        local = (
            "Give weights the path of a checkpoint, or use pretrained=False for an untrained "
            "network."
        )
        if not any(published.get(key) for key in ("hf_hub_id", "url", "file", "source")):
            tags = _tagged(self.architecture)
            known = f" There are weights of {', '.join(tags)}." if tags else ""
            msg = f"timm has no published weights of {self.architecture!r}.{known} {local}"
            raise MissingWeightsError(msg)
        try:
            return self._created(options, pretrained=True)
        except (OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            reason = first_line(error)
            source = published.get("hf_hub_id") or published.get("url")
            msg = (
                f"The pretrained weights of {self.architecture} ({source}) are not in the cache "
                f"and cannot be downloaded ({reason}). {local}"
            )
            raise MissingWeightsError(msg) from error
        except RuntimeError as error:
            msg = (
                f"The pretrained weights of {self.architecture} do not fit the network with "
                f"{dict(options)}: {first_line(error)}"
            )
            raise WeightsError(msg) from error

    @override
    def _load_weights(self, weights: StateDict) -> None:
        """Load a checkpoint with timm's keys or, as timm converts them, those of other code."""
        network: Any = self.model
        names = self._classifier_names()
        problem = None
        for convert in (dict, self._converted):
            state = convert(weights)
            counts = [count_identities(state, name) for name in names]
            n_classes = next((count for count in counts if count is not None), None)
            if names and (n_classes or 0) != network.num_classes:
                network.reset_classifier(n_classes or 0)
            try:
                load_into(network, weights if convert is dict else state, self.weights_path or "")
            except WeightsError as error:
                problem = problem or error
            else:
                self.num_identities = n_classes
                return
        if problem is not None:
            raise problem

    def _converted(self, weights: StateDict) -> StateDict:
        """Rename a checkpoint of the original code as timm does for published weights."""
        module = sys.modules[type(self.model).__module__]
        convert = getattr(module, "checkpoint_filter_fn", None)
        if convert is None:
            return dict(weights)
        try:
            return dict(convert(dict(weights), self.model))
        except Exception as error:
            # It is made for its own checkpoints, and raises anything on others.
            _log.debug("timm cannot convert %s: %s", self.weights_path, error)
            return dict(weights)

    def _classifiers(self) -> list[nn.Module]:
        """Give the layers that give classes: two in a network that was distilled, or none."""
        network: Any = self.model
        if getattr(network, "num_classes", 0) == 0 or not hasattr(network, "get_classifier"):
            return []
        own = network.get_classifier()
        return list(own) if isinstance(own, tuple | list) else [own]

    def _classifier_names(self) -> list[str]:
        wanted = self._classifiers()
        return [
            f"{name}.{last_layer(module)}".removesuffix(".")
            for name, module in self.model.named_modules()
            if module in wanted
        ]

    @override
    def _default_preprocess(self, image: Image.Image) -> torch.Tensor:
        tensor: torch.Tensor = self._transform(image)
        return tensor

    @override
    def _describe_own_input(self) -> str:
        if self.input is not None:
            return super()._describe_own_input()
        return f"prepared by timm's transform for {self.architecture}"

    @override
    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        network: Any = self.model
        if not hasattr(network, "forward_head"):
            return cast(torch.Tensor, network(input_tensor))
        if any(part._forward_hooks for own in self._classifiers() for part in own.modules()):
            # Layers of the classifier are read, and nothing else reaches them.
            return cast(torch.Tensor, network(input_tensor))
        found = network.forward_head(network.forward_features(input_tensor), pre_logits=True)
        return cast(torch.Tensor, found)


def _known_architecture(timm: Any, architecture: str) -> str:
    if ":" in architecture:
        return architecture
    if "/" in architecture:
        msg = (
            f"timm has no network {architecture!r}. For a model of the hub write "
            f"'hf-hub:{architecture}', for a folder that timm has saved 'local-dir:{architecture}'."
        )
        raise UnknownNameError(msg)
    network, _, tag = architecture.partition(".")
    if not timm.is_model(network):
        msg = (
            f"timm {timm.__version__} has no network {architecture!r}. "
            f"{nearest(network, timm.list_models())} timm.list_models() names all."
        )
        raise UnknownNameError(msg)
    if tag and architecture not in (tagged := _tagged(network)):
        msg = (
            f"timm {timm.__version__} has no weights {tag!r} of {network}. "
            f"There are: {', '.join(tagged) or 'none'}."
        )
        raise UnknownNameError(msg)
    return architecture


def _tagged(network: str) -> list[str]:
    """List the published weights of a network, as architecture.tag."""
    import timm

    return [
        name
        for name in timm.list_pretrained(f"{network.partition('.')[0]}*")
        if name.partition(".")[0] == network.partition(".")[0]
    ]


def _published(timm: Any, architecture: str) -> dict[str, Any]:
    """Give what timm says of the published weights of a network, without loading them."""
    if ":" not in architecture:
        found = timm.get_pretrained_cfg(architecture)
        return dict(found.to_dict()) if found is not None else {}
    try:
        # Where the configuration is read from, only the building of a network tells.
        with torch.device("meta"):
            return dict(timm.create_model(architecture, pretrained=False).pretrained_cfg)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = first_line(error)
        msg = (
            f"timm cannot read the configuration of {architecture!r} ({reason}). Give the name of "
            "one of its architectures with weights: FILE, or 'local-dir:' and a folder that timm "
            "has saved."
        )
        raise MissingWeightsError(msg) from error


def _file_in(folder: Path) -> Path:
    for name in _WEIGHT_FILES:
        if (folder / name).is_file():
            return folder / name
    msg = (
        f"The folder {folder} holds no weights of timm ({', '.join(_WEIGHT_FILES)}). "
        "Give weights the path of a file, or use pretrained=False."
    )
    raise MissingWeightsError(msg)


def _described(config: Mapping[str, Any]) -> NetworkInput | None:
    """Describe timm's preprocessing; None where it resizes in another way."""
    _, height, width = config["input_size"]
    keeps_shape = config["crop_mode"] == "center"
    if height != width or not (keeps_shape or config["crop_pct"] == 1):
        return None
    if not keeps_shape and config["crop_mode"] != "squash":
        return None
    if config["crop_pct"] > 1:
        # The image gets a border.
        return None
    return NetworkInput(
        (height, width),
        tuple(config["mean"]),
        tuple(config["std"]),
        resize=math.floor(height / config["crop_pct"]) if keeps_shape else None,
        interpolation=config["interpolation"],
    )
