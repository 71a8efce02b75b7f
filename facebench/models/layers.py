"""Recording what named layers of a network return."""

from __future__ import annotations

import difflib
import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from facebench.columns import DEFAULT_LAYER
from facebench.errors import LayerOutputError, UnknownNameError
from facebench.models.layer_search import in_torchscript

__all__ = [
    "BatchTooLargeError",
    "LayerRecorder",
    "batch_output",
    "check_batch_axis",
    "check_width",
    "first_tensor",
    "flat_copy",
]

_log = logging.getLogger(__name__)
_SHOWN = 5
_REASONS = {
    "not reached": "The forward pass does not reach",
    "no batch": "Not one output per image",
}


def first_tensor(output: Any) -> torch.Tensor | None:
    """Find the tensor in a module's output: itself, or the first one in a tuple, list or mapping.

    transformers' ModelOutput is a mapping; its first entry is the last hidden state or the
    embedding the class is named for.
    """
    if isinstance(output, torch.Tensor):
        return output
    if isinstance(output, Mapping):
        output = list(output.values())
    if isinstance(output, Sequence) and not isinstance(output, str):
        for part in output:
            tensor = first_tensor(part)
            if tensor is not None:
                return tensor
    return None


def batch_output(output: Any, where: str, batch_size: int) -> torch.Tensor:
    """Find the tensor of an output, and check that its first axis is the images.

    Parameters
    ----------
    output : object
        What a module returned.
    where : str
        The layer, for messages.
    batch_size : int
        N.

    Returns
    -------
    Tensor, shape [N, …]
        The very memory the module returned.

    Raises
    ------
    LayerOutputError
        If there is no tensor in it, or its first axis is not the batch.
    """
    tensor = first_tensor(output)
    if tensor is None:
        msg = f"{where} returned {type(output).__name__}, in which there is no tensor."
        raise LayerOutputError(msg)
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.is_complex() or tensor.layout != torch.strided:
        what = "complex numbers" if tensor.is_complex() else "a sparse or nested tensor"
        msg = f"{where} returned {what}, of which no row of numbers per image can be made."
        raise LayerOutputError(msg)
    if batch_size == 1 and tensor.ndim == 1:
        # A squeeze() has taken the axis of the one image with it.
        tensor = tensor.unsqueeze(0)
    check_batch_axis(tensor.shape, where, batch_size)
    return tensor.detach()


def check_batch_axis(shape: torch.Size | None, where: str, batch_size: int) -> None:
    """Check that the first axis of an output is the images.

    Raises
    ------
    LayerOutputError
        If it is not.
    """
    if shape is not None and (not shape or shape[0] != batch_size):
        msg = (
            f"{where} returned a tensor of shape {list(shape)} for {batch_size} images. "
            "Its first axis must be the images; choose a layer before or after this one."
        )
        raise LayerOutputError(msg)


def check_width(widths: Mapping[int, int], where: str) -> None:
    """Check that an image gets as many numbers in any batch.

    Parameters
    ----------
    widths : mapping of int to int
        Number of images → how many numbers each of them got.
    where : str
        The layer, for messages.

    Raises
    ------
    LayerOutputError
        If it does not.
    """
    if len(set(widths.values())) > 1:
        told = " and ".join(f"{width} numbers in a batch of {n}" for n, width in widths.items())
        msg = (
            f"{where} gave an image {told}. Their number must not depend on the other images; "
            "choose a layer before or after this one."
        )
        raise LayerOutputError(msg)


def flat_copy(output: Any, where: str, batch_size: int) -> torch.Tensor:
    """Copy an output to a float32 CPU tensor of shape [N, D].

    It is a copy even on the CPU: the next module may work in place on the very memory.

    Parameters
    ----------
    output : object
        What a module returned.
    where : str
        The layer, for messages.
    batch_size : int
        N.

    Returns
    -------
    Tensor, shape [N, D]

    Raises
    ------
    LayerOutputError
        If there is no tensor in it, or its first axis is not the batch.
    """
    tensor = batch_output(output, where, batch_size)
    return tensor.reshape(batch_size, -1).to("cpu", torch.float32, copy=True)


class BatchTooLargeError(Exception):
    """The outputs of a batch take more memory than allowed; a smaller one may fit."""


class _Hook:
    """Hands a layer's output to the recorder; a class, so that it can be sent with its model."""

    def __init__(self, recorder: LayerRecorder, layer: str) -> None:
        self._recorder = recorder
        self._layer = layer

    def __call__(self, _module: nn.Module, _inputs: Any, output: Any) -> None:
        self._recorder.keep(self._layer, output)


