"""Networks that another engine runs as a whole, and whose layers can still be read."""

from __future__ import annotations

import hashlib
import logging
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import torch
from PIL import Image
from torch import nn
from typing_extensions import override

from facebench.errors import FacebenchError, InputError, LayerOutputError, ModelError
from facebench.models.base import BaseModel
from facebench.models.layer_search import named_blocks
from facebench.models.network_input import NetworkInput, network_input
from facebench.types import StrPath

__all__ = [
    "TRAINING_FLAGS",
    "Engine",
    "SavedEngine",
    "Tap",
    "TappedModel",
    "TappedNetwork",
    "fitting_size",
    "given_input",
    "images_at_once",
    "run_failure",
    "tell_training_mode",
]

_log = logging.getLogger(__name__)
# Of ATen's operations that training changes: which argument says that it is on.
TRAINING_FLAGS = {"batch_norm": 5, "dropout": 2}
# Of an output's length: rounding is far below, what images do to each other far above.
_SAME = 1e-3


class Engine(Protocol):
    """What runs a network.

    Attributes
    ----------
    fingerprint : str
        Tells this network from all others: the digest of its file, and what runs it.
    """

    @property
    def fingerprint(self) -> str:
        """Tell this network from all others."""

    def run(self, batch: torch.Tensor, taps: Sequence[str]) -> list[torch.Tensor | None]:
        """Run a batch; give the network's output, then the values of these names.

        A value that was not reached is None.
        """

    def to(self, device: torch.device) -> None:
        """Run on another device from now on."""

    def blocks(self) -> list[str]:
        """List the values that 'blocks' stands for."""


class SavedEngine:
    """An engine that runs a network which torch has saved; what its kinds share.

    Parameters
    ----------
    content : bytes
        The file's.
    source : str
        The file, for messages.
    """

    _network: nn.Module
    _dtype: torch.dtype = torch.float32
    layers: dict[str, str]

    def __init__(self, content: bytes, source: str) -> None:
        self._content = content
        self._source = source
        self.digest = hashlib.sha256(content).hexdigest()

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._content, self._source)

    def to(self, device: torch.device) -> None:
        """Run on another device from now on."""
        self._network.to(device)

    @property
    def precision(self) -> str:
        """What its numbers are."""
        return str(self._dtype).removeprefix("torch.")

    def _own(self, batch: torch.Tensor) -> torch.Tensor:
        """Give images in the numbers that the network takes."""
        return batch.to(self._dtype)

    def blocks(self) -> list[str]:
        """List the modules that 'blocks' stands for, as in the network's Python code."""
        return named_blocks(
            {
                name: (self.layers[name], sum(w.ndim > 1 for w in module.parameters(recurse=False)))
                for name, module in self._network.named_modules()
                if name in self.layers
            }
        )


class Tap(nn.Module):
    """One value within a network: hooks on it see the value.

    Parameters
    ----------
    kind : str
        What makes the value, such as 'Conv'.
    """

    outputs_version = "tap-1"

    def __init__(self, kind: str) -> None:
        super().__init__()
        # As TorchScript calls it.
        self.original_name = kind

    @override
    def forward(self, value: torch.Tensor) -> torch.Tensor:
        """Give the value as it is."""
        return value


