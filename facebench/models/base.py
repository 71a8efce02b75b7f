"""The contract of a model: how its network is built, fed and read."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from PIL import Image
from torch import nn
from torch.nn.parameter import is_lazy
from typing_extensions import override

from facebench.columns import DEFAULT_LAYER
from facebench.data.images import open_image
from facebench.errors import InputError, LayerOutputError, ModelError
from facebench.models.alignable import Alignable
from facebench.models.checkpoints import StateDict, count_identities, load_into, read_checkpoint
from facebench.models.layer_search import by_pattern, find_layers, leaf_layers
from facebench.models.layers import LayerRecorder, batch_output, flat_copy
from facebench.models.network_input import NetworkInput
from facebench.models.trials import own_batch, set_eval, settle_layers, try_another_number
from facebench.types import StrPath
from facebench.utils.importing import import_lasting

__all__ = ["BaseModel"]

_log = logging.getLogger(__name__)
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


# What `_default_preprocess` of this class does.
_USUAL_INPUT = NetworkInput((224, 224), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class BaseModel(Alignable, ABC):
    """One network, or several layers of it, that turns face images into vectors.

    To add a model, write a subclass with two methods:

    - ``_build_model()`` sets ``self.model`` to an ``nn.Module``. ``self.num_identities`` is known
      (from the checkpoint, or None), ``self.device`` too; weights are loaded afterwards.
    - ``_forward(input_tensor)`` runs a batch [N, 3, H, W] and returns a tensor [N, …] (or a tuple,
      dict or ModelOutput, whose first tensor is taken).

    Optionally ``preprocess_image(image_path)``, which then does all of the preprocessing.

    Parameters
    ----------
    name : str
        Display name, unique in a run.
    weights_path : str or Path, optional
        Checkpoint to load: a state dict, one under 'state_dict' or the like, a network saved as a
        whole, or safetensors; keys may share a prefix such as 'module.'. No code in the file
        is run.
    extract_layers : str or list of str, optional
        Layers to read, named as in ``named_modules()`` ('avgpool', 'classifier.5') or by pattern
        ('features.*', 'blocks.*.mlp'); the end of a name is enough if it is unambiguous
        ('layer.*' for 'encoder.layer.0' …). 'all' is every leaf layer, 'blocks' the modules that a
        network repeats: a transformer's layers, a ResNet's residual blocks, the pooling of VGG.
        Layers that match a pattern but are not reached, or return no batch, are left out with a
        message. None reads what ``_forward`` returns, as 'default'.
    preprocess_function : callable, optional
        From a PIL image (RGB, upright) to a tensor [3, H, W]; replaces the default, which is
        ``Resize((224, 224))``, ``ToTensor`` and the ImageNet normalisation.
    device : str or torch.device, optional
        Where to run. None chooses the first available of cuda, mps and cpu.

    Attributes
    ----------
    model : nn.Module
        The network, in eval mode.
    device : torch.device
        Where it is.
    num_identities : int or None
        Number of classes that the checkpoint was trained on: the outputs of its classifier, which
        is the layer named by the class attribute `classifier`, else the checkpoint's last layer, or
        the last one called 'fc', 'head' or similar. None for a backbone without a classifier.
    extract_layers : list of str
        The layers read, in network order; empty for 'default' only.
    left_out_layers : dict of str to str
        Layers that match a pattern and cannot be read: 'not reached' or 'no batch'.
    control : str or None
        The common name of untrained copies of one network; None for other models.
    template : str or None
        Alignment template of the network's training images; see ``set_alignment``.
    citations : sequence of str
        What to cite for the network: entries in BibTeX, or keys of facebench's own references.
        Those of the classes it is derived from are cited too.

    Raises
    ------
    ModelError
        If ``_build_model`` does not set an nn.Module.
    WeightsError
        If the checkpoint is missing, unsafe or does not fit.
    UnknownNameError
        If the network has no such layer; the message names the closest.
    """

    model: nn.Module
    # Of facebench's own classes: stands for their code in the keys of stored embeddings.
    outputs_version = "base-model-1"
    # Memory layout of network and input that is the faster one; the engine may measure another.
    memory_format: torch.memory_format = torch.contiguous_format
    control: str | None = None
    # The layer that gives a score per identity, as in named_modules(), where a class knows it.
    classifier: str | None = None
    # Height and width that the network is made for; a run warns of others. None: any.
    input_size: tuple[int, int] | None = None
    facts: Mapping[str, str] = MappingProxyType({})  # said in the manifest: title → text
    citations: Sequence[str] = ()

    def __init__(
        self,
        name: str,
        weights_path: StrPath | None = None,
        extract_layers: str | Iterable[str] | None = None,
        preprocess_function: Callable[[Image.Image], torch.Tensor] | None = None,
        *,
        device: str | torch.device | None = None,
    ) -> None:
        if not isinstance(name, str) or not name.strip():
            msg = f"The 'name' of a {type(self).__name__} must be a text. Got {name!r} instead."
            raise InputError(msg)
        self.name = name
        self.weights_path = weights_path
        self.device = _usable_device(device) if device is not None else _best_device()
        self.set_preprocess_function(preprocess_function)
        self._image_notes: list[str] = []
        weights = self._read_weights(weights_path) if weights_path is not None else None
        self.num_identities = self._count_identities(weights) if weights is not None else None
        self._build_model()
        if not isinstance(getattr(self, "model", None), nn.Module):
            got = type(getattr(self, "model", None)).__name__
            msg = (
                f"_build_model of {type(self).__name__} must set self.model to a torch.nn.Module. "
                f"Got {got} instead."
            )
            raise ModelError(msg)
        if weights is not None:
            self._load_weights(weights)
        lazy = [key for key, weight in self.model.named_parameters() if is_lazy(weight)]
        if lazy:
            msg = (
                f"The network of {type(self).__name__} has layers that get their shape from a "
                "first batch or a checkpoint "
                f"({', '.join(lazy[:5])}). Give weights_path, or run a batch "
                "through it in _build_model."
            )
            raise ModelError(msg)
        self._settle()
        asked = _as_names(extract_layers)
        self._recorder = LayerRecorder(
            self.model, find_layers(self.model, asked), name, by_pattern(self.model, asked)
        )

    @override
    @classmethod
    def _overridden(cls, *methods: str) -> list[str]:
        return [name for name in methods if getattr(cls, name) is not getattr(BaseModel, name)]

    @property
    def extract_layers(self) -> list[str]:
        """The layers read, in network order; empty for 'default' only."""
        if not self._recorder.is_settled:
            try:
                settle_layers(self, own_batch(self))
            except LayerOutputError:
                raise
            except Exception as error:
                # An input of ours need not suit the model; its first batch of images will tell.
                _log.debug("Model %r cannot be tried on a made image: %s", self.name, error)
        return list(self._recorder.layers)

    @property
    def left_out_layers(self) -> dict[str, str]:
        """The layers that patterns stand for and that cannot be read, each with the reason."""
        return dict(self._recorder.left_out) if self.extract_layers else {}

    @override
    def __repr__(self) -> str:
        layers = ", ".join(self._recorder.layers) or DEFAULT_LAYER
        return f"{type(self).__name__}({self.name!r}, layers: {layers}, on {self.device})"

    def describe_input(self) -> str:
        """Say how images are prepared, for the record of a run.

        Returns
        -------
        str
            What follows "images", such as "resized to 224 × 224 pixels (bilinear); RGB, 0–1, mean
            0.5, SD 0.5" or "prepared by the function my_crop".
        """
        own = self.preprocess_function
        if own is not None:
            return (
                f"prepared by the function {getattr(own, '__qualname__', type(own).__qualname__)}"
            )
        cls = type(self)
        for method in ("preprocess_image", "preprocess", "_default_preprocess"):
            owner = next(base for base in cls.__mro__ if method in vars(base))
            if not owner.__module__.startswith("facebench."):
                return f"prepared by the method {owner.__qualname__}.{method}"
        return self._describe_own_input()

    def _describe_own_input(self) -> str:
        known = getattr(self, "input", None)
        return (known if isinstance(known, NetworkInput) else _USUAL_INPUT).described()

    def describe_weights(self) -> str:
        """Say where the weights are from, for the record of a run.

        Returns
        -------
        str
            Such as "weights from net.pth", "published weights" or "untrained, seed 0".
        """
        if self.weights_path is not None:
            return f"weights from {Path(self.weights_path).name}"
        trained = getattr(self, "pretrained", None)
        if trained is False or self.control is not None:
            seed = getattr(self, "seed", None)
            return "untrained" if seed is None else f"untrained, seed {seed}"
        return self._describe_published() if trained else ""

    def _describe_published(self) -> str:
        return "published weights"

    @abstractmethod
    def _build_model(self) -> None:
        """Set ``self.model`` to the network."""

    @abstractmethod
    def _forward(self, input_tensor: torch.Tensor) -> Any:
        """Run a batch [N, 3, H, W] through ``self.model``."""

    def _read_weights(self, weights_path: StrPath) -> StateDict:
        """Read a checkpoint; a family that knows its layout better may override."""
        return read_checkpoint(weights_path)

    def _count_identities(self, weights: StateDict) -> int | None:
        """Count the classes of a checkpoint."""
        return count_identities(weights, self.classifier)

    def _load_weights(self, weights: StateDict) -> None:
        """Fill the network with a checkpoint; a family that knows other layouts may override."""
        load_into(self.model, weights, self.weights_path or "")

    def _settle(self) -> None:
        set_eval(self.model.to(self.device))
        # One by one: a TorchScript network as a whole cannot.
        for weight in self.model.parameters():
            weight.requires_grad_(False)
        if self.memory_format is not torch.contiguous_format:
            self.use_memory_format(self.memory_format)

    def use_memory_format(self, memory_format: torch.memory_format) -> None:
        """Lay out the network's weights, and from now on its inputs, in another order.

        Results stay the same to rounding; speed may differ.

        Parameters
        ----------
        memory_format : torch.memory_format
            ``torch.channels_last`` or ``torch.contiguous_format``.
        """
        self.memory_format = memory_format
        self.model.to(memory_format=memory_format)

    def _placed(self, batch: torch.Tensor) -> torch.Tensor:
        """Bring a batch to the device, in the memory layout in use."""
        batch = batch.to(self.device, non_blocking=True)
        return batch.contiguous(memory_format=self.memory_format) if batch.ndim == 4 else batch

    def to(self, device: str | torch.device) -> BaseModel:
        """Move the network.

        Parameters
        ----------
        device : str or torch.device
            Where to.

        Returns
        -------
        BaseModel
            Itself.
        """
        self.device = _usable_device(device)
        self._settle()
        return self

    def set_preprocess_function(
        self, preprocess_function: Callable[[Image.Image], torch.Tensor] | None
    ) -> None:
        """Replace the preprocessing of images.

        Parameters
        ----------
        preprocess_function : callable or None
            From a PIL image (RGB, upright) to a tensor [3, H, W]; None restores the default.

        Raises
        ------
        InputError
            If it is not callable.
        """
        if preprocess_function is not None and not callable(preprocess_function):
            msg = (
                f"The 'preprocess_function' of {type(self).__name__} must be a callable from a PIL "
                f"image to a tensor. Got {preprocess_function!r} instead."
            )
            raise InputError(msg)
        self.preprocess_function = preprocess_function
        if type(self)._default_preprocess is BaseModel._default_preprocess:
            import_lasting("torchvision.transforms")
            _imagenet_transform()  # now, rather than once in each process that decodes

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        """Turn an RGB image into the network's input.

        Parameters
        ----------
        image : PIL.Image.Image
            RGB, upright.

        Returns
        -------
        Tensor, shape [3, H, W]
        """
        image = self.aligned(image)
        if self.preprocess_function is not None:
            return self.preprocess_function(image)
        return self._default_preprocess(image)

    def _default_preprocess(self, image: Image.Image) -> torch.Tensor:
        """Preprocess where no function was given; a family with its own rule overrides."""
        tensor: torch.Tensor = _imagenet_transform()(image)
        return tensor

    def preprocess_image(self, image_path: StrPath) -> torch.Tensor:
        """Read an image file and turn it into the network's input.

        A subclass may override this; then nothing else of facebench is applied to the image.

        Parameters
        ----------
        image_path : str or Path
            The image.

        Returns
        -------
        Tensor, shape [3, H, W]

        Raises
        ------
        ImageError
            If the file is missing or cannot be decoded.
        """
        with self.in_work(image_path):
            return self.preprocess(open_image(image_path))

    @override
    def note_image(self, note: str) -> None:
        self._image_notes.append(note)

    def take_image_notes(self) -> list[str]:
        """Give the remarks made since the last call."""
        notes, self._image_notes = self._image_notes, []
        return notes

    def get_output(self, input_tensor: torch.Tensor) -> dict[str, torch.Tensor]:
        """Run a batch and read the layers.

        Parameters
        ----------
        input_tensor : Tensor, shape [N, 3, H, W] or [3, H, W]
            Preprocessed images.

        Returns
        -------
        dict of str to Tensor
            Layer → float32 CPU tensor [N, D], flattened, in network order; without
            `extract_layers` the only key is 'default'.

        Raises
        ------
        LayerOutputError
            If a layer returns no batch of vectors, or is never reached.
        """
        batch = input_tensor.unsqueeze(0) if input_tensor.ndim == 3 else input_tensor
        return self._through_views(batch, self._output_of)

    def _output_of(self, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        settle_layers(self, batch)
        placed = self._placed(batch)
        n_images = placed.shape[0]
        self._recorder.start(n_images)
        # A user's _forward may have switched to train mode, or never left it.
        set_eval(self.model)
        try:
            with torch.no_grad():
                result = self._forward(placed)
            if self._recorder.layers:
                output = self._recorder.collect()
            else:
                where = f"_forward of model {self.name!r}"
                output = {DEFAULT_LAYER: flat_copy(result, where, n_images)}
        finally:
            self._recorder.stop()
        try_another_number(self, batch, output)
        return output

    def read_layers(self, batch: torch.Tensor, limit: int | None = None) -> dict[str, torch.Tensor]:
        """Run a batch and give the layers as the network left them: the engine's way in.

        Parameters
        ----------
        batch : Tensor, shape [N, 3, H, W]
            Preprocessed images.
        limit : int, optional
            Bytes that the layers may take.

        Returns
        -------
        dict of str to Tensor
            Layer → tensor [N, …] on the model's device, in network order. The next pass may use
            the memory again.

        Raises
        ------
        LayerOutputError
            See `get_output`.
        BatchTooLargeError
            If the layers take more than `limit`.
        """
        if self._overridden("get_output"):
            return self.get_output(batch)
        return self._through_views(batch, lambda view: self._layers_of(view, limit))

    def _layers_of(self, batch: torch.Tensor, limit: int | None) -> dict[str, torch.Tensor]:
        settle_layers(self, batch)
        batch = self._placed(batch)
        n_images = batch.shape[0]
        learning = self._recorder.start_raw(n_images, limit)
        set_eval(self.model)
        with torch.no_grad() if learning else torch.inference_mode():
            return self._recorded(batch)

    def _recorded(self, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """Run a placed batch for which the recorder has started."""
        try:
            result = self._forward(batch)
            if self._recorder.layers:
                return self._recorder.collect()
            where = f"_forward of model {self.name!r}"
            return {DEFAULT_LAYER: batch_output(result, where, batch.shape[0])}
        finally:
            self._recorder.stop()

    def trace_layers(self, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """Run a batch that is in place, and give the layers: for exporting the network as a graph.

        Parameters
        ----------
        batch : Tensor, shape [N, …]
            On the model's device, in its memory layout.

        Returns
        -------
        dict of str to Tensor
            See `read_layers`, which has to be called first.
        """
        self._recorder.start_raw(batch.shape[0])
        return self._recorded(batch)

    def get_layer_names(self, simplified: bool = False) -> list[str]:
        """List the layers that `extract_layers` may name, in network order.

        Parameters
        ----------
        simplified : bool, default False
            Only layers that hold no others.

        Returns
        -------
        list of str
        """
        if simplified:
            return leaf_layers(self.model)
        return [name for name, _ in self.model.named_modules() if name]


def _best_device() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def _usable_device(device: str | torch.device) -> torch.device:
    try:
        usable = torch.device(device)
        torch.empty(0, device=usable)
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        msg = (
            "The 'device' of a model must be one that torch can use here, such as 'cpu', "
            f"'cuda:0' or 'mps'. Got {device!r} instead ({str(error).splitlines()[0]})."
        )
        raise InputError(msg) from error
    return usable


def _as_names(extract_layers: str | Iterable[str] | None) -> list[str]:
    if extract_layers is None:
        return []
    if isinstance(extract_layers, str):
        return [extract_layers]
    try:
        return list(extract_layers)
    except TypeError:
        msg = (
            "The 'extract_layers' parameter must be the name of a layer or a list of names. "
            f"Got {extract_layers!r} instead."
        )
        raise InputError(msg) from None


def _imagenet_transform() -> Any:
    # Not every family uses it, and torchvision takes as long to load as torch.
    from torchvision import transforms

    return transforms.Compose(
        [
            transforms.Resize((224, 224)),
            transforms.ToTensor(),
            transforms.Normalize(_IMAGENET_MEAN, _IMAGENET_STD),
        ]
    )
