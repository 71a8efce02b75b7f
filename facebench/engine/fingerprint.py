"""What determines a model's embeddings of an image, so that they are found again, and only then."""

from __future__ import annotations

import hashlib
import io
import json
import pickletools
import re
import sys
import types
import warnings
import weakref
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import torch
import xxhash
from PIL import Image
from torch import fx, nn

from facebench.data.images import open_image
from facebench.engine.code_identity import (
    Identifier,
    Unidentified,
    declared_fingerprint,
    is_ours,
    names_used,
    package_version,
    replaced_in,
)
from facebench.engine.outside import outside_of_function, outside_of_model, outside_of_network
from facebench.faces.detection import Detector
from facebench.models.base import BaseModel
from facebench.models.tapped import Tap
from facebench.store.database import FORMAT

__all__ = ["ModelFingerprint", "model_fingerprint", "running"]

# What a model is called, where it is and which layers are asked for does not change a layer's
# output; the network and the preprocessing are distinguished by themselves.
_NOT_SETTINGS = {
    "name",
    # Part of the key of itself, with its version: see `ModelCache`.
    "acceleration",
    "citations",
    "control",
    "series",
    # Part of the preprocessing, see `BaseModel.alignment_key`; what it is made of is not.
    "face_aligner",
    "template",
    "hint_column",
    "on_no_face",
    # What decides `align`, which counts itself.
    "aligns_by_default",
    "device",
    "weights_path",
    "extract_layers",
    "facts",
    "memory_format",
    "model",
    "preprocess_function",
    # Members of an ensemble count by fingerprints of their own; what embeddings are fitted on
    # changes them after they are stored.
    "members",
    "fitting",
}
_HOW = (
    "To have them kept, declare a text that you change whenever the code, or what it reads, "
    "changes: {}."
)
_HOW_FUNCTION = "preprocess_function.fingerprint = 'my-crop v1'"
_HOW_MODEL = "fingerprint = 'my-network v1' in the model's class, or model.fingerprint = …"
_TRANSFORMING = (
    *("PIL.Image", "PIL.ImageOps", "torchvision.transforms.functional"),
    *("torchvision.transforms._functional_pil", "torchvision.transforms.v2.functional"),
)
# Attributes that `BaseModel` makes for itself.
_OF_THE_BASE = {"_image_notes", "_recorder"}
_MACHINERY = frozenset(vars(nn.Module())) | {"training"}
# TorchScript numbers the types of a process.
_MANGLED = re.compile(r"\.?___torch_mangle_\d+")
# Classes of these are told by their version; what they keep to themselves follows from the rest.
_KNOWN = ("torch", "torchvision", "transformers")


@dataclass(frozen=True)
class ModelFingerprint:
    """What determines a model's embeddings, besides the image.

    Attributes
    ----------
    weights : str
        Digest of all parameters and buffers in memory: names, shapes, types and values.
    settings : str
        Digest of the model's class, its settings, and the network's structure and code.
    preprocessing : str or None
        Digest of the preprocessing; None where it, or the model, cannot be distinguished from
        others: then nothing may be kept.
    why : str
        Where `preprocessing` is None: what is unknown, and how to declare it.
    """

    weights: str
    settings: str
    preprocessing: str | None
    why: str = ""

    def layer_key(
        self, layer: str, pooling: str = "flatten", dtype: str = "float32", extra: str = ""
    ) -> str:
        """Give the key under which a layer's rows are kept.

        Parameters
        ----------
        layer : str
            As in ``named_modules()``, or 'default'.
        pooling : str, default 'flatten'
            How the layer's output becomes a row.
        dtype : str, default 'float32'
            What rows are kept as.
        extra : str, optional
            Everything else that changes numbers: autocast, device type.

        Raises
        ------
        ValueError
            If the preprocessing is unknown.
        """
        if self.preprocessing is None:
            raise ValueError(self.why)
        parts = [self.weights, self.settings, self.preprocessing, layer, pooling, dtype, extra]
        return _digest(["layer", FORMAT, *parts])

    @property
    def notes_key(self) -> str:
        """The key under which remarks of the preprocessing are kept."""
        if self.preprocessing is None:
            raise ValueError(self.why)
        return _digest(["notes", FORMAT, self.settings, self.preprocessing])


