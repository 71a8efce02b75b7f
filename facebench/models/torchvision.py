"""The classification networks of torchvision."""

from __future__ import annotations

import hashlib
import io
import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stderr
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeVar, cast

import torch
from PIL import Image
from torch import nn
from torchvision import models
from typing_extensions import override

from facebench.errors import (
    FacebenchError,
    InputError,
    MissingWeightsError,
    ModelError,
    UnknownNameError,
    WeightsError,
)
from facebench.models.base import BaseModel
from facebench.models.checkpoints import StateDict, count_identities
from facebench.models.classifier import entering, last_layer
from facebench.models.network_input import NetworkInput, network_input
from facebench.types import StrPath
from facebench.utils.progress import without_bars
from facebench.utils.suggestions import did_you_mean, first_line, nearest

__all__ = ["TorchvisionModel", "downloaded_network"]

_log = logging.getLogger(__name__)
T = TypeVar("T")
# The file of published weights has the beginning of its SHA-256 in its name.
_PUBLISHED = re.compile(r"-([0-9a-f]{8,64})\.")
# DenseNet's files are older than its present keys; torchvision renames them so.
_OLD_DENSE_KEY = re.compile(
    r"^(.*denselayer\d+\.(?:norm|relu|conv))\."
    r"((?:[12])\.(?:weight|bias|running_mean|running_var))$"
)
_OWN_OPTIONS = ("weights", "progress", "num_classes")


class TorchvisionModel(BaseModel):
    """Any classification network of torchvision: published weights, a checkpoint, or random.

    Without `extract_layers` it gives the features that enter the classifier.

    Parameters
    ----------
    name : str
        Display name.
    architecture : str
        torchvision's name, such as 'resnet50', 'convnext_tiny' or 'vit_b_16'.
    weights : str or Path, optional
        Published weights by name ('IMAGENET1K_V1', 'IMAGENET1K_V2', 'DEFAULT'), or the path of a
        checkpoint with any number of classes, or none. None takes the first that torchvision
        published for this network.
    extract_layers, preprocess_function, device
        See `BaseModel`.
    pretrained : bool, default True
        False makes a random network, the untrained control of perception studies; `weights`, if
        they are given by name, then only tell the preprocessing.
    seed : int, default 0
        Seed of the random network.
    input : mapping or NetworkInput, optional
        What the network expects of images, see `facebench.models.network_input.NetworkInput`; keys
        that are not given are those of the published weights. None uses torchvision's own transform
        of the published weights: of those given, of those that the file is a copy of, else of the
        first.
    options : mapping, optional
        Further arguments of torchvision's builder, such as ``{image_size: 112}`` of 'vit_b_16'.

    Attributes
    ----------
    input : NetworkInput
        What the network expects of images.

    Raises
    ------
    UnknownNameError
        If torchvision has no such network; the message names the closest.
    InputError
        If the network has no such weights, or takes no such option.
    MissingWeightsError
        If published weights are neither cached nor within reach.

    Examples
    --------
    >>> model = TorchvisionModel("untrained", "resnet18", pretrained=False, extract_layers="blocks")
    >>> print(model.input)
    RGB, 224 × 224, 0–1, mean 0.485, 0.456, 0.406, SD 0.229, 0.224, 0.225
    """

    outputs_version = "torchvision-1"
    citations = ("torchvision2016",)
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
        options: Mapping[str, Any] | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        self.architecture = _known_architecture(architecture)
        published, file = _chosen(self.architecture, weights)
        self.pretrained = pretrained
        # No seed changes a trained network: what is kept of it is found with any seed.
        self.seed = 0 if pretrained or file is not None else seed
        self.options = dict(options or {})
        for option in _OWN_OPTIONS:
            if option in self.options:
                msg = f"The 'options' of TorchvisionModel cannot hold {option!r}."
                raise InputError(msg)
        self._weights = published
        self._transform: Any = published.transforms()
        self.input = _described(self._transform)
        if input is not None:
            self.input = self._transform = network_input(input, self.input)
        super().__init__(name, file, extract_layers, preprocess_function, device=device)

    @override
    def _count_identities(self, weights: StateDict) -> int | None:
        # Of the classifier, whose name is known once the network is built.
        return None

    @override
    def _build_model(self) -> None:
        options = _as_published(self.architecture, self._weights) | self.options

        def build(**weights: Any) -> nn.Module:
            network: nn.Module = models.get_model(self.architecture, **options, **weights)
            return network

        try:
            if self.pretrained and self.weights_path is None:
                network = downloaded_network(build, self._weights, self.architecture, "weights")
            else:
                with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
                    # Of the time that some initialisations take.
                    warnings.simplefilter("ignore")
                    torch.manual_seed(self.seed)
                    network = build(weights=None)
        except FacebenchError:
            raise
        except (TypeError, ValueError) as error:
            msg = f"torchvision does not build {self.architecture} with {options}: {error}."
            raise InputError(msg) from error
        self.model = network
        self.classifier = last_layer(network)

    @override
    def _load_weights(self, weights: StateDict) -> None:
        """Load a checkpoint of any number of classes, or of none."""
        if self.architecture.startswith("densenet"):
            for key in [key for key in weights if _OLD_DENSE_KEY.match(key)]:
                weights[_OLD_DENSE_KEY.sub(r"\1\2", key)] = weights.pop(key)
        layer = last_layer(self.model)
        self.num_identities = count_identities(weights, layer)
        where, _, name = layer.rpartition(".")
        fitted = _of_classes(self.model.get_submodule(layer), self.num_identities)
        setattr(self.model.get_submodule(where), name, fitted)
        try:
            super()._load_weights(weights)
        except WeightsError as error:
            msg = f"{error}{_owner_of(self.weights_path)}"
            raise WeightsError(msg) from error

    @override
    def _default_preprocess(self, image: Image.Image) -> torch.Tensor:
        tensor: torch.Tensor = self._transform(image)
        return tensor

    @override
    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        classifier = self.model.get_submodule(self.classifier or "")
        return entering(self.model, classifier, input_tensor)


