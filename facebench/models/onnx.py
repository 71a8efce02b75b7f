"""Networks in ONNX, run by onnxruntime."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from typing_extensions import override

from facebench.errors import InputError, LayerOutputError, ModelError, UnknownNameError
from facebench.models.layer_globs import ALL, BLOCKS, is_pattern, matching
from facebench.models.network_input import NetworkInput, network_input
from facebench.models.onnx_engine import CUDA, OnnxEngine
from facebench.models.onnx_graph import OnnxGraph, OnnxValue, read_onnx
from facebench.models.tapped import TappedModel, TappedNetwork, fitting_size, images_at_once
from facebench.utils.extras import import_extra

__all__ = ["OnnxModel"]

_log = logging.getLogger(__name__)
_LAYOUTS = ("nchw", "nhwc")
_SCALE = ("mean", "std", "max_value")
# What graphs begin with that may normalise the image themselves.
_ARITHMETIC = {"Sub", "Mul", "Div", "Add", "BatchNormalization", "Cast"}
_GUESSED_ARCFACE = "guessed: as insightface does for most networks"


@dataclass(frozen=True)
class _Known:
    """A published file: what it is, and what it expects."""

    title: str
    input: NetworkInput
    template: str = "arcface112"


_RAW = NetworkInput((112, 112), (0.0,) * 3, (1.0,) * 3, "rgb", 255.0)
_ARCFACE = NetworkInput((112, 112), (127.5,) * 3, (127.5,) * 3, "rgb", 255.0)
_KNOWN = {
    "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79": _Known("SFace", _RAW),
    "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee": _Known("SFace, int8", _RAW),
    "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43": _Known(
        "insightface buffalo_l, w600k_r50", _ARCFACE
    ),
    "9cc6e4a75f0e2bf0b1aed94578f144d15175f357bdc05e815e5c4a02b319eb4f": _Known(
        "insightface buffalo_s, w600k_mbf", _ARCFACE
    ),
    "4ab1d6435d639628a6f3e5008dd4f929edf4c4124b1a7169e1048f9fef534cdf": _Known(
        "insightface antelopev2, glintr100", _ARCFACE
    ),
}


class OnnxModel(TappedModel):
    """A network in an ONNX file, run by onnxruntime.

    Quantised networks run as they are. A network made for one image at a time gets one at a time.

    Parameters
    ----------
    name : str
        Display name.
    weights : str or Path
        An ``.onnx`` file; or a folder or zip archive of several, such as insightface's
        ``buffalo_l.zip``, of which the one that recognises faces is taken.
    extract_layers : str or list of str, optional
        Values within the graph, by their own name or that of the node that makes them
        ('/layer1/Conv_output_0', '/layer1/Conv'), or by pattern; 'all' is every value that depends
        on the image and is not an integer.
    input : mapping, optional
        What the network expects: ``size``, ``mean``, ``std``, ``channels``, ``max_value``,
        ``resize``, ``interpolation`` (see `facebench.models.network_input`) and ``layout``, 'nchw'
        or 'nhwc'. What is not given is known of published files and read from the graph; mean and
        standard deviation are otherwise guessed as insightface does, which is told: none for graphs
        with a subtraction and a multiplication among their first nodes, else 127.5 and 127.5.
    preprocess_function, device
        See `BaseModel`. A GPU is used where onnxruntime has its CUDA provider.

    Attributes
    ----------
    input : NetworkInput
        What the network gets.
    template : str or None
        How its faces are aligned, where that is known.
    facts : dict of str to str
        Its file, input, precision and engine, as the run records them.

    Raises
    ------
    ModelError
        If onnx or onnxruntime is not installed or cannot run the network, or the network does not
        take one image.
    WeightsError
        If the file is missing, damaged or something else.
    InputError
        If `input` contradicts the graph, or the graph leaves open what `input` does not say.
    """

    outputs_version = "onnx-1"
    citations = ("onnxruntime",)
    built_from = ("weights", "input_settings", "_asked")
    template: str | None = None

    @override
    def _device_for(self, name: str, device: str | torch.device | None) -> str | torch.device:
        """Choose the CPU where onnxruntime has nothing else."""
        ort = import_extra("onnxruntime", "onnx", "A network in ONNX")
        if CUDA in ort.get_available_providers():
            return device or ("cuda" if torch.cuda.is_available() else "cpu")
        if device is not None and torch.device(device).type != "cpu":
            _log.warning(
                "Model %r runs on the CPU: this onnxruntime cannot use %s. For NVIDIA GPUs install "
                "onnxruntime-gpu in its place.",
                name,
                device,
            )
        return "cpu"

    @override
    def _build_model(self) -> None:
        graph = read_onnx(Path(self.weights))
        known = _KNOWN.get(graph.digest)
        self.input, layout, origin = _input_of(graph, self.input_settings, known)
        self.template = known.template if known else None
        names = _named(graph.values, self._asked or ())
        engine = OnnxEngine(
            graph, {names[v]: v.name for v in graph.values}, channels_last=layout == "nhwc"
        )
        engine.to(self.device)
        reads_layers = bool(self._asked)
        _choose_output(engine, self.input, reads_layers=reads_layers)
        at_once = images_at_once(
            lambda batch: engine.run(batch)[0],
            self.input,
            graph.source,
            graph.input_shape[0],
            reads_output=not reads_layers,
        )
        self.model = TappedNetwork(
            engine, {names[value]: value.kind for value in graph.values}, at_once
        )
        self.facts = {
            "file": str(self.weights),
            "sha256": graph.digest,
            "known as": known.title if known else "",
            "input": f"{self.input}, {layout.upper()}",
            "input from": origin,
            "precision": graph.precision,
            "output": engine.output if len(graph.outputs) > 1 else "",
            "images at once": "any number" if at_once is None else str(at_once),
            "engine": engine.description,
        }
        self.facts = {key: value for key, value in self.facts.items() if value}
        if graph.dropped:
            _log.info(
                "Model %r: %d inputs of its graph that no node uses are left out.",
                self.name,
                len(graph.dropped),
            )
        if self.preprocess_function is None:
            self._tell_input(graph, origin)

    def _tell_input(self, graph: OnnxGraph, origin: str) -> None:
        if not origin.startswith("guessed"):
            _log.info("Model %r takes %s (%s).", self.name, self.input, origin)
            return
        begins = graph.beginning()
        own = [kind for kind in begins[:2] if kind in _ARITHMETIC]
        odd = origin == _GUESSED_ARCFACE and bool(own)
        _log.warning(
            "Model %r: its file does not say which values it expects. It gets %s (%s)%s. Give "
            "'input' if that is wrong.",
            self.name,
            self.input,
            origin,
            f"; but it begins with {' and '.join(own)}, and may do part of that itself" * odd,
        )


def _input_of(
    graph: OnnxGraph, settings: Mapping[str, Any] | NetworkInput | None, known: _Known | None
) -> tuple[NetworkInput, str, str]:
    """Find what a network expects, its layout, and where that is known from."""
    given: Any = settings
    layout = None
    if isinstance(settings, NetworkInput):
        given = vars(settings)
    elif isinstance(settings, Mapping):
        given = {key: value for key, value in settings.items() if key != "layout"}
        layout = settings.get("layout")
    elif settings is not None:
        network_input(settings)
    if layout not in (None, *_LAYOUTS):
        msg = f"The 'layout' in the 'input' of a network must be 'nchw' or 'nhwc'. Got {layout!r}."
        raise InputError(msg)
    shape = graph.input_shape
    layout = layout or ("nhwc" if shape[3] in (1, 3) and shape[1] not in (1, 3) else "nchw")
    n_channels, sides = (shape[1], shape[2:]) if layout == "nchw" else (shape[3], shape[1:3])
    is_grey = isinstance(given, Mapping) and given.get("channels") == "grey"
    if n_channels not in (None, 1 if is_grey else 3):
        msg = (
            f"The network {graph.source} takes images [{', '.join(map(str, shape))}], of "
            f"{n_channels} channels in the layout {layout.upper()}. It must take colour images, of "
            "3, or, with 'input: {channels: grey}', of 1. If the layout is the other one, say so: "
            "'input: {layout: …}'."
        )
        raise ModelError(msg)
    base, origin = (known.input, f"known: {known.title}") if known else _guessed(graph)
    if given and not set(_SCALE).isdisjoint(given):
        # Who gives one of these means it of the range that NetworkInput says, not of the guess.
        base, origin = NetworkInput(base.size, channels=base.channels), "given"
    height, width = sides
    if None in (height, width) and "size" not in (given or {}) and known is None:
        msg = (
            f"The network {graph.source} takes images of any size. Say which it was trained on: "
            "'input: {size: 112}'."
        )
        raise InputError(msg)
    base = replace(base, size=(height or base.size[0], width or base.size[1]))
    read = network_input(given or {}, base)
    _refuse_cut(graph, read)
    if given and "size" in given:
        fitting_size(read, graph.source, (height, width))
    return read, layout, origin


def _refuse_cut(graph: OnnxGraph, read: NetworkInput) -> None:
    """Refuse values that are no bytes for a network that takes bytes: they would be cut to some."""
    black = {(0 - mean) / std for mean, std in zip(read.mean, read.std, strict=True)}
    white = {(read.max_value - m) / std for m, std in zip(read.mean, read.std, strict=True)}
    if graph.input_type == "uint8" and (black, white) != ({0.0}, {255.0}):
        msg = (
            f"The network {graph.source} takes bytes, 0 to 255, and normalises them itself. The "
            f"mean, std and max_value in its 'input' make values from {min(black):g} to "
            f"{max(white):g} of them. Leave them out."
        )
        raise InputError(msg)


def _guessed(graph: OnnxGraph) -> tuple[NetworkInput, str]:
    """Guess mean and standard deviation as insightface does."""
    if graph.input_type == "uint8":
        return _RAW, "guessed: it takes bytes"
    if {"Sub", "Mul"} <= set(graph.beginning()):
        return _RAW, "guessed: it begins with a subtraction and a multiplication"
    return _ARCFACE, _GUESSED_ARCFACE


def _named(values: Sequence[OnnxValue], asked: Iterable[str]) -> dict[OnnxValue, str]:
    """Name values as they are asked for: by their own name, or by that of their node."""
    own = [value.name for value in values]
    nodes = list(dict.fromkeys(value.node for value in values if value.node))
    named = {value: value.name for value in values}
    for layer in asked:
        if layer in (*own, ALL, BLOCKS) or (is_pattern(layer) and matching(layer, own)):
            continue
        for node in [layer] if layer in nodes else matching(layer, nodes):
            made = [value for value in values if value.node == node]
            if len(made) > 1:
                msg = (
                    f"The node {node!r} of the network gives several values. Name the one to read: "
                    f"{', '.join(value.name for value in made)}."
                )
                raise UnknownNameError(msg)
            named[made[0]] = node
    return named


def _choose_output(engine: OnnxEngine, expected: NetworkInput, *, reads_layers: bool) -> None:
    """Of several outputs, find the one that is an embedding."""
    outputs = engine.graph.outputs
    if len(outputs) == 1:
        return
    batch = torch.zeros(engine.graph.input_shape[0] or 1, len(expected.mean), *expected.size)
    shapes = {name: list(value.shape) for name, value in engine.outputs(batch).items()}
    vectors = [name for name, shape in shapes.items() if len(shape) == 2 and shape[1] > 1]
    if len(vectors) == 1:
        engine.output = vectors[0]
    elif not reads_layers:
        shown = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        msg = (
            f"The network {engine.graph.source} has {len(outputs)} outputs, and no single one of "
            f"them is an embedding: {shown}. Choose with 'layers' which to read, or give another "
            "file."
        )
        raise LayerOutputError(msg)