def model_fingerprint(model: BaseModel) -> ModelFingerprint:
    """Tell what determines a model's embeddings.

    The versions of Pillow, torch, torchvision and transformers count to the minor one, those of
    other packages in whole. A declared fingerprint (a text, as attribute `fingerprint` of the
    model or of a callable) stands for the code and the attributes it is given to; weights, simple
    settings and the network always count.

    Parameters
    ----------
    model : BaseModel
        As it is in memory now.
    """
    weights = _weights(model)
    how = _HOW_MODEL
    try:
        settings = _digest(_settings(model))
        if declared_fingerprint(model) is None:
            how = _HOW_FUNCTION
        preprocessing = _digest(_preprocessing(model))
    except Unidentified as error:
        why = f"The embeddings of model {model.name!r} are not kept: {error}. {_HOW.format(how)}"
        return ModelFingerprint(weights, "", None, why)
    return ModelFingerprint(weights, settings, preprocessing)


def _preprocessing(model: BaseModel) -> Any:
    libraries = [package_version(name) for name in ("PIL", "torch", "torchvision")]
    decoding = Identifier().describe(open_image)
    aligner, aligning = model.active_aligner, []
    if key := model.alignment_key:
        own = [] if aligner is None else detector_code(aligner.detector)
        aligning = [["aligned", key, *own]]
    places = [sys.modules[name] for name in _TRANSFORMING if name in sys.modules]
    if replaced := replaced_in([*places, Image.Image], Identifier()):
        aligning.append(["replaced", replaced])
    function = model.preprocess_function
    if function is None:
        # The class and its attributes, which are among the settings, hold the rest.
        return ["default", libraries, decoding, *aligning]
    try:
        described = Identifier().describe(function)
        outside = outside_of_function(function) if declared_fingerprint(function) is None else []
    except Unidentified as error:
        msg = f"what its preprocess_function does is unknown ({error})"
        raise Unidentified(msg) from None
    return ["function", libraries, decoding, described, outside, *aligning]


def detector_code(detector: Detector) -> list[str]:
    """Digest the code of a detector that is not facebench's, which its `identity` may forget.

    Returns
    -------
    list of str
        One, or none for facebench's, and where the code uses what cannot be looked into: its
        `identity` stands for it.
    """
    kind = detector if isinstance(detector, types.FunctionType) else type(detector)
    if is_ours(kind.__module__):
        return []
    try:
        return [_digest(Identifier().describe(kind))]
    except Unidentified:
        return []


def _settings(model: BaseModel) -> Any:
    kind = type(model)
    declared = declared_fingerprint(model)
    code: Any
    if declared is None:
        try:
            code = [Identifier().describe(kind), outside_of_model(model)]
        except Unidentified as error:
            msg = f"what its class {kind.__name__} does is unknown ({error})"
            raise Unidentified(msg) from None
    else:
        up_to_base = kind.__mro__[: kind.__mro__.index(BaseModel) + 1]
        ours = [part for part in up_to_base if part.__module__.startswith("facebench.")]
        code = ["declared", declared, kind.__name__, [Identifier().describe(part) for part in ours]]
    attributes = []
    state = _state_of(model).changed
    for name, value in sorted(_attributes(model).items()):
        try:
            described = Identifier().describe(value)
            before, after = state.get(name, (None, None))
            attributes.append([name, before if described == after else described])
        except Unidentified as error:
            if declared is None:
                msg = f"what its attribute {name!r} does is unknown ({error})"
                raise Unidentified(msg) from None
    networks = [[name, _network(part, declared)] for name, part in _networks(model)]
    return [code, attributes, networks, *_members(model), *_of_the_process(model)]


def _of_the_process(model: BaseModel) -> list[Any]:
    """Describe what other code changed in torch, or in a network's package, in this process.

    Raises
    ------
    Unidentified
        If it cannot be looked into.
    """
    identifier = Identifier()
    every = nn.modules.module
    hooks = _hooks(every._global_forward_hooks, every._global_forward_pre_hooks, identifier)
    kinds = {
        kind
        for _, network in _networks(model)
        for module in network.modules()
        for kind in type(module).__mro__
    }
    modules = {sys.modules.get(kind.__module__) for kind in kinds} | {torch, nn.functional}
    places = [*kinds, torch.Tensor, *(module for module in modules if module is not None)]
    changed = [*hooks, *replaced_in(places, identifier), *_modes(model)]
    return [["process", *changed]] if changed else []


def _modes(model: BaseModel) -> list[str]:
    """Name settings of torch that round otherwise than it does by itself."""
    found = []
    if torch.get_default_dtype() != torch.float32:
        found.append(f"default {torch.get_default_dtype()}")
    if torch.is_autocast_enabled(model.device.type):
        found.append(f"autocast {torch.get_autocast_dtype(model.device.type)}")
    for name in ("matmul", "conv", "rnn"):
        # Versions of torch before 2.9 have no such setting.
        rounding = getattr(getattr(torch.backends.mkldnn, name, None), "fp32_precision", "none")
        if rounding not in ("none", "ieee"):
            found.append(f"{name} {rounding}")
    return found