def downloaded_network(build: Callable[..., T], weights: Any, what: str, parameter: str) -> T:
    """Build a network with published weights, from torch's own cache or torchvision's site.

    Parameters
    ----------
    build : callable
        Takes ``weights`` and ``progress``.
    weights : WeightsEnum
        Which.
    what : str
        What the network is called, for messages.
    parameter : str
        The parameter that takes a file, for messages.

    Returns
    -------
    nn.Module

    Raises
    ------
    MissingWeightsError
        If they are neither cached nor within reach.
    """
    file_name = Path(weights.url).name
    cached = Path(torch.hub.get_dir()) / "checkpoints" / file_name
    if not cached.exists():
        _log.info("Downloading the weights %s of %s to %s.", weights.name, what, cached)
    on_terminal = sys.stderr.isatty()
    try:
        # torch.hub writes to standard error past all logging.
        with without_bars() if on_terminal else redirect_stderr(io.StringIO()):
            return build(weights=weights, progress=on_terminal)
    except (OSError, RuntimeError, UnpicklingError, EOFError) as error:
        reason = first_line(error)
        msg = (
            f"The pretrained {what} weights {file_name} are not in {cached.parent}, or damaged, "
            f"and cannot be downloaded ({reason}). Put the file there, give {parameter} a "
            "checkpoint of your own, or use pretrained=False for an untrained network."
        )
        raise MissingWeightsError(msg) from error


def _known_architecture(architecture: str) -> str:
    known = models.list_models(module=models)
    name = str(architecture).lower()
    if name not in known and name in models.list_models():
        kind = models.get_model_builder(name).__module__.removeprefix("torchvision.models.")
        msg = (
            f"torchvision's {architecture!r} is none of its classification networks, but of "
            f"torchvision.models.{kind.partition('.')[0]}. A quantised network can be used as a "
            f"file (model: torchscript or onnx). {nearest(name, known)}"
        )
        raise UnknownNameError(msg)
    if name not in known:
        msg = (
            f"torchvision has no classification network {architecture!r}. "
            f"{nearest(name, known)} There are {len(known)} (torchvision.models.list_models())."
        )
        raise UnknownNameError(msg)
    return name


def _chosen(architecture: str, weights: Any) -> tuple[Any, StrPath | None]:
    """Tell published weights from a file; of a file, give the weights it is prepared as."""
    every = models.get_model_weights(architecture)
    published = cast(Mapping[str, Any], every.__members__)
    first = next(iter(published.values()))
    if weights is None or isinstance(weights, every):
        return first if weights is None else weights, None
    if isinstance(weights, models.WeightsEnum):
        msg = f"The weights {weights} are not those of {architecture}: {', '.join(published)}."
        raise InputError(msg)
    # A configuration gives names as paths in its own folder.
    path = Path(weights)
    name = path.name.rpartition(".")[2]
    if not path.exists() and name in published:
        return published[name], None
    if not path.exists() and (not path.suffix or "_Weights." in path.name):
        msg = (
            f"The weights of {architecture} must be a file, or one of {', '.join(published)}. "
            f"Got {path.name!r}, and there is no file {path}.{did_you_mean(path.name, published)}"
        )
        raise MissingWeightsError(msg)
    own = _copied(path, list(published.values())) if path.is_file() else first
    if own is None:
        own = first
        _log.info(
            "%s is not one of the files that torchvision published for %s: images are prepared as "
            "for %s, unless 'input' says otherwise.",
            path, architecture, first.name,
        )  # fmt: skip
    return own, weights


def _copied(path: Path, published: Iterable[Any]) -> Any | None:
    """Find the published weights that a file is a copy of."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    for weights in published:
        found = _PUBLISHED.search(Path(weights.url).name)
        if found and digest.startswith(found[1]):
            return weights
    return None


def _owner_of(file: StrPath | None) -> str:
    """Say of which network torchvision published a file; '' of other files."""
    owners = {
        weights: architecture
        for architecture in models.list_models(module=models)
        for weights in models.get_model_weights(architecture)
    }
    own = _copied(Path(file or ""), owners)
    return "" if own is None else f" The file holds the weights {own.name} of {owners[own]!r}."


def _as_published(architecture: str, weights: Any) -> dict[str, Any]:
    """Give the options with which torchvision builds a network for published weights."""
    if architecture.startswith("vit_"):
        return {"image_size": weights.meta["min_size"][0]}
    if architecture in ("googlenet", "inception_v3"):
        return {"transform_input": True}
    return {}


def _described(transform: Any) -> NetworkInput:
    side, shorter = transform.crop_size[0], transform.resize_size[0]
    return NetworkInput(
        (side, side),
        tuple(transform.mean),
        tuple(transform.std),
        resize=shorter,
        interpolation=transform.interpolation.value,
    )


def _of_classes(layer: nn.Module, n_classes: int | None) -> nn.Module:
    """Make a classifier for another number of classes; None: for features alone."""
    if n_classes is None:
        return nn.Identity()
    if isinstance(layer, nn.Linear):
        return nn.Linear(layer.in_features, n_classes, bias=layer.bias is not None)
    if isinstance(layer, nn.Conv2d):
        return nn.Conv2d(layer.in_channels, n_classes, cast(Any, layer.kernel_size))
    msg = f"A classifier of the kind {type(layer).__name__} cannot be made for other classes."
    raise ModelError(msg)
