"""Reading an ONNX file: what its graph takes and gives, and which of its values can be read."""

from __future__ import annotations

import ast
import hashlib
import logging
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facebench.errors import InputError, MissingWeightsError, ModelError, WeightsError
from facebench.models.file_kinds import ONNX, read_network
from facebench.models.layer_search import named_blocks
from facebench.utils.extras import import_extra

__all__ = ["OnnxGraph", "OnnxValue", "read_onnx"]

_log = logging.getLogger(__name__)
_SUFFIX = ".onnx"
# NumPy's name of what a network may take as its image, by ONNX's number of the type.
_IMAGE_TYPES = {1: "float32", 2: "uint8", 10: "float16", 11: "float64"}
_FLOATS = {1, 10, 11, 16}
_EXTERNAL = 1
# As insightface tells which of the networks in a pack recognises faces.
_SMALLEST_SIDE, _SIDES_OF_16, _LANDMARKS_SIDE = 112, 16, 192
_FIRST = 8
# Nodes with weights, nodes that pool as the modules of torch, and where the exporter keeps modules.
_WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul", "ConvInteger", "MatMulInteger"}
_POOLING = {"MaxPool": "MaxPool2d", "AveragePool": "AvgPool2d"}
_KEPT_SCOPES = ("pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy")


@dataclass(frozen=True)
class OnnxValue:
    """A readable value of a graph: the output of a node that depends on the image.

    Attributes
    ----------
    name, node, kind : str
        The value's name; that of its node, and what the node does.
    """

    name: str
    node: str
    kind: str


@dataclass
class OnnxGraph:
    """A network in ONNX.

    Attributes
    ----------
    proto : onnx.ModelProto
        With its weights, and with no inputs but the image.
    digest : str
        SHA-256 of the file, and of the files it keeps its weights in.
    source : str
        Where it was read, for messages.
    input_name, input_type : str
        The image's name in the graph and its NumPy type.
    input_shape : tuple of (int or None)
        None where any number fits.
    values : list of OnnxValue
        In network order, without integers.
    dropped : list of str
        Inputs that no node uses.
    """

    proto: Any
    digest: str
    source: str
    input_name: str = ""
    input_type: str = ""
    input_shape: tuple[int | None, ...] = ()
    values: list[OnnxValue] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    @property
    def outputs(self) -> list[str]:
        """The graph's outputs, by name."""
        return [output.name for output in self.proto.graph.output]

    @property
    def precision(self) -> str:
        """What its numbers are: 'int8 (quantised)' where any are integers of 8 bits or fewer."""
        is_quantised = any(
            node.op_type.startswith("QLinear")
            or node.op_type in ("DequantizeLinear", "QuantizeLinear", "DynamicQuantizeLinear")
            or node.op_type.endswith("Integer")
            for node in self.proto.graph.node
        )
        return "int8 (quantised)" if is_quantised else self.input_type

    def blocks(self) -> list[str]:
        """List the values that the repeated modules of a network give.

        Modules are known from the names that ``torch.onnx.export`` gives nodes, or keeps beside
        them. Other programs keep none: there are no blocks then.
        """
        readable = {value.name for value in self.values}
        kinds: dict[str, str] = {}
        weights: Counter[str] = Counter()
        last: dict[str, str] = {}
        for node in self.proto.graph.node:
            scopes = _scopes(node)
            for scope, kind in scopes:
                kinds.setdefault(scope, kind)
                if node.output[0] in readable:
                    last[scope] = node.output[0]
            if scopes:
                inner = scopes[-1][0]
                weights[inner] += node.op_type.removeprefix("QLinear") in _WEIGHTED
                kinds[inner] = _POOLING.get(node.op_type, kinds[inner])
        found = named_blocks({scope: (kind, weights[scope]) for scope, kind in kinds.items()})
        return [last[scope] for scope in found if scope in last]

    def beginning(self) -> list[str]:
        """Give what the first nodes on the way of the image do."""
        seen: dict[str, str] = {}
        for value in self.values:
            seen.setdefault(value.node or value.name, value.kind)
        return list(seen.values())[:_FIRST]


def _scopes(node: Any) -> list[tuple[str, str]]:
    """Give the modules that a node is in, the outermost first, each with its kind."""
    kept = {entry.key: entry.value for entry in node.metadata_props}
    try:
        names, kinds = (ast.literal_eval(kept[key]) for key in _KEPT_SCOPES)
        # The first is the network, the last the node.
        pairs = [*zip(names, kinds, strict=True)][1:-1]
        return [(name, kind.rpartition(".")[2]) for name, kind in pairs]
    except (KeyError, ValueError, SyntaxError, TypeError):
        pass
    if not node.name.startswith("/"):
        return []
    found: list[tuple[str, str]] = []
    full = before = ""
    for part in node.name.split("/")[1:-1]:
        # 'layer1.0' in 'layer1' is its child; in something else 'layer1' is left out.
        own = part.removeprefix(f"{before}.") if before else part
        full, before = f"{full}.{own}".lstrip("."), part
        found.append((full, own.rpartition(".")[2].rstrip("0123456789")))
    return found