class TappedNetwork(nn.Module):
    """A network run by an engine that calls no modules: each readable value has a `Tap`.

    Only values whose tap carries a hook are asked of the engine.

    Parameters
    ----------
    engine : Engine
        What runs the network.
    taps : mapping of str to str
        Readable values, in network order, each with what makes it.
    at_once : int, optional
        How many images the engine takes, if not any number: batches are cut into pieces of this
        size, and the last piece is filled up.
    nested : bool, default False
        Whether names are those of modules within modules: 'layer1', then 'layer1.0', all of them.
    """

    outputs_version = "tapped-network-1"

    def __init__(
        self,
        engine: Engine,
        taps: Mapping[str, str],
        at_once: int | None = None,
        *,
        nested: bool = False,
    ) -> None:
        super().__init__()
        self.engine = engine
        self.at_once = at_once
        self.has_flat_names = not nested
        made: dict[str, nn.Module] = {"": self}
        for name, kind in taps.items():
            owner, _, child = name.rpartition(".") if nested else ("", "", name)
            # Values of a graph may have dots in their names, which add_module refuses.
            made[name] = made[owner]._modules[child] = Tap(kind)

    @property
    def known_blocks(self) -> list[str]:
        """What 'blocks' stands for."""
        return self.engine.blocks()

    @override
    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Run a batch [N, 3, H, W], and show hooked taps their values."""
        hooked = {name: tap for name, tap in self.named_modules() if name and tap._forward_hooks}
        step = self.at_once or max(1, len(batch))
        pieces = []
        for start in range(0, len(batch), step):
            part = batch[start : start + step]
            missing = step - len(part)
            if missing:
                part = torch.cat([part, part[-1:].expand(missing, *part.shape[1:])])
            pieces.append(self.engine.run(part, list(hooked)))
        output, *values = (_joined(parts, step, len(batch)) for parts in zip(*pieces, strict=True))
        for tap, value in zip(hooked.values(), values, strict=True):
            if value is not None:
                tap(value)
        if output is None:
            msg = "The network gives no tensor."
            raise LayerOutputError(msg)
        return output

    @override
    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Any:
        # How nn.Module moves what it holds; an engine's weights are its own.
        self.engine.to(fn(torch.empty(0)).device)
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]


def _joined(parts: Sequence[torch.Tensor | None], step: int, n_images: int) -> torch.Tensor | None:
    """Put a value of several pieces together, or give it as it is where it is not a batch."""
    whole = [part for part in parts if part is not None]
    if len(whole) < len(parts):
        return None
    first = whole[0]
    if first.ndim and len(first) == step:
        return (torch.cat(whole) if len(whole) > 1 else first)[:n_images]
    # It must not pass for a batch because there happen to be as many images.
    return first[None] if first.ndim and len(first) == n_images else first


def images_at_once(
    run: Callable[[torch.Tensor], torch.Tensor | None],
    expected: NetworkInput,
    source: str,
    fixed: int | None = None,
    *,
    reads_output: bool,
) -> int | None:
    """Try a network on one and two images: how many does it take at once?

    Parameters
    ----------
    run : callable
        Runs a batch and gives the network's output.
    expected : NetworkInput
        What the network gets.
    source : str
        Its file, for messages.
    fixed : int, optional
        How many images it says it takes.
    reads_output : bool
        Whether its output is read, and must be a batch.

    Returns
    -------
    int or None
        None where any number fits. One where images together fail, or change each other's numbers.

    Raises
    ------
    LayerOutputError
        If the first axis of the output is not the images.
    ModelError
        If it runs on neither.
    """
    images = _two_images(expected)
    found: dict[int, torch.Tensor | None] = {}
    failures: list[FacebenchError] = []
    for n_images in (1, 2) if fixed is None else (fixed,):
        try:
            found[n_images] = run(images[torch.arange(n_images) % len(images)])
        except ModelError as error:
            failures.append(error)
    if not found:
        raise failures[0]
    good = {
        n_images: output
        for n_images, output in found.items()
        if output is not None and output.shape[:1] == (n_images,)
    }
    if not good:
        if not reads_output:
            return fixed or (None if 2 in found else 1)
        n_images, output = next(iter(found.items()))
        shape = "no tensor" if output is None else f"a tensor of shape {list(output.shape)}"
        msg = (
            f"The network {source} gives {shape} for {n_images} image{'s' * (n_images > 1)}. The "
            "first axis of its output must be the images; choose another value with 'layers'."
        )
        raise LayerOutputError(msg)
    if fixed is not None or len(good) == 1:
        return fixed or min(good)
    alone, together = good[1][0].float(), good[2][0].float()
    # Scales of a whole batch, as dynamic quantisation has them, let images depend on others.
    depends = alone.shape != together.shape or (alone - together).norm() > _SAME * alone.norm()
    return 1 if depends else None


def _two_images(expected: NetworkInput) -> torch.Tensor:
    """Make two unlike images, as the network expects them."""
    height, width = expected.size
    pixels = torch.arange(height * width * 3, dtype=torch.int64).mul(7919).remainder(251)
    noise = pixels.to(torch.uint8).reshape(height, width, 3).numpy()
    return torch.stack([expected(Image.fromarray(array)) for array in (noise, noise // 3)])


def tell_training_mode(source: str, kinds: Iterable[str]) -> None:
    """Tell that a network was saved in training mode, whose embeddings are not those of a test."""
    if found := sorted(set(kinds)):
        _log.warning(
            "The network %s was saved in training mode: its %s will use the statistics of each "
            "batch, or drop values at random. Call eval() on the network before it is saved.",
            source,
            " and ".join(found),
        )


def run_failure(error: Exception, source: str, batch: torch.Tensor) -> Exception:
    """Say in one sentence that a network cannot be run; a want of memory stays what it is."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # A program that torch.export has saved says it first, and then where in its graph.
    where = next((n for n, line in enumerate(lines) if line.startswith("While executing")), None)
    lines = lines[:where] or lines
    if isinstance(error, FacebenchError) or "memory" in str(error).lower():
        return error
    # An interpreter says last what was wrong.
    told = (lines or [type(error).__name__])[-1].removeprefix("RuntimeError: ").rstrip(".")
    msg = f"The network {source} cannot run on images of shape {list(batch.shape)}: {told}."
    return ModelError(msg)


