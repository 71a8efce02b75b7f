"""Any network that is an nn.Module, with a checkpoint."""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import torch
from PIL import Image
from torch import nn
from typing_extensions import override

from facebench.errors import (
    FacebenchError,
    InputError,
    LayerOutputError,
    MissingWeightsError,
    ModelError,
    UnknownNameError,
)
from facebench.models.base import BaseModel
from facebench.models.layers import batch_output, first_tensor
from facebench.models.network_input import NetworkInput, network_input
from facebench.models.trials import own_batch, set_eval, unchanged
from facebench.models.weight_files import StateDict, read_checkpoint
from facebench.types import StrPath
from facebench.utils.importing import CodeName, import_code, importable
from facebench.utils.suggestions import did_you_mean, listed

__all__ = ["ModuleModel"]

_log = logging.getLogger(__name__)
NetworkSource: TypeAlias = "str | CodeName | Callable[..., nn.Module] | nn.Module"
# What layers are called that give scores of classes, beside those that may give embeddings ('fc').
_CLASSIFIERS = frozenset(
    {"classifier", "logits", "logit", "cls", "softmax", "arcface", "margin", "metric_fc", "fc8"}
)
_FEWEST_CLASSES = 100
_KEYWORD = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_VARIADIC = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)


class ModuleModel(BaseModel):
    """Any nn.Module, from a Python file or an installed package, with a checkpoint.

    No class of your own is needed: ``ModuleModel("mfn", "my_net.py:MobileFaceNet", "068.ckpt",
    input={"size": 112})``.

    Parameters
    ----------
    name, extract_layers, preprocess_function, device
        See `BaseModel`.
    network : str, class, function or nn.Module
        ``file.py:Name`` or ``module:Name`` of a class, or of a function that returns a network;
        or the class, function or network itself. A file may import the modules beside it.
    weights : str or Path, optional
        The checkpoint; see `BaseModel`.
    weights_key : str, optional
        Where in the checkpoint the weights stand, such as 'net_state_dict' or 'ema'; also what
        their names begin with. None takes those that fit.
    network_arguments : dict, optional
        What `network` is called with.
    input : dict or NetworkInput
        The input that the network was trained with: ``size`` in pixels (one number, or height and
        width), ``mean`` and ``std`` (0.5), ``channels`` ('rgb', 'bgr' or 'grey'), ``max_value`` (1,
        or 255), ``resize``, ``interpolation``; see `NetworkInput`. Not needed with
        `preprocess_function`.
    call : str, optional
        The method that gives the embedding, such as 'extract_features'. None calls the network.
    output : int or str, optional
        Which of several returned values is meant: its position in a tuple or list, or its key.
        None takes the first tensor.
    default_layer : str, optional
        A layer whose output is the embedding, in place of what the network returns.
    classifier : str, optional
        The layer that gives a score per identity; what enters it is the embedding.
    repository : str or Path, optional
        A folder whose modules the network's code imports.
    pretrained : bool, optional
        Without `weights`: False makes a random network, the untrained control; True says that
        `network` loads weights by itself. None demands to be told where weights would be random.
    seed : int, default 0
        Seed of the random network.

    Raises
    ------
    InputError
        If there is no such class or function, it takes other arguments, or no input size is given.
    ModelError
        If it is not an nn.Module, cannot be built, or does not run on images of this size.
    MissingWeightsError
        If neither weights are given nor ``pretrained`` says that none are wanted.
    """

    outputs_version = "module-1"
    built_from = ("network", "network_arguments", "weights_key", "repository")

    def __init__(
        self,
        name: str,
        network: NetworkSource | CodeName,
        weights: StrPath | None = None,
        extract_layers: str | Iterable[str] | None = None,
        preprocess_function: Callable[[Image.Image], torch.Tensor] | None = None,
        *,
        weights_key: str | None = None,
        network_arguments: Mapping[str, Any] | None = None,
        input: Mapping[str, Any] | NetworkInput | None = None,
        call: str | None = None,
        output: int | str | None = None,
        default_layer: str | None = None,
        classifier: str | None = None,
        repository: StrPath | None = None,
        pretrained: bool | None = None,
        seed: int = 0,
        device: str | torch.device | None = None,
    ) -> None:
        if input is None and preprocess_function is None:
            msg = (
                f"Model {name!r} needs the 'input' that its network was trained with: at least "
                "input: {size: 112}, in pixels; where they are others, also mean and std (0.5), "
                "channels (rgb) and max_value (1)."
            )
            raise InputError(msg)
        if default_layer is not None and classifier is not None:
            msg = (
                "The 'default_layer' (its output is the embedding) and the 'classifier' (what "
                "enters it is) of a model exclude each other. Give one of them."
            )
            raise InputError(msg)
        if weights_key is not None and weights is None:
            msg = f"The 'weights_key' {weights_key!r} is where in the 'weights' to look. Give both."
            raise InputError(msg)
        self.network = CodeName(network, Path.cwd()) if isinstance(network, str) else network
        self.network_arguments = _checked_arguments(network_arguments)
        self.weights_key = weights_key
        self.repository = repository
        self.input = None if input is None else network_input(input)
        if self.input is not None:
            self.input_size = self.input.size
        self.call, self.output = call, output
        self.default_layer, self.classifier = default_layer, classifier
        self.pretrained = pretrained
        self.seed = seed if pretrained is False and weights is None else 0
        with importable(*self._folders()):
            super().__init__(name, weights, extract_layers, preprocess_function, device=device)
            self._try()

    def _folders(self) -> list[Path]:
        """List where the network's code may import modules from as it is built and run."""
        places = [] if self.repository is None else [Path(self.repository)]
        if isinstance(self.network, CodeName):
            file = self.network.folder / self.network.text.partition(":")[0]
            places += [file.parent] if file.is_file() else []
            places.append(self.network.folder)
        return places

    @override
    def _read_weights(self, weights_path: StrPath) -> StateDict:
        return read_checkpoint(weights_path, self.weights_key)

    @override
    def _build_model(self) -> None:
        if isinstance(self.network, nn.Module):
            # Weights are loaded and hooks set: into a network of its own.
            self.model = copy.deepcopy(self.network)
        else:
            made = self.network
            if isinstance(made, CodeName):
                made = import_code(made, "network", self.repository)
            make = _maker(made, _named(self.network), self.network_arguments)
            self.model = _seeded(make, self.seed)
            if self.weights_path is None and self.pretrained is None:
                self._check_weights(_seeded(make, self.seed + 1))
        for layer in filter(None, (self.default_layer, self.classifier)):
            names = [name for name, _ in self.model.named_modules() if name]
            if layer not in names:
                msg = (
                    f"The network of model {self.name!r} has no layer {layer!r}."
                    f"{did_you_mean(layer, names)} facebench layers lists all {len(names)}."
                )
                raise UnknownNameError(msg)
        if self.call is not None and not callable(getattr(self.model, self.call, None)):
            names = [name for name in vars(type(self.model)) if not name.startswith("_")]
            msg = (
                f"The 'call' of model {self.name!r} must be a method of {_kind(self.model)}. "
                f"Got {self.call!r}.{did_you_mean(self.call, names)} It has: {listed(names)}."
            )
            raise InputError(msg)

    def _check_weights(self, other: nn.Module) -> None:
        """Refuse a network that is random because no weights were named."""
        drawn = dict(other.named_parameters())
        random = [
            name
            for name, own in self.model.named_parameters()
            if name not in drawn or not torch.equal(own, drawn[name])
        ]
        if random:
            msg = (
                f"Model {self.name!r} has random weights ({', '.join(random[:3])} … are drawn as "
                f"it is built). Give its 'weights', or say pretrained: false for an untrained "
                "control, or pretrained: true to take it as it is."
            )
            raise MissingWeightsError(msg)

    @override
    def _default_preprocess(self, image: Image.Image) -> torch.Tensor:
        if self.input is None:
            return super()._default_preprocess(image)
        return self.input(image)

    @override
    def _forward(self, input_tensor: torch.Tensor) -> Any:
        run = self.model if self.call is None else getattr(self.model, self.call)
        if self.default_layer is None and self.classifier is None:
            return self._picked(run(input_tensor))
        read: list[Any] = []
        if self.classifier is not None:
            module = self.model.get_submodule(self.classifier)
            # What comes later may work in place on the very memory.
            handle = module.register_forward_pre_hook(lambda _, given: read.append(_copy(given)))
        else:
            module = self.model.get_submodule(str(self.default_layer))
            handle = module.register_forward_hook(
                lambda _module, _given, output: read.append(_copy(self._picked(output)))
            )
        try:
            run(input_tensor)
        finally:
            handle.remove()
        if not read:
            layer = self.classifier or self.default_layer
            msg = f"The forward pass of model {self.name!r} never reached layer {layer!r}."
            raise LayerOutputError(msg)
        return read[-1]

    def _picked(self, result: Any) -> Any:
        """Pick the value that is meant out of those returned."""
        if self.output is None or isinstance(result, torch.Tensor):
            return result
        values = _values(result)
        if self.output not in values:
            msg = (
                f"The network of model {self.name!r} returns no 'output' {self.output!r}. It "
                f"returns {_shapes(values)}."
            )
            raise LayerOutputError(msg)
        return values[self.output]

    def _try(self) -> None:
        """Run one image: a wrong size or method shows here, rather than in the midst of a run."""
        batch: torch.Tensor | None = None
        try:
            batch = own_batch(self)
            with unchanged(self), torch.no_grad():
                set_eval(self.model)
                with _watched(self.model) as made:
                    result = self._forward(self._placed(batch))
                batch_output(result, f"The network of model {self.name!r}", 1)
        except FacebenchError:
            raise
        except Exception as error:
            shape = "an image" if batch is None else " × ".join(map(str, batch.shape[1:]))
            told = str(error).partition("\n")[0]
            msg = (
                f"The network of model {self.name!r} ({_kind(self.model)}) does not run on "
                f"{shape}: {type(error).__name__}: {told}. Is the size in 'input' the one that it "
                "was made for, and does 'call' name the method that takes images?"
            )
            raise ModelError(msg) from error
        tensors = {
            key: value
            for key, value in _values(result).items()
            if isinstance(value, torch.Tensor) and value.ndim
        }
        if self.default_layer is None and self.classifier is None:
            self._tell_classes(first_tensor(result), made)
        if self.output is None and len(set(map(id, tensors.values()))) > 1:
            _log.warning(
                "The network of model %r returns several values: %s. The first is read; output "
                "says which is meant.",
                self.name,
                _shapes(tensors),
            )

    def _tell_classes(self, result: torch.Tensor | None, made: Mapping[str, torch.Tensor]) -> None:
        """Tell what looks like scores of classes: as embeddings they would pass unnoticed."""
        for name, output in made.items():
            width = output.shape[-1]
            is_named = not _CLASSIFIERS.isdisjoint(name.lower().split("."))
            # Embeddings have a round number of values.
            is_odd = width > _FEWEST_CLASSES and width % 16 > 0
            if output is result and (is_named or is_odd):
                _log.warning(
                    "The network of model %r returns what its layer %r gives, %d numbers. If these "
                    "are scores of classes and not the embedding, classifier: %s reads what enters "
                    "that layer.",
                    self.name, name, width, name,
                )  # fmt: skip