class LayerRecorder:
    """Hooks on named layers that keep a copy of each one's own output.

    The hooks are there from `start` to `collect` or `stop` only: between batches the network is as
    it was.

    Parameters
    ----------
    network : nn.Module
        The network to watch.
    layers : sequence of str
        Names as in ``network.named_modules()``; kept in network order, each once.
    owner : str
        The model's name, for messages.
    optional : collection of str
        Those among them that `settle` may leave out.

    Attributes
    ----------
    layers : list of str
        Those read.
    left_out : dict of str to str
        Those that `settle` left out, with the reason.
    tried : set
        Shapes of input on which another number of images was tried.

    Raises
    ------
    UnknownNameError
        If a name is none of the network's, with the closest ones.
    LayerOutputError
        If a layer is inside TorchScript.
    """

    def __init__(
        self,
        network: nn.Module,
        layers: Sequence[str],
        owner: str,
        optional: Collection[str] = (),
    ) -> None:
        modules = dict(network.named_modules())
        unknown = [layer for layer in layers if layer not in modules or layer == ""]
        if unknown:
            raise UnknownNameError(_unknown_layers(unknown, list(modules), owner))
        for layer in layers:
            if in_torchscript(network, layer):
                raise LayerOutputError(_inside_torchscript(layer, owner))
        wanted = set(layers)
        self.layers = [name for name in modules if name in wanted]
        self.left_out: dict[str, str] = {}
        self.tried: set[torch.Size] = set()
        self._network = network
        self._modules = {layer: modules[layer] for layer in self.layers}
        self._optional = frozenset(optional)
        self._owner = owner
        self._outputs: dict[str, torch.Tensor] = {}
        self._batch_size = 0
        # Layers whose memory a later module is known to overwrite; None: all may be.
        self._overwritten: frozenset[str] | None = None
        self._watched: dict[str, tuple[torch.Tensor, int | None]] = {}
        self._raw = False
        self._limit: int | None = None
        self._handles: list[RemovableHandle] = []
        self._passes = 0
        self._fired: Counter[str] = Counter()
        # While layers are tried: what each gave, instead of its numbers.
        self._seen: dict[str, torch.Size | None] | None = None
        self._told = False

    @property
    def is_settled(self) -> bool:
        """Whether it is known which layers are read."""
        return not self._optional

    def settle(self, run: Callable[[int], object]) -> None:
        """Leave out the optional layers that a pass does not reach, or that give no batch.

        Parameters
        ----------
        run : callable
            Sends so many images through the network: two, then three.
        """
        found = {2: self.axes(run, 2)}
        try:
            found[3] = self.axes(run, 3)
        except Exception as error:
            _log.debug("Model %r does not run on three images: %s", self._owner, error)
        for layer in self.layers:
            if layer not in self._optional:
                continue
            if not all(layer in shapes for shapes in found.values()):
                self.left_out[layer] = "not reached"
            elif any((shapes[layer] or [0])[0] != n_images for n_images, shapes in found.items()):
                self.left_out[layer] = "no batch"
            elif len({torch.Size(shapes[layer] or ())[1:] for shapes in found.values()}) > 1:
                # As many numbers as images: similarities of all to all, say.
                self.left_out[layer] = "no batch"
        self.layers = [layer for layer in self.layers if layer not in self.left_out]
        self._optional = frozenset()
        if not self.layers:
            msg = (
                f"Of the layers that the patterns of model {self._owner!r} stand for, none can be "
                f"read: {', '.join(f'{layer} ({why})' for layer, why in self.left_out.items())}."
            )
            raise LayerOutputError(msg)
        if self.left_out:
            _log.warning("%s", self._omission())

    def _omission(self) -> str:
        reasons: dict[str, list[str]] = {}
        for layer, why in self.left_out.items():
            reasons.setdefault(why, []).append(layer)
        parts = [
            f"{_REASONS[why]}: {', '.join(layers[:_SHOWN])}"
            + (f", … and {len(layers) - _SHOWN} more" if len(layers) > _SHOWN else "")
            for why, layers in reasons.items()
        ]
        n_all = len(self.layers) + len(self.left_out)
        return (
            f"Model {self._owner!r}: {len(self.left_out)} of {n_all} layers that patterns stand "
            f"for are left out. {'; '.join(parts)}."
        )

    def axes(self, run: Callable[[int], object], n_images: int) -> dict[str, torch.Size | None]:
        """Run some images, and give the shape of what each layer returned (None: no tensor)."""
        self._seen = {}
        self.start(n_images)
        try:
            run(n_images)
            return self._seen
        finally:
            self.stop()
            self._seen = None

    def keep(self, layer: str, output: Any) -> None:
        """Take a layer's output: what its hook is for."""
        if self._seen is not None:
            tensor = first_tensor(output)
            shape = None if tensor is None else tensor.shape
            # Of a module that runs several times, every output has to be of a batch.
            if layer not in self._seen or not shape or shape[0] != self._batch_size:
                self._seen[layer] = shape
            return
        self._fired[layer] += 1
        where = f"Layer {layer!r} of model {self._owner!r}"
        if self._raw:
            self._keep_raw(layer, batch_output(output, where, self._batch_size))
        else:
            self._outputs[layer] = flat_copy(output, where, self._batch_size)

    def _keep_raw(self, layer: str, tensor: torch.Tensor) -> None:
        if self._limit is not None:
            self._limit -= tensor.numel() * tensor.element_size()
            if self._limit < 0:
                raise BatchTooLargeError
        if self._overwritten is None:
            # Whether the memory is written to again, its version tells at the end of the pass.
            self._watched[layer] = (tensor, _version(tensor))
        if self._overwritten is None or layer in self._overwritten:
            tensor = tensor.clone()
        self._outputs[layer] = tensor

    def start(self, batch_size: int) -> None:
        """Forget the last batch and expect one of this many images; outputs are copied flat."""
        self.stop()
        self._outputs = {}
        self._batch_size = batch_size
        self._raw = False
        self._fired.clear()
        self._passes = 0
        self._handles = [
            self._modules[layer].register_forward_hook(_Hook(self, layer)) for layer in self.layers
        ]
        if self.layers:
            self._handles.append(self._network.register_forward_pre_hook(self._count_pass))

    def _count_pass(self, _module: nn.Module, _inputs: Any) -> None:
        self._passes += 1

    def stop(self) -> None:
        """Take the hooks off the network."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def start_raw(self, batch_size: int, limit: int | None = None) -> bool:
        """Expect a batch whose outputs are kept as they are, on their device.

        Memory that a later module works in on is copied, other is not. Which is which the first
        pass finds out, by the versions of tensors, which inference mode does not count.

        Parameters
        ----------
        batch_size : int
            How many images.
        limit : int, optional
            Bytes that the outputs may take before BatchTooLargeError ends the pass.

        Returns
        -------
        bool
            Whether the pass must run in no_grad mode, rather than in inference mode.
        """
        self.start(batch_size)
        self._raw = True
        self._limit = limit
        self._watched = {}
        return self._overwritten is None

    def collect(self) -> dict[str, torch.Tensor]:
        """Give every layer's output of the batch just run, in network order."""
        self.stop()
        silent = [layer for layer in self.layers if layer not in self._outputs]
        if silent:
            msg = (
                f"The forward pass of model {self._owner!r} never reached: {', '.join(silent)}. "
                "Choose layers that _forward runs."
            )
            raise LayerOutputError(msg)
        outputs, self._outputs = self._outputs, {}
        if self._raw and self._overwritten is None:
            self._overwritten = frozenset(
                layer
                for layer, (tensor, version) in self._watched.items()
                if version is None or _version(tensor) != version
            )
            self._watched = {}
        self._tell_passes()
        return {layer: outputs[layer] for layer in self.layers}

    def _tell_passes(self) -> None:
        """Say once that a layer gave several outputs, of which one is read."""
        several = [layer for layer in self.layers if self._fired[layer] > 1]
        if self._told or not several:
            return
        self._told = True
        if self._passes > 1 or len(several) == len(self.layers):
            _log.warning(
                "Model %r: its _forward makes %d passes over a batch. Of a layer (%s) only what "
                "the last pass gives is read; without layers, what _forward returns is read.",
                self._owner,
                max(self._fired.values()),
                _first_of(several),
            )
        else:
            _log.info(
                "Model %r: %d layers run several times in one pass (%s). What they give last is "
                "read.",
                self._owner,
                len(several),
                _first_of(several),
            )


