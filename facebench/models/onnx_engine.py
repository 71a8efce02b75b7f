"""Running an ONNX graph with onnxruntime, and reading values within it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from typing_extensions import override

from facebench.errors import ModelError
from facebench.models.onnx_graph import OnnxGraph
from facebench.models.tapped import run_failure
from facebench.utils.extras import import_extra
from facebench.utils.suggestions import first_line

__all__ = ["CUDA", "OnnxEngine", "session_options"]

_log = logging.getLogger(__name__)
CUDA = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"
# Errors are raised, and not printed too.
_FATAL = 4


class OnnxEngine:
    """Runs a graph; values within it become further outputs of it.

    Parameters
    ----------
    graph : OnnxGraph
        The network.
    values : mapping of str to str
        Layer → the value's name in the graph.
    channels_last : bool
        Whether the graph takes [N, H, W, 3].

    Attributes
    ----------
    graph : OnnxGraph
        The network.
    output : str
        The graph's output that is the network's.
    description : str
        What runs it.
    """

    def __init__(self, graph: OnnxGraph, values: Mapping[str, str], *, channels_last: bool) -> None:
        self.graph = graph
        self.output = graph.outputs[0]
        self._values = dict(values)
        self._channels_last = channels_last
        self._device = torch.device("cpu")
        self._is_told = False
        self._sessions: dict[frozenset[str], Any] = {}

    @property
    def description(self) -> str:
        """The engine's name and version."""
        return f"onnxruntime {_runtime().__version__}, {self._providers()[0][0]}"

    @property
    def fingerprint(self) -> str:
        """What tells this network from all others."""
        parts = [_runtime().__version__, self.graph.digest, self.output, self._channels_last]
        return f"onnxruntime {' '.join(map(str, parts))}"

    @override
    def __getstate__(self) -> dict[str, Any]:
        # Sessions are of one process.
        return {**vars(self), "_sessions": {}}

    def to(self, device: torch.device) -> None:
        """Run on another device from now on."""
        if device != self._device:
            self._device = device
            self._sessions = {}

    def blocks(self) -> list[str]:
        """List the layers that 'blocks' stands for."""
        names = {value: layer for layer, value in self._values.items()}
        return [names[value] for value in self.graph.blocks()]

    def run(self, batch: torch.Tensor, taps: Sequence[str] = ()) -> list[torch.Tensor | None]:
        """Run a batch; give the network's output, then the values of these layers."""
        wanted = [self.output, *(self._values[tap] for tap in taps)]
        found = self._run(batch, wanted)
        return [found[name].to(batch.device) for name in wanted]

    def outputs(self, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """Run a batch, and give all outputs of the graph."""
        return self._run(batch, self.graph.outputs)

    def _run(self, batch: torch.Tensor, wanted: Sequence[str]) -> dict[str, torch.Tensor]:
        self._tell_precision(batch)
        session = self._session(wanted)
        pixels = batch.detach().cpu()
        if self._channels_last:
            pixels = pixels.permute(0, 2, 3, 1)
        if self.graph.input_type == "uint8":
            pixels = pixels.round().clamp(0, 255)
        array = np.ascontiguousarray(pixels.numpy(), dtype=self.graph.input_type)
        names = list(dict.fromkeys(wanted))
        try:
            values = session.run(names, {self.graph.input_name: array})
        except Exception as error:
            # onnxruntime's exceptions have no common class.
            raise run_failure(error, self.graph.source, pixels) from error
        return {
            # Lists and maps, which classifiers of other kinds give, are not layers.
            name: torch.from_numpy(value) if isinstance(value, np.ndarray) else torch.empty(())
            for name, value in zip(names, values, strict=True)
        }

    def _tell_precision(self, batch: torch.Tensor) -> None:
        if torch.is_autocast_enabled(batch.device.type) and not self._is_told:
            self._is_told = True
            _log.warning(
                "The network %s runs in its own precision, %s; 'precision' is ignored.",
                self.graph.source,
                self.graph.precision,
            )

    def _session(self, wanted: Sequence[str]) -> Any:
        inner = frozenset(wanted).difference(self.graph.outputs)
        if inner not in self._sessions:
            # One of inner values is enough: they may take much memory.
            self._sessions = {key: kept for key, kept in self._sessions.items() if not key}
            self._sessions[inner] = self._made(sorted(inner))
        return self._sessions[inner]

    def _made(self, inner: Sequence[str]) -> Any:
        runtime = _runtime()
        options = session_options()
        kinds = {node.op_type for node in self.graph.proto.graph.node}
        if "DequantizeLinear" in kinds and "QuantizeLinear" not in kinds:
            # Only weights are integers: they are turned into numbers once, not for every image.
            options.add_session_config_entry("session.disable_quant_qdq", "1")
        outputs = self.graph.proto.graph.output
        n_own = len(outputs)
        try:
            for name in inner:
                outputs.add().name = name
            return runtime.InferenceSession(
                self.graph.proto.SerializeToString(), options, providers=self._providers()
            )
        except Exception as error:
            told = first_line(error).rstrip(".")
            advice = (
                " Install a newer onnxruntime, or export it with an earlier opset."
                if "opset" in told.lower() or "ir version" in told.lower()
                else ""
            )
            msg = (
                f"onnxruntime {runtime.__version__} cannot load the network {self.graph.source}: "
                f"{told}.{advice}"
            )
            raise ModelError(msg) from error
        finally:
            del outputs[n_own:]

    def _providers(self) -> list[tuple[str, dict[str, Any]]]:
        if self._device.type != "cuda" or CUDA not in _runtime().get_available_providers():
            return [(_CPU, {})]
        # Its default rounds to 10 bits where torch's does.
        exact = {"use_tf32": int(torch.backends.cudnn.allow_tf32)}
        return [(CUDA, {"device_id": self._device.index or 0, **exact}), (_CPU, {})]


def session_options() -> Any:
    """Set a session up with as many threads as torch uses, and quietly.

    Returns
    -------
    onnxruntime.SessionOptions
    """
    options = _runtime().SessionOptions()
    # They sleep while others work: workers decode beside them.
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = _FATAL
    return options


def _runtime() -> Any:
    return import_extra("onnxruntime", "onnx", "A network in ONNX")