def read_onnx(path: Path) -> OnnxGraph:
    """Read an ONNX file, or the recognition network of a pack of them.

    Parameters
    ----------
    path : Path
        A file, or a folder or zip archive with several, as insightface's packs are.

    Raises
    ------
    MissingWeightsError
        If there is no such file.
    WeightsError
        If it is not an ONNX network, or damaged.
    ModelError
        If it does not take one image.
    """
    if path.is_dir():
        files = sorted(path.glob(f"*{_SUFFIX}"))
        if not files:
            msg = f"The folder {path} holds no {_SUFFIX} file. Give 'weights' one that does."
            raise MissingWeightsError(msg)
        return _checked(_of_pack(path, {file.name: _in_folder(file) for file in files}))
    if path.is_file() and zipfile.is_zipfile(path):
        members = _members(path)
        if members:
            return _checked(_of_pack(path, members))
    return _checked(_in_folder(path)())


def _in_folder(path: Path) -> Callable[[], OnnxGraph]:
    return lambda: _parsed(read_network(path, ONNX), str(path), path.parent)


def _members(path: Path) -> dict[str, Callable[[], OnnxGraph]]:
    def reading(name: str) -> Callable[[], OnnxGraph]:
        def read() -> OnnxGraph:
            try:
                with zipfile.ZipFile(path) as archive:
                    content = archive.read(name)
            except Exception as error:
                # zipfile raises what it meets: zlib.error, NotImplementedError, RuntimeError …
                msg = f"{name} in {path} cannot be read ({error}). Download the archive again."
                raise WeightsError(msg) from error
            return _parsed(content, f"{path}/{name}", None)

        return read

    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(name for name in archive.namelist() if name.endswith(_SUFFIX))
    except (zipfile.BadZipFile, OSError):
        return {}
    # macOS keeps what it knows of files in a folder of its own.
    return {name: reading(name) for name in names if not name.startswith("__MACOSX")}


def _of_pack(path: Path, members: dict[str, Callable[[], OnnxGraph]]) -> OnnxGraph:
    """Choose the network that recognises faces."""
    if len(members) == 1:
        return next(iter(members.values()))()
    found = {}
    for name, read in members.items():
        graph = read()
        if _recognises(graph):
            found[name] = graph
    if len(found) != 1:
        those = found or members
        msg = (
            f"{path} holds {len(those)} networks "
            f"{'that may recognise faces' if found else 'and none that gives one embedding'}: "
            f"{', '.join(those)}. Give 'weights' the path of the one that you mean."
        )
        raise InputError(msg)
    ((name, graph),) = found.items()
    others = ", ".join(other for other in members if other != name)
    _log.info("Of %s, %s is used, which recognises faces; the others are %s.", path, name, others)
    return graph


def _recognises(graph: OnnxGraph) -> bool:
    """Tell a recognition network from detectors, landmarks and attributes, as insightface does."""
    inputs = _used_inputs(graph.proto)
    shape = _shape(inputs[0]) if len(inputs) == 1 else ()
    side = shape[2] if len(shape) == 4 else None
    return (
        len(graph.proto.graph.output) == 1
        and side is not None
        and side == shape[3]
        and side >= _SMALLEST_SIDE
        and side % _SIDES_OF_16 == 0
        and side != _LANDMARKS_SIDE
    )


def _parsed(content: bytes, source: str, folder: Path | None) -> OnnxGraph:
    onnx = import_extra("onnx", "onnx", "A network in ONNX")
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(content)
    except Exception as error:
        # Protocol buffers' DecodeError, of whichever implementation is in use.
        msg = (
            f"The weights file {source} cannot be read as ONNX: it is damaged or incomplete "
            f"({len(content):,} bytes). Download or export it again."
        )
        raise WeightsError(msg) from error
    if not proto.graph.node or not proto.graph.output:
        msg = (
            f"The weights file {source} holds no ONNX network: it is incomplete, or another file. "
            "Download or export it again."
        )
        raise WeightsError(msg)
    digest = hashlib.sha256(content)
    for tensor in _external(proto):
        _fetch(tensor, source, folder)
        digest.update(tensor.raw_data)
    return OnnxGraph(proto, digest.hexdigest(), source)


def _external(proto: Any) -> Iterator[Any]:
    """Find the tensors whose numbers are kept in other files."""
    for graph in _graphs(proto.graph):
        attributes = (a for node in graph.node for a in node.attribute)
        held = [a.t for a in attributes if a.HasField("t")]
        yield from (t for t in (*graph.initializer, *held) if t.data_location == _EXTERNAL)


