"""Networks as graphs, exported by torch and run by another engine, or by other algorithms."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import nn

from facebench.engine.winograd import WinogradConvolution, with_winograd
from facebench.models.acceleration import Accelerate, nnpack_is_available
from facebench.models.onnx_engine import session_options
from facebench.utils.extras import import_extra

__all__ = ["Runner", "graph_runner"]

_log = logging.getLogger(__name__)
# Takes a batch of the shape that the graph was made for, and gives its outputs. The next call may
# use the memory again.
Runner: TypeAlias = Callable[[torch.Tensor], Sequence[torch.Tensor]]
_TALKATIVE = ("torch.onnx", "onnxscript", "onnx_ir")


def graph_runner(engine: Accelerate, network: nn.Module, example: torch.Tensor) -> Runner:
    """Export a network for batches of one shape, and have an engine run it.

    Parameters
    ----------
    engine : {'onnxruntime', 'openvino', 'winograd', 'compile'}
        What runs it.
    network : nn.Module
        From a tensor to a tuple of tensors.
    example : Tensor
        A batch.

    Returns
    -------
    callable

    Raises
    ------
    Exception
        Whatever torch or the engine raises where it cannot.
    """
    with _quiet():
        with torch.no_grad():
            program = torch.export.export(network, (example,), strict=False)
        return _MAKERS[engine](program, example)


def _openvino(program: torch.export.ExportedProgram, example: torch.Tensor) -> Runner:
    # Its converter for all frameworks, which reports its use to its makers, is not involved.
    ov = import_extra("openvino", "openvino", "'accelerate: openvino'")
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder

    # What the decoder remarks of its own table goes to the root logger.
    root = logging.getLogger()
    root.addFilter(_is_not_openvinos)
    try:
        decoder = TorchFXPythonDecoder.from_exported_program(program, dynamic_shapes=False)
    finally:
        root.removeFilter(_is_not_openvinos)
    frontend = FrontEndManager().load_by_framework("pytorch")
    graph = frontend.convert(frontend.load(decoder))
    compiled = ov.Core().compile_model(
        graph,
        "CPU",
        {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            # Workers decode on the same cores.
            "ENABLE_CPU_PINNING": False,
        },
    )
    request = compiled.create_infer_request()
    n_outputs = len(compiled.outputs)

    def run(batch: torch.Tensor) -> list[torch.Tensor]:
        pixels = np.ascontiguousarray(batch.numpy())
        request.infer([pixels], share_inputs=True, share_outputs=True)
        return [
            torch.from_numpy(request.get_output_tensor(place).data) for place in range(n_outputs)
        ]

    return run


def _is_not_openvinos(record: logging.LogRecord) -> bool:
    return record.module != "fx_decoder"


def _onnxruntime(program: torch.export.ExportedProgram, example: torch.Tensor) -> Runner:
    runtime = import_extra("onnxruntime", "onnx", "'accelerate: onnxruntime'")
    exported = torch.onnx.export(program, (example,), dynamo=True, verbose=False)
    if exported is None:
        msg = "torch gave no graph in ONNX"
        raise RuntimeError(msg)
    with tempfile.TemporaryDirectory(prefix="facebench-") as folder:
        path = Path(folder) / "network.onnx"
        # A file of its own for the weights: a graph in one piece ends at 2 GB.
        exported.save(path, external_data=True)
        session = runtime.InferenceSession(
            str(path), session_options(), providers=["CPUExecutionProvider"]
        )
    (name,) = (given.name for given in session.get_inputs())

    def run(batch: torch.Tensor) -> list[torch.Tensor]:
        values = session.run(None, {name: np.ascontiguousarray(batch.numpy())})
        return [torch.from_numpy(value) for value in values]

    return run


def _winograd(program: torch.export.ExportedProgram, example: torch.Tensor) -> Runner:
    # A process that was started anew, for one of several devices, has not made it ready.
    nnpack_is_available()
    network = with_winograd(program)
    if not any(isinstance(module, WinogradConvolution) for module in network.modules()):
        _log.warning(
            "A network has no convolution that 'accelerate: winograd' would make faster. Choose "
            "'openvino' for transformers."
        )

    def run(batch: torch.Tensor) -> Sequence[torch.Tensor]:
        with torch.inference_mode():
            outputs: Sequence[torch.Tensor] = network(batch.contiguous())
        return outputs

    return run


def _compiled(program: torch.export.ExportedProgram, example: torch.Tensor) -> Runner:
    import torch._inductor.config as inductor

    # Weights are constants of the graph: batch norms are folded, and weights laid out, once.
    compiled = torch.compile(program.module(), dynamic=False)

    def run(batch: torch.Tensor) -> Sequence[torch.Tensor]:
        with torch.no_grad(), inductor.patch(freezing=True):
            outputs: Sequence[torch.Tensor] = compiled(batch)
        return outputs

    run(example)
    return run


_MAKERS: dict[str, Callable[[torch.export.ExportedProgram, torch.Tensor], Runner]] = {
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
    "winograd": _winograd,
    "compile": _compiled,
}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the remarks of exporters to themselves: the first batch tells whether they are right."""
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
