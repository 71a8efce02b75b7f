"""Networks in TorchScript."""

from __future__ import annotations

import io
import warnings
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from typing_extensions import override

from facebench.errors import FacebenchError, LayerOutputError, WeightsError
from facebench.models.file_kinds import TORCHSCRIPT, read_network
from facebench.models.layers import first_tensor
from facebench.models.script_graph import read_values
from facebench.models.tapped import (
    TRAINING_FLAGS,
    SavedEngine,
    TappedModel,
    TappedNetwork,
    given_input,
    images_at_once,
    run_failure,
    tell_training_mode,
)
from facebench.utils.suggestions import first_line

__all__ = ["TorchScriptModel"]


class TorchScriptModel(TappedModel):
    """A network that ``torch.jit.save`` has written, scripted or traced, with its layers.

    Parameters
    ----------
    name : str
        Display name.
    weights : str or Path
        The file.
    extract_layers : str or list of str, optional
        Modules of the network, by name or pattern. A frozen network has none, and what is called
        within a loop cannot be read.
    input : mapping
        What the network expects, see `facebench.models.network_input`: ``size``, ``mean``, ``std``,
        ``channels``, ``max_value``, ``resize``, ``interpolation``. Needed unless
        `preprocess_function` is given.
    preprocess_function, device
        See `BaseModel`.

    Raises
    ------
    WeightsError
        If the file is missing, damaged or something else.
    ModelError
        If the network does not run on images of this size.
    InputError
        If `input` is not given.
    """

    outputs_version = "torchscript-1"
    built_from = ("weights", "input_settings", "_asked")

    @override
    def _build_model(self) -> None:
        path = Path(self.weights)
        content = read_network(path, TORCHSCRIPT)
        engine = _ScriptEngine(content, str(path))
        self.facts = {"file": str(path), "sha256": engine.digest}
        settings, at_once = self.input_settings, None
        if settings is not None or self.preprocess_function is None:
            self.input = given_input(settings, str(path))
            at_once = images_at_once(
                lambda batch: engine.run(batch)[0],
                self.input,
                str(path),
                reads_output=not self._asked,
            )
            self.facts["input"] = str(self.input)
        self._check_layers(engine.layers, str(path))
        self.model = TappedNetwork(engine, engine.layers, at_once, nested=True)
        self.facts |= {
            "images at once": "any number" if at_once is None else str(at_once),
            "precision": engine.precision,
            "engine": f"TorchScript of torch {torch.__version__}",
        }


class _ScriptEngine(SavedEngine):
    """Runs a TorchScript network; layers are read by following its graph."""

    _network: torch.jit.ScriptModule

    def __init__(self, content: bytes, source: str) -> None:
        super().__init__(content, source)
        self._network = _loaded(content, source)
        self.layers = {
            name: str(getattr(module, "original_name", "Module"))
            for name, module in self._network.named_modules()
            if name
        }
        self._followed: frozenset[str] = frozenset()
        self._dtype = next(
            (one.dtype for one in self._network.parameters() if one.is_floating_point()),
            torch.float32,
        )
        tell_training_mode(source, _trained(self._network))

    @property
    def fingerprint(self) -> str:
        return f"TorchScript {self.digest}"

    def run(self, batch: torch.Tensor, taps: Sequence[str] = ()) -> list[torch.Tensor | None]:
        batch = self._own(batch)
        try:
            with torch.no_grad():
                if not taps:
                    return [first_tensor(self._network(batch))]
                return self._with_layers(batch, taps)
        except Exception as error:
            raise run_failure(error, self._source, batch) from error

    def _with_layers(self, batch: torch.Tensor, taps: Sequence[str]) -> list[torch.Tensor | None]:
        try:
            output, values = read_values(self._network, batch, taps)
        except FacebenchError:
            raise
        except Exception as error:
            if "memory" in str(error).lower():
                raise
            self._network(batch)  # what is wrong with the network itself it says itself
            raise _unreadable(self._source, taps) from error
        if not self._followed.issuperset(taps):
            self._compare(first_tensor(output), first_tensor(self._network(batch)), taps)
        return [first_tensor(output), *(values.get(tap) for tap in taps)]

    def _compare(
        self, followed: torch.Tensor | None, own: torch.Tensor | None, taps: Collection[str]
    ) -> None:
        """Check, the first time, that following the graph gives what the network gives."""
        if (
            followed is None
            or own is None
            or not torch.allclose(followed, own, rtol=1e-3, atol=1e-5, equal_nan=True)
        ):
            raise _unreadable(self._source, taps)
        self._followed |= frozenset(taps)


def _trained(network: Any) -> Iterator[str]:
    """Find operations that were traced in training mode, which eval() no longer reaches."""
    graph = network.inlined_graph
    for kind, place in TRAINING_FLAGS.items():
        for node in graph.findAllNodes(f"aten::{kind}"):
            inputs = list(node.inputs())
            if len(inputs) > place and inputs[place].toIValue() is True:
                yield kind


def _unreadable(source: str, taps: Collection[str]) -> LayerOutputError:
    msg = (
        f"The layers {', '.join(sorted(taps)[:3])} of {source} cannot be read: its TorchScript "
        "calls them in a way that cannot be followed, such as in a loop. Read the network's output "
        "(no layers), or build the network from its Python code and load its weights."
    )
    return LayerOutputError(msg)


def _loaded(content: bytes, source: str) -> Any:
    try:
        with warnings.catch_warnings():
            # That TorchScript is out of date is the concern of who makes such files.
            warnings.simplefilter("ignore")
            network = torch.jit.load(  # type: ignore[no-untyped-call]
                io.BytesIO(content), map_location="cpu"
            )
    except Exception as error:
        told = first_line(error).rstrip(".")
        msg = (
            f"The weights file {source} cannot be loaded by torch {torch.__version__}: {told}. It "
            "is damaged, or needs another version of torch, or of a library with operators of its "
            "own."
        )
        raise WeightsError(msg) from error
    return network.eval()