class TappedModel(BaseModel):
    """A model whose network is a file of another engine; what its kinds share.

    Parameters
    ----------
    name, extract_layers, preprocess_function, device
        See `BaseModel`.
    weights : str or Path
        The file.
    input : mapping, optional
        What the network expects, see `facebench.models.network_input`.

    Attributes
    ----------
    input : NetworkInput
        What the network gets.
    """

    outputs_version = "tapped-model-1"
    input: NetworkInput
    # Where the file is makes no difference to what is in it.
    built_from = ("weights", "input_settings", "_asked")

    def __init__(
        self,
        name: str,
        weights: StrPath,
        extract_layers: str | Iterable[str] | None = None,
        *,
        input: Mapping[str, Any] | NetworkInput | None = None,
        preprocess_function: Callable[[Image.Image], torch.Tensor] | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        self.weights = weights
        self.input_settings = input
        layers = [extract_layers] if isinstance(extract_layers, str) else extract_layers
        self._asked = None if layers is None else list(layers)
        device = self._device_for(name, device)
        super().__init__(name, None, self._asked, preprocess_function, device=device)

    def _device_for(self, name: str, device: str | torch.device | None) -> Any:
        """Choose where to run; an engine that has fewer devices than torch overrides."""
        return device

    @abstractmethod
    @override
    def _build_model(self) -> None:
        """Set ``self.model`` to a `TappedNetwork`, and ``self.input``."""

    @property
    @override
    def why_not_accelerated(self) -> str:
        return "its file is already run by an engine that is not torch's own"

    def _check_layers(self, layers: Mapping[str, str], source: str) -> None:
        if self._asked and not layers:
            msg = (
                f"The network {source} has no modules within that could be read, because it was "
                "frozen or flattened when it was saved. Read its output (no layers), or save it "
                "otherwise."
            )
            raise LayerOutputError(msg)

    @override
    def _default_preprocess(self, image: Image.Image) -> torch.Tensor:
        return self.input(image)

    @override
    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.model(input_tensor)
        return output


def given_input(
    settings: Mapping[str, Any] | NetworkInput | None,
    source: str,
    size: tuple[int | None, int | None] = (None, None),
) -> NetworkInput:
    """Read the `input` of a network whose file does not tell what it expects.

    Parameters
    ----------
    settings : mapping or NetworkInput, optional
        As given.
    source : str
        The file, for messages.
    size : tuple of (int or None)
        Height and width, where the file tells them.

    Raises
    ------
    InputError
        If it is not given, or contradicts the file.
    """
    if settings is None:
        msg = (
            f"The network {source} does not say which images it expects. Give its 'input': "
            "{size: 112, mean: 0.5, std: 0.5, channels: rgb}, with the values that it was trained "
            "with."
        )
        raise InputError(msg)
    height, width = size
    base = NetworkInput((height, width)) if height and width else None
    read = network_input(settings, base)
    return fitting_size(read, source, size)


def fitting_size(
    read: NetworkInput, source: str, size: tuple[int | None, int | None]
) -> NetworkInput:
    """Check that images are of the size a network takes.

    Raises
    ------
    InputError
        If they are not.
    """
    for own, side in zip(read.size, size, strict=True):
        if side is not None and side != own:
            shown = " x ".join("any" if part is None else str(part) for part in size)
            msg = (
                f"The 'input' of {source} says a size of {read.size[0]} x {read.size[1]}, but the "
                f"network takes {shown}. Leave 'size' out, or correct it."
            )
            raise InputError(msg)
    return read