def _first_of(layers: Sequence[str]) -> str:
    return ", ".join(layers[:_SHOWN]) + (", …" if len(layers) > _SHOWN else "")


def _inside_torchscript(layer: str, owner: str) -> str:
    return (
        f"Layer {layer!r} of model {owner!r} cannot be read: it is inside TorchScript, which calls "
        "no hooks. Read the network's output (no layers), or build the network from its Python "
        "code and load its weights."
    )


def _version(tensor: torch.Tensor) -> int | None:
    """Count how often a tensor's memory was written to; None if it is not counted."""
    return None if tensor.is_inference() else tensor._version


def _unknown_layers(layers: Sequence[object], names: list[str], owner: str) -> str:
    listed = f"get_layer_names() lists all {len(names) - 1}."
    if DEFAULT_LAYER in layers:
        listed = (
            f"{DEFAULT_LAYER!r} is the output of a model without 'layers'. To have it beside "
            f"layers, name the layer that gives it, or a second model. {listed}"
        )
    if len(layers) == 1:
        close = ", ".join(_closest(layers[0], names, 5))
        return f"Model {owner!r} has no layer {layers[0]!r}. The closest are: {close}. {listed}"
    named = [f"{layer!r} (closest: {', '.join(_closest(layer, names, 2))})" for layer in layers]
    return f"Model {owner!r} has no layers {', '.join(named)}. {listed}"


def _closest(layer: object, names: list[str], n: int) -> list[str]:
    close = difflib.get_close_matches(str(layer), names, n=n, cutoff=0.4)
    # A short name often means the end of a long one: 'mlp' for 'encoder.layer.3.mlp'.
    close += [name for name in names if name and str(layer) in name and name not in close][:n]
    return ([name for name in close if name] or [name for name in names if name])[:n]
