"""Following the graph of a TorchScript network, which calls no hooks, to read its modules' outputs.

Only modules that hold a layer asked for are followed node by node; all others run as they are. A
node is run by TorchScript itself, as a function of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch

from facebench.models.layers import first_tensor

__all__ = ["read_values"]

_FORWARD = "forward"


def read_values(
    network: torch.jit.ScriptModule, batch: torch.Tensor, layers: Sequence[str]
) -> tuple[Any, dict[str, torch.Tensor]]:
    """Run a batch, and read what modules give.

    Parameters
    ----------
    network : ScriptModule
        The network.
    batch : Tensor
        Its input.
    layers : sequence of str
        Modules, as in ``named_modules()``.

    Returns
    -------
    output : object
        What the network gives.
    values : dict of str to Tensor
        Layer → what it gave last; layers that were not reached are not there.

    Raises
    ------
    Exception
        Of any kind, if the graph has nodes that cannot be followed.
    """
    walk = _Walk(layers)
    return walk.call(network, "", _FORWARD, [batch]), walk.values


class _Walk:
    """One pass over a network's graph."""

    def __init__(self, layers: Iterable[str]) -> None:
        self._layers = frozenset(layers)
        self.values: dict[str, torch.Tensor] = {}

    def call(self, module: Any, path: str, method: str, arguments: list[Any]) -> Any:
        """Run a method of a module, itself or node by node."""
        before = f"{path}." if path else ""
        function = getattr(module, method)
        if any(layer.startswith(before) and layer != path for layer in self._layers):
            output = self._follow(function.graph, module, path, arguments)
        else:
            output = function(*arguments)
        if path in self._layers and method.startswith(_FORWARD):
            value = first_tensor(output)
            if value is not None:
                # The next module may work in place on this very memory.
                self.values[path] = value.clone()
        return output

    def _follow(self, graph: Any, module: Any, path: str, arguments: list[Any]) -> Any:
        own, *inputs = graph.inputs()
        known = {own.debugName(): module}
        known |= {item.debugName(): value for item, value in zip(inputs, arguments, strict=True)}
        self._run(graph.nodes(), known, {own.debugName(): path})
        outputs = [known[item.debugName()] for item in graph.outputs()]
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _run(self, nodes: Iterable[Any], known: dict[str, Any], paths: dict[str, str]) -> None:
        for node in nodes:
            inputs = [item.debugName() for item in node.inputs()]
            outputs = [item.debugName() for item in node.outputs()]
            match node.kind():
                case "prim::Constant":
                    # Functions are taken along by the nodes that call them.
                    is_function = "Function" in str(node.output().type())
                    known[outputs[0]] = None if is_function else node.output().toIValue()
                case "prim::GetAttr":
                    name = node.s("name")
                    known[outputs[0]] = getattr(known[inputs[0]], name)
                    if inputs[0] in paths:
                        paths[outputs[0]] = f"{paths[inputs[0]]}.{name}".lstrip(".")
                case "prim::CallMethod":
                    module, *arguments = (known[item] for item in inputs)
                    path = paths[inputs[0]]
                    known[outputs[0]] = self.call(module, path, node.s("name"), arguments)
                case "prim::If":
                    block = list(node.blocks())[0 if known[inputs[0]] else 1]
                    self._run(block.nodes(), known, paths)
                    for name, item in zip(outputs, block.outputs(), strict=True):
                        known[name] = known[item.debugName()]
                case _:
                    self._refuse_inside(node, paths)
                    values = _run_node(node, known)
                    known |= dict(zip(outputs, values, strict=True))

    def _refuse_inside(self, node: Any, paths: dict[str, str]) -> None:
        """Refuse a node, such as a loop, that calls modules whose outputs are asked for."""
        for path in _called_inside(node, dict(paths)):
            if any(f"{layer}.".startswith(f"{path}.") for layer in self._layers):
                msg = f"{path} is called within {node.kind()}"
                raise NotImplementedError(msg)


def _called_inside(node: Any, paths: dict[str, str]) -> Iterator[str]:
    for block in node.blocks():
        for inner in block.nodes():
            owner = next((item.debugName() for item in inner.inputs()), "")
            if inner.kind() == "prim::GetAttr" and owner in paths:
                name = f"{paths[owner]}.{inner.s('name')}".lstrip(".")
                paths[inner.output().debugName()] = name
            elif inner.kind() == "prim::CallMethod" and owner in paths:
                yield paths[owner]
            yield from _called_inside(inner, paths)


def _run_node(node: Any, known: dict[str, Any]) -> Sequence[Any]:
    """Run one node as a function of its own, and give its outputs."""
    graph: Any = torch._C.Graph()
    arguments: dict[str, Any] = {}

    def inside(value: Any) -> Any:
        if value.node().kind() == "prim::Constant":
            return graph.insertNode(graph.createClone(value.node(), inside)).output()
        name = value.debugName()
        if name not in arguments:
            arguments[name] = graph.addInput()
            arguments[name].setType(value.type())
        return arguments[name]

    clone = graph.insertNode(graph.createClone(node, inside))
    outputs = list(clone.outputs())
    if len(outputs) > 1:
        packed = graph.insertNode(graph.create("prim::TupleConstruct", outputs, 1))
        packed.output().setType(torch._C.TupleType([item.type() for item in outputs]))
        graph.registerOutput(packed.output())
    else:
        for item in outputs:
            graph.registerOutput(item)
    torch._C._jit_pass_inline(graph)
    function = torch._C._create_function_from_graph("node", graph)
    result = function(*(known[name] for name in arguments))
    return result if len(outputs) > 1 else [result] * len(outputs)