@contextmanager
def _watched(network: nn.Module) -> Iterator[dict[str, torch.Tensor]]:
    """Keep what the linear layers of a network give as it runs, by their names."""
    made: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _given: Any, output: torch.Tensor) -> None:
            made[name] = output

        return hook

    handles = [
        module.register_forward_hook(keep(name))
        for name, module in network.named_modules()
        if name and isinstance(module, nn.Linear)
    ]
    try:
        yield made
    finally:
        for handle in handles:
            handle.remove()


def _checked_arguments(arguments: Mapping[str, Any] | None) -> dict[str, Any]:
    if arguments is not None and not isinstance(arguments, Mapping):
        msg = (
            "The 'network_arguments' must be the arguments of the network by name, as "
            f"{{embedding_size: 512}}. Got {arguments!r} instead."
        )
        raise InputError(msg)
    return dict(arguments or {})


def _maker(made: Any, named: str, arguments: Mapping[str, Any]) -> Callable[[], nn.Module]:
    """Check that what was named can be called with the arguments, and will give a network."""
    if isinstance(made, nn.Module):
        if arguments:
            msg = f"The network {named} already exists: it takes no 'network_arguments'."
            raise InputError(msg)
        return lambda: copy.deepcopy(made)
    if not callable(made):
        msg = (
            f"The 'network' must be a class or function that makes a torch.nn.Module. {named} is "
            f"{made!r:.100}."
        )
        raise InputError(msg)
    if isinstance(made, type) and not issubclass(made, nn.Module):
        msg = f"The 'network' {named} is a class that does not extend torch.nn.Module."
        raise InputError(msg)
    _check_call(made, named, arguments)

    def make() -> nn.Module:
        try:
            network = made(**arguments)
        except Exception as error:
            msg = (
                f"The network {named} cannot be built with {dict(arguments)}: "
                f"{type(error).__name__}: {error}."
            )
            raise ModelError(msg) from error
        if not isinstance(network, nn.Module):
            msg = (
                f"The network {named} must be or return a torch.nn.Module. It returned a "
                f"{type(network).__name__}."
            )
            raise ModelError(msg)
        return network

    return make