def _members(model: BaseModel) -> list[list[str]]:
    """Describe the members of an ensemble."""
    found = []
    for member in getattr(model, "members", ()):
        own = model_fingerprint(member)
        if own.preprocessing is None:
            msg = f"its member {member.name!r}: {own.why}"
            raise Unidentified(msg)
        found.append([own.weights, own.settings, own.preprocessing, *member.extract_layers])
    return found


@dataclass
class _RunState:
    """What is known of a model besides its attributes.

    Attributes
    ----------
    changed : dict
        Attribute that running changed → what it was before, and what it was afterwards.
    is_told : bool
        Whether the log says that its embeddings are not kept.
    """

    changed: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    is_told: bool = False


# By identity: a user's model may define what makes two of them equal.
_states: dict[int, _RunState] = {}


def _state_of(model: BaseModel) -> _RunState:
    if id(model) not in _states:
        _states[id(model)] = _RunState()
        weakref.finalize(model, _states.pop, id(model), None)
    return _states[id(model)]


def tell_once(model: BaseModel) -> bool:
    """Say whether it is yet to be told that a model's embeddings are not kept."""
    state = _state_of(model)
    is_new, state.is_told = not state.is_told, True
    return is_new


@contextmanager
def running(model: BaseModel) -> Iterator[None]:
    """Tell what a model counts or remembers while it runs from its settings.

    An attribute that the run itself changes (a counter of batches, say) keeps counting as what
    it was before, until it is changed again.

    Parameters
    ----------
    model : BaseModel
        The model that runs in the block.
    """
    before = _described(model)
    try:
        with ExitStack() as members:
            for member in getattr(model, "members", ()):
                members.enter_context(running(member))
            yield
    finally:
        state = _state_of(model).changed
        for name, after in _described(model).items():
            if name in before and before[name] != after:
                first, last = state.get(name, (None, None))
                state[name] = (first if last == before[name] else before[name], after)


def _described(model: BaseModel) -> dict[str, Any]:
    described = {}
    for name, value in _attributes(model).items():
        with suppress(Unidentified):
            described[name] = Identifier().describe(value)
    return described


def _attributes(model: BaseModel) -> dict[str, Any]:
    """Give the attributes that the model's own methods may depend on.

    A class names in `built_from` attributes of which only its `_build_model` makes use: what comes
    of them is in the network and the preprocessing.
    """
    used: set[str] = set()
    only_built_from: set[str] = set()
    for part in type(model).__mro__:
        if part in (BaseModel, object):
            continue
        own = vars(part).get("built_from", ())
        only_built_from.update(own)
        for member in vars(part).values():
            for function in _functions_of(member):
                used |= names_used(function.__code__).difference(own)
    return {
        name: value
        for name, value in vars(model).items()
        if name not in _NOT_SETTINGS
        and name != "fingerprint"
        and name not in only_built_from - used
        and not isinstance(value, nn.Module | torch.Tensor)
        and (name not in _OF_THE_BASE or name in used)
    }


def _functions_of(member: Any) -> list[types.FunctionType]:
    """Give the functions in a class's member: its own, and those that it decorates."""
    found = [member] if isinstance(member, types.FunctionType) else []
    for name in ("fget", "__func__", "func", "__wrapped__"):
        inner = getattr(member, name, None)
        if inner is not None and inner is not member:
            found += _functions_of(inner)
    return found


def _networks(model: BaseModel) -> list[tuple[str, nn.Module]]:
    return [(name, part) for name, part in vars(model).items() if isinstance(part, nn.Module)]


def _network(network: nn.Module, declared: str | None) -> Any:
    """Describe a network's structure and the code of its modules."""
    identifier = Identifier()
    described = []
    for name, module in network.named_modules():
        if isinstance(module, Tap):
            # It computes nothing, and which ones there are depends on the layers asked for.
            continue
        said = declared_fingerprint(module)
        try:
            described.append([name, said, module.extra_repr(), _module(module, identifier)])
        except Unidentified as error:
            if said is None and declared is None:
                where = f"its module {name!r}" if name else "its network"
                msg = f"what {where} ({type(module).__name__}) does is unknown: {error}"
                raise Unidentified(msg) from None
            described.append([name, said, module.extra_repr()])
    return described


