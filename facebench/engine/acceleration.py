"""A model whose network another engine runs, and the proof that it gives torch's numbers."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from typing_extensions import override

from facebench.engine.graph_engines import Runner, graph_runner
from facebench.errors import FacebenchError, InputError, ModelError
from facebench.models.acceleration import Accelerate, engine_version
from facebench.models.base import BaseModel
from facebench.models.layers import BatchTooLargeError
from facebench.models.trials import set_eval, unchanged
from facebench.utils.suggestions import first_line

__all__ = ["LARGEST_DIFFERENCE", "Accelerated", "engine_of"]

_log = logging.getLogger(__name__)
LARGEST_DIFFERENCE = 1e-4  # of a row's length
# A graph is made for one number of images. Larger ones are not faster, and take more memory.
_IMAGES = 16
_ON_CPU = ("openvino", "onnxruntime", "winograd")


def engine_of(model: BaseModel, accelerate: Accelerate, precision: str) -> Accelerate:
    """Decide which engine runs a model.

    Parameters
    ----------
    model : BaseModel
        The model; what it says of itself comes first.
    accelerate : {'onnxruntime', 'openvino', 'winograd', 'compile', 'none'}
        What the run says. It is for models whose networks torch runs as a whole; others stay as
        they are.
    precision : {'float32', 'float16', 'bfloat16'}
        What the run says of precision.

    Returns
    -------
    {'onnxruntime', 'openvino', 'winograd', 'compile', 'none'}

    Raises
    ------
    InputError
        If precision or device does not go with the engine.
    """
    engine = accelerate if model.acceleration is None else model.acceleration
    if engine == "none" or model.why_not_accelerated:
        return "none"
    if precision != "float32":
        msg = (
            f"Model {model.name!r} cannot have both 'accelerate: {engine}' and 'precision: "
            f"{precision}': other engines are compared with torch in float32. Leave one out."
        )
        raise InputError(msg)
    if engine in _ON_CPU and model.device.type != "cpu":
        msg = (
            f"Model {model.name!r} is on {model.device}, and 'accelerate: {engine}' runs networks "
            "on the CPU. Choose 'device: cpu', or 'accelerate: compile'."
        )
        raise InputError(msg)
    return engine


class Accelerated:
    """Reads a model's layers by another engine.

    Parameters
    ----------
    model : BaseModel
        The model.
    engine : {'onnxruntime', 'openvino', 'winograd', 'compile'}
        What runs its network.
    batch_size : int
        Images per pass, at most.

    Attributes
    ----------
    size : int
        Images per pass.
    differences : dict of str to float
        Layer → the largest difference from torch found in `prepare`, as a share of a row's length.
    """

    def __init__(self, model: BaseModel, engine: Accelerate, batch_size: int) -> None:
        self.size = min(batch_size, _IMAGES)
        self.differences: dict[str, float] = {}
        self._model = model
        self._engine = engine
        self._runner: Runner | None = None
        # Layer → its place among the outputs of the graph.
        self._places: dict[str, int] = {}

    def prepare(self, batch: torch.Tensor, limit: int | None = None) -> None:
        """Export the network, and compare what it gives for a batch with torch.

        Parameters
        ----------
        batch : Tensor, shape [N, …]
            Images; as many are compared as one pass takes.
        limit : int, optional
            Bytes that the layers of a pass may take.

        Raises
        ------
        ModelError
            If the network cannot be exported or run, or gives other numbers.
        BatchTooLargeError
            If the layers of one image take more than `limit`.
        """
        model = self._model
        few = batch[: self.size]
        with unchanged(model):
            # The first pass of a model finds out which layers are overwritten.
            expected = self._expected(few[:1], limit)
            each = sum(rows.numel() * rows.element_size() for rows in expected.values())
            if limit is not None:
                self.size = max(1, min(self.size, limit // max(1, each)))
            few = few[: self.size]
            expected = self._expected(few, limit)
            view = _first_view(model, _filled(few, self.size))
            self._places = _places(model._layers_of(view, None))
            try:
                graph = _Graph(model, list(self._places.values()))
                self._runner = graph_runner(self._engine, graph, model._placed(view))
                found = self.read_layers(few)
            except (BatchTooLargeError, torch.OutOfMemoryError):
                raise
            except Exception as error:
                self._runner = None
                raise ModelError(self._cannot(error)) from error
        self.differences = {
            layer: _difference(rows, found[layer]) for layer, rows in expected.items()
        }
        worst = max(self.differences, key=lambda layer: _or_infinite(self.differences[layer]))
        # NaN is larger than any limit.
        if not self.differences[worst] <= LARGEST_DIFFERENCE:
            self._runner = None
            msg = (
                f"Model {model.name!r} cannot run with 'accelerate: {self._engine}': of the first "
                f"{len(few)} images, layer {worst!r} differs from torch by "
                f"{self.differences[worst]:.1e} of a row's length, and at most "
                f"{LARGEST_DIFFERENCE:g} is allowed. Choose another engine, or 'accelerate: none' "
                "for this model."
            )
            raise ModelError(msg)
        _log.info(
            "Model %r runs by %s, whose layers differ from torch by %.1e of a row's length at most "
            "(%s; %d images).",
            model.name,
            engine_version(self._engine),
            self.differences[worst],
            worst,
            len(few),
        )

    def _expected(self, batch: torch.Tensor, limit: int | None) -> dict[str, torch.Tensor]:
        layers = self._model.read_layers(batch, limit)
        # The engine's pass may use torch's memory.
        return {layer: rows.to("cpu", copy=True) for layer, rows in layers.items()}

    def _cannot(self, error: Exception) -> str:
        told = str(error) if isinstance(error, FacebenchError) else first_line(error)
        if "C++ compiler" in str(error) or "CppCompiler" in type(error).__name__:
            return (
                f"Model {self._model.name!r} cannot run with 'accelerate: compile': torch.compile "
                "needs a C++ compiler, and there is none. Install g++ or clang, or choose another "
                "engine."
            )
        return (
            f"Model {self._model.name!r} cannot run with 'accelerate: {self._engine}': its network "
            f"cannot be exported as a graph ({type(error).__name__}: {told.rstrip('.')}). Choose "
            "'accelerate: none' for this model."
        )

    def read_layers(self, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """Run a batch and give the layers; see `BaseModel.read_layers`.

        Parameters
        ----------
        batch : Tensor, shape [N, …]
            Preprocessed images, not more than `size`.
        """
        return self._model._through_views(batch, self._layers_of)

    def _layers_of(self, view: torch.Tensor) -> dict[str, torch.Tensor]:
        if self._runner is None:
            msg = "Accelerated.prepare comes before read_layers."
            raise RuntimeError(msg)
        outputs = self._runner(self._model._placed(_filled(view, self.size)))
        return {layer: outputs[place][: len(view)] for layer, place in self._places.items()}


class _Graph(nn.Module):
    """A model's network with the layers that are read as its outputs, to be exported."""

    def __init__(self, model: BaseModel, places: Sequence[int]) -> None:
        super().__init__()
        # All of them: _forward may use more than one.
        self.networks = nn.ModuleDict(
            {name: part for name, part in vars(model).items() if isinstance(part, nn.Module)}
        )
        # Not an attribute of the graph, but what makes it.
        self._read = model.trace_layers
        self._first = [places.index(place) for place in range(max(places) + 1)]
        set_eval(self)

    @override
    def forward(self, batch: torch.Tensor) -> tuple[torch.Tensor, ...]:
        layers = list(self._read(batch).values())
        return tuple(layers[number] for number in self._first)


