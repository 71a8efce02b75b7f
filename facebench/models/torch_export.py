"""Networks that torch.export has saved."""

from __future__ import annotations

import io
import logging
import os
import pickle
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from typing_extensions import override

from facebench.errors import ModelError, WeightsError
from facebench.models.checkpoints import refused_pickle
from facebench.models.file_kinds import EXPORTED, read_network
from facebench.models.layers import first_tensor
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

__all__ = ["ExportedModel"]

_log = logging.getLogger(__name__)
_SAFELY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


class ExportedModel(TappedModel):
    """A network that ``torch.export.save`` has written (.pt2), with its layers.

    It stays in the mode in which it was exported: export networks in eval mode. One that was
    exported for a certain number of images gets that many at a time.

    Parameters
    ----------
    name : str
        Display name.
    weights : str or Path
        The file.
    extract_layers : str or list of str, optional
        Modules of the network as it was before its export, by name or pattern.
    input : mapping
        What the network expects: ``mean``, ``std``, ``channels``, ``max_value``, ``resize`` and
        ``interpolation`` (see `facebench.models.network_input`), and ``size`` where it was exported
        for any. Needed unless `preprocess_function` is given.
    preprocess_function, device
        See `BaseModel`.

    Raises
    ------
    WeightsError
        If the file is missing, damaged or something else.
    ModelError
        If the network does not take one batch of images.
    InputError
        If `input` is not given, or contradicts the network.
    """

    outputs_version = "exported-1"
    built_from = ("weights", "input_settings", "_asked")

    @override
    def _build_model(self) -> None:
        path = Path(self.weights)
        content = read_network(path, EXPORTED)
        engine = _ExportedEngine(content, str(path))
        n_images, *size = engine.shape
        settings = self.input_settings
        if settings is None and self.preprocess_function is not None:
            settings = {"size": [side or 224 for side in size]}
        self.input = given_input(settings, str(path), (size[0], size[1]))
        at_once = images_at_once(
            lambda batch: engine.run(batch)[0],
            self.input,
            str(path),
            n_images,
            reads_output=not self._asked,
        )
        self._check_layers(engine.layers, str(path))
        self.model = TappedNetwork(engine, engine.layers, at_once, nested=True)
        self.facts = {
            "file": str(path),
            "sha256": engine.digest,
            "input": str(self.input),
            "images at once": "any number" if at_once is None else str(at_once),
            "precision": engine.precision,
            "engine": f"torch.export of torch {torch.__version__}",
        }


class _ExportedEngine(SavedEngine):
    """Runs an exported program, by the modules it was made of where it can be taken apart."""

    def __init__(self, content: bytes, source: str) -> None:
        super().__init__(content, source)
        program = _loaded(content, source)
        self.shape, self._dtype = _image_shape(program, source)
        tell_training_mode(source, _trained(program))
        self.layers = {}
        try:
            self._network: nn.Module = torch.export.unflatten(program)
            self.layers = {
                name: str(getattr(module, "_ty", "") or "Module").rpartition(".")[2]
                for name, module in self._network.named_modules()
                if name
            }
        except Exception as error:
            # What unflatten raises of programs it cannot take apart is not documented.
            _log.info("The layers of %s cannot be read, only its output: %s", source, error)
            self._network = program.module()

    @property
    def fingerprint(self) -> str:
        return f"torch.export {self.digest}"

    def run(self, batch: torch.Tensor, taps: Sequence[str] = ()) -> list[torch.Tensor | None]:
        values: dict[str, torch.Tensor | None] = {}

        def keep(name: str) -> Any:
            def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
                found = first_tensor(output)
                # The next module may work in place on this very memory.
                values[name] = None if found is None else found.clone()

            return hook

        handles = [
            self._network.get_submodule(tap).register_forward_hook(keep(tap)) for tap in taps
        ]
        try:
            with torch.no_grad():
                output = self._network(self._own(batch))
        except Exception as error:
            raise run_failure(error, self._source, batch) from error
        finally:
            for handle in handles:
                handle.remove()
        return [first_tensor(output), *(values.get(tap) for tap in taps)]


def _loaded(content: bytes, source: str) -> Any:
    """Load a program; of pickles in it only tensors."""
    names = (_SAFELY, "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    before = {name: os.environ.pop(name, None) for name in names}
    os.environ[_SAFELY] = "1"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.export.load(io.BytesIO(content))
    except pickle.UnpicklingError as error:
        raise refused_pickle(source, error) from error
    except Exception as error:
        # Its readers raise exceptions of many kinds.
        told = first_line(error).rstrip(".")
        msg = (
            f"The weights file {source} cannot be loaded by torch {torch.__version__}: {told}. It "
            "is damaged, or of another version of torch: export it again with this one."
        )
        raise WeightsError(msg) from error
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _trained(program: Any) -> Iterator[str]:
    """Find operations that were exported in training mode."""
    for node in program.graph.nodes:
        for kind, place in TRAINING_FLAGS.items():
            is_it = str(node.target) == f"aten.{kind}.default"
            if is_it and len(node.args) > place and node.args[place] is True:
                yield kind


def _image_shape(
    program: Any, source: str
) -> tuple[tuple[int | None, int | None, int | None], torch.dtype]:
    """Give how many images of which height and width a program takes, and of which numbers.

    None stands for any.
    """
    names = program.graph_signature.user_inputs
    given = [node.meta.get("val") for node in program.graph.nodes if node.name in names]
    shapes = [tuple(value.shape) for value in given if isinstance(value, torch.Tensor)]
    if len(given) != 1 or len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][1] not in (1, 3):
        shown = ", ".join(str(list(shape)) for shape in shapes) or "no tensor"
        msg = (
            f"The network {source} takes {len(given)} inputs ({shown}). It must take one batch of "
            "images, [N, 3, H, W] (or [N, 1, H, W], grey)."
        )
        raise ModelError(msg)
    n_images, _, height, width = (side if isinstance(side, int) else None for side in shapes[0])
    (kind,) = (value.dtype for value in given)
    return (n_images, height, width), kind if kind.is_floating_point else torch.float32