def _module(module: nn.Module, identifier: Identifier) -> Any:
    kind = type(module)
    # The attributes of well-known modules are in their extra_repr and configuration.
    is_known = kind.__module__.partition(".")[0] in _KNOWN
    own = []
    for attribute, value in sorted(vars(module).items()):
        replaces = callable(value) and hasattr(kind, attribute)
        if attribute in _MACHINERY or (is_known and _says_nothing(attribute) and not replaces):
            continue
        try:
            own.append([attribute, identifier.describe(value)])
        except Unidentified as error:
            # What replaces a method of a well-known class is not the class's.
            is_hidden = isinstance(value, torch.ScriptObject)
            if not is_known or is_hidden or hasattr(kind, attribute):
                msg = f"its attribute {attribute!r}: {error}"
                raise Unidentified(msg) from None
    if is_known and kind._save_to_state_dict is not nn.Module._save_to_state_dict:
        own.append(["saved", _saved(module, identifier)])
    hooks = _hooks(module._forward_hooks, module._forward_pre_hooks, identifier)
    code: Any
    if isinstance(module, fx.GraphModule):
        code = _graph(module, identifier)
    elif isinstance(module, torch.jit.ScriptModule):
        code = _script(module)
        own = []
    else:
        code = identifier.describe(kind)
    return [code, own, hooks, outside_of_network(module)]


def _saved(module: nn.Module, identifier: Identifier) -> Any:
    """Describe what a module saves besides parameters and buffers, such as quantized weights."""
    saved: dict[str, Any] = {}
    module._save_to_state_dict(saved, "", keep_vars=True)
    counted = {*module._parameters, *module._buffers}
    return [
        [name, identifier.describe(value)]
        for name, value in sorted(saved.items())
        if name not in counted
    ]


def _hooks(
    after: dict[int, Callable[..., Any]],
    before: dict[int, Callable[..., Any]],
    identifier: Identifier,
) -> list[Any]:
    """Describe hooks, other than facebench's own."""
    return [
        identifier.describe(hook)
        for hook in (*after.values(), *before.values())
        if not getattr(hook, "__module__", "").startswith("facebench.")
    ]


def _says_nothing(attribute: str) -> bool:
    """Tell whether a well-known module's attribute is its own affair, or where it comes from."""
    return attribute.startswith("_") or attribute == "name_or_path"


def _graph(module: fx.GraphModule, identifier: Identifier) -> Any:
    """Describe a traced graph: its class is made for it, and of no file."""
    called = [
        str(node.target)
        if isinstance(node.target, str) or type(node.target).__module__.startswith("torch.")
        else identifier.describe(node.target)
        for node in module.graph.nodes
    ]
    return ["graph", module.code, called]


def _script(module: torch.jit.ScriptModule) -> Any:
    """Describe what TorchScript would save of a module: its code and constants."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # That TorchScript is out of date is the user's concern where they make it.
        warnings.simplefilter("ignore")
        torch.jit.save(module, buffer)
    parts = []
    with zipfile.ZipFile(buffer) as saved:
        for item in sorted(saved.namelist()):
            _, _, name = item.partition("/")
            if name.startswith("code/") and name.endswith(".py"):
                parts.append(_MANGLED.sub("", saved.read(item).decode()))
            elif name == "data.pkl":
                parts.append(json.dumps(_pickled(saved.read(item))))
            elif name.startswith("constants"):
                parts.append(hashlib.sha256(saved.read(item)).hexdigest())
    return ["script", sorted(parts)]


def _pickled(data: bytes) -> list[Any]:
    """List the steps of a pickle of TorchScript, which hold the values of attributes."""
    steps: list[Any] = []
    places: set[Any] = set()
    is_mode = False
    for step, argument, _ in pickletools.genops(data):
        text = argument if isinstance(argument, str) else repr(argument)
        if is_mode and step.name in ("BINPUT", "LONG_BINPUT"):
            places.add(argument)
        elif is_mode and step.name in ("NEWTRUE", "NEWFALSE"):
            # A run puts every module into eval mode.
            is_mode = False
            continue
        else:
            is_mode = text == "training" or (step.name.endswith("BINGET") and argument in places)
        steps.append([step.name, _MANGLED.sub("", text)])
    return steps


def _weights(model: BaseModel) -> str:
    digest = xxhash.xxh3_128()
    loose = [(name, part) for name, part in vars(model).items() if isinstance(part, torch.Tensor)]
    for owner, network in _networks(model):
        loose += [
            (f"{owner}.{name}", tensor)
            for tensors in (network.named_parameters, network.named_buffers)
            for name, tensor in tensors(remove_duplicate=False)
        ]
    for name, tensor in loose:
        digest.update(f"{name} {list(tensor.shape)} {tensor.dtype};".encode())
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_conj():
            digest.update(json.dumps(Identifier().describe(tensor)).encode())
            continue
        # Memory formats such as channels_last hold the same values in another order.
        values = tensor.detach().cpu().contiguous().reshape(-1)
        if values.numel():
            digest.update(values.view(torch.uint8).numpy().data)
    return str(digest.hexdigest())


def _digest(described: Any) -> str:
    text = json.dumps(described, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()