def _graphs(graph: Any) -> Iterator[Any]:
    """Go through a graph and those inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs) if attribute.type in (5, 10) else ():
                yield from _graphs(inner)


def _fetch(tensor: Any, source: str, folder: Path | None) -> None:
    from onnx.external_data_helper import load_external_data_for_tensor

    where = next((item.value for item in tensor.external_data if item.key == "location"), "")
    if folder is None or not (folder / where).is_file():
        msg = (
            f"The weights file {source} keeps its numbers in another file, {where}, which is not "
            "beside it. Copy both into one folder."
        )
        raise MissingWeightsError(msg)
    expected = next((int(item.value) for item in tensor.external_data if item.key == "length"), 0)
    try:
        load_external_data_for_tensor(tensor, str(folder))
    except Exception as error:
        # The reader raises ValueError, OSError and onnx's own errors.
        msg = f"{where}, the weights of {source}, cannot be read ({error})."
        raise WeightsError(msg) from error
    if len(tensor.raw_data) < expected:
        msg = f"{where}, the weights of {source}, is incomplete. Download or export it again."
        raise WeightsError(msg)


def _used_inputs(proto: Any) -> list[Any]:
    """Find the inputs that have no value of their own and that a node uses."""
    graph = proto.graph
    own = {tensor.name for tensor in graph.initializer}
    own |= {tensor.values.name for tensor in graph.sparse_initializer}
    used = {name for part in _graphs(graph) for node in part.node for name in node.input}
    return [item for item in graph.input if item.name in used - own]


def _shape(value: Any) -> tuple[int | None, ...]:
    return tuple(
        side.dim_value if side.HasField("dim_value") and side.dim_value > 0 else None
        for side in value.type.tensor_type.shape.dim
    )


def _shown(value: Any) -> str:
    sides = ", ".join("?" if side is None else str(side) for side in _shape(value))
    return f"{value.name} [{sides}]"


def _checked(graph: OnnxGraph) -> OnnxGraph:
    """Find the one input, drop the others, and list what can be read."""
    proto = graph.proto
    inputs = _used_inputs(proto)
    if len(inputs) != 1:
        what = f"{len(inputs)} inputs" if inputs else "no input"
        listed = f": {', '.join(map(_shown, inputs))}" if inputs else ""
        msg = f"The network {graph.source} takes {what}{listed}. It must take one, the image."
        raise ModelError(msg)
    (image,) = inputs
    kind = image.type.tensor_type.elem_type
    shape = _shape(image)
    if len(shape) != 4 or kind not in _IMAGE_TYPES:
        msg = (
            f"The network {graph.source} takes {_shown(image)}. Its input must be images, of four "
            f"axes and of the type {', '.join(_IMAGE_TYPES.values())}."
        )
        raise ModelError(msg)
    graph.input_name, graph.input_type, graph.input_shape = image.name, _IMAGE_TYPES[kind], shape
    own = {tensor.name for tensor in proto.graph.initializer}
    graph.dropped = [item.name for item in proto.graph.input if item.name not in {*own, image.name}]
    # Weights that are listed as inputs count as constants; before version 4 they had to be listed.
    keeps = own if proto.ir_version < 4 else set()
    kept = [item for item in proto.graph.input if item.name in {*keeps, image.name}]
    del proto.graph.input[:]
    proto.graph.input.extend(kept)
    _mend_blocks(proto.graph)
    graph.values = list(_readable(proto, image.name))
    return graph


def _mend_blocks(graph: Any) -> None:
    """Take the size of blocks from scales of one number: onnxruntime refuses it.

    OpenCV's model zoo has networks quantised by blocks that are written so.
    """
    single = {tensor.name for tensor in graph.initializer if list(tensor.dims) in ([], [1])}
    for node in graph.node:
        sizes = [item for item in node.attribute if item.name == "block_size"]
        if node.op_type == "DequantizeLinear" and sizes and node.input[1] in single:
            node.attribute.remove(sizes[0])


def _readable(proto: Any, image: str) -> Iterator[OnnxValue]:
    """List the values that depend on the image, without those known to be integers."""
    types = _types(proto)
    reached = {image}
    for node in proto.graph.node:
        inner = {
            name
            for attribute in node.attribute
            for graph in (attribute.g, *attribute.graphs)
            if attribute.type in (5, 10)
            for part in _graphs(graph)
            for below in part.node
            for name in below.input
        }
        if reached.isdisjoint({*node.input, *inner}):
            continue
        outputs = [name for name in node.output if name]
        reached.update(outputs)
        for name in outputs:
            if types.get(name, 1) in _FLOATS:
                yield OnnxValue(name, node.name, node.op_type)


def _types(proto: Any) -> dict[str, int]:
    from onnx import shape_inference

    try:
        inferred = shape_inference.infer_shapes(proto).graph
    except Exception as error:
        # Operators of other domains, and networks over 2 GB: what is read is known when it runs.
        _log.debug("The types of an ONNX graph's values cannot be inferred: %s", error)
        inferred = proto.graph
    return {
        value.name: value.type.tensor_type.elem_type
        for value in (*inferred.value_info, *inferred.output)
        if value.type.tensor_type.elem_type
    }