def _check_call(made: Callable[..., Any], named: str, arguments: Mapping[str, Any]) -> None:
    try:
        parameters = inspect.signature(made).parameters
    except (TypeError, ValueError):
        return
    takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    known = [key for key, one in parameters.items() if one.kind in _KEYWORD]
    for key in arguments:
        if key not in known and not takes_any:
            msg = (
                f"The network {named} takes no {key!r}.{did_you_mean(str(key), known)} The "
                f"'network_arguments' may be: {listed(known)}."
            )
            raise InputError(msg)
    missing = [
        key
        for key, one in parameters.items()
        if one.default is one.empty and one.kind not in _VARIADIC and key not in arguments
    ]
    if missing:
        msg = (
            f"The network {named} needs {listed(missing)}: give it as 'network_arguments', such as "
            f"network_arguments: {{{missing[0]}: …}}."
        )
        raise InputError(msg)


def _seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def _named(network: Any) -> str:
    if isinstance(network, CodeName):
        return repr(network.text)
    return repr(getattr(network, "__qualname__", type(network).__name__))


def _kind(network: nn.Module) -> str:
    return type(network).__name__


def _copy(value: Any) -> Any:
    tensor = first_tensor(value)
    return value if tensor is None else tensor.clone()


def _values(result: Any) -> dict[int | str, Any]:
    """Name the values of a tuple, list, mapping or named tuple, by position and by name."""
    if isinstance(result, Mapping):
        return dict(result)
    if isinstance(result, tuple | list):
        names = getattr(result, "_fields", ())
        return {**dict(enumerate(result)), **dict(zip(names, result, strict=False))}
    return {}


def _shapes(values: Mapping[Any, Any]) -> str:
    return listed(
        f"{key!r}: {list(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__}"
        for key, value in values.items()
    )