def _places(layers: Mapping[str, torch.Tensor]) -> dict[str, int]:
    """Give layers that are in the same memory one number: dropout gives on what it gets."""
    numbers: dict[Any, int] = {}
    return {
        layer: numbers.setdefault((rows.data_ptr(), rows.shape, rows.stride()), len(numbers))
        for layer, rows in layers.items()
    }


def _filled(batch: torch.Tensor, size: int) -> torch.Tensor:
    """Fill a batch up with its last image."""
    missing = size - len(batch)
    if missing <= 0:
        return batch
    return torch.cat([batch, batch[-1:].expand(missing, *batch.shape[1:])])


def _first_view(model: BaseModel, batch: torch.Tensor) -> torch.Tensor:
    """Give what the network gets first of a batch: all its views have one shape."""
    seen: list[torch.Tensor] = []

    def see(view: torch.Tensor) -> dict[str, torch.Tensor]:
        seen.append(view)
        return {}

    model._through_views(batch, see)
    return seen[0]


def _difference(expected: torch.Tensor, found: torch.Tensor) -> float:
    """Give the largest distance of two rows of an image, as a share of the first one's length."""
    one = expected.reshape(len(expected), -1).double()
    other = found.reshape(len(found), -1).to("cpu", torch.float64)
    if one.shape != other.shape:
        return float("inf")
    apart, length = (one - other).norm(dim=1), one.norm(dim=1)
    shares = torch.where(apart == 0, 0.0, apart / length)
    return float(shares.max())


def _or_infinite(difference: float) -> float:
    return difference if difference == difference else float("inf")
