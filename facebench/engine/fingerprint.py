"""What determines a model's embeddings of an image, so that they are found again, and only then."""

from __future__ import annotations

import hashlib
import json
import types
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
import xxhash
from torch import nn

from facebench.engine.code_identity import Identifier, Unidentified, names_used, package_version
from facebench.models.base import BaseModel
from facebench.store.database import FORMAT

__all__ = ["ModelFingerprint", "model_fingerprint", "running"]

# What a model is called, where it is and which layers are asked for does not change a layer's
# output; the network and the preprocessing are told apart on their own.
_NOT_SETTINGS = {
    "name",
    "control",
    "device",
    "weights_path",
    "extract_layers",
    "memory_format",
    "model",
    "preprocess_function",
}
# Where a model keeps what its attributes were before running changed them.
_RUN_STATE = "_facebench_run_state"
_HOW = (
    "To have its embeddings kept, give the callable an attribute that you change with it "
    "(preprocess_function.fingerprint = 'my-crop v1'), or the model one (model.fingerprint = ...)."
)


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
        Digest of the preprocessing; None where it, or the model, cannot be told apart from
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
            Whatever else changes numbers: autocast, device type.

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

    Returns
    -------
    ModelFingerprint
    """
    weights = _weights(model)
    try:
        settings = _digest(_settings(model))
        preprocessing = _digest(_preprocessing(model))
    except Unidentified as error:
        why = f"The embeddings of model {model.name!r} are not kept: {error}. {_HOW}"
        return ModelFingerprint(weights, "", None, why)
    return ModelFingerprint(weights, settings, preprocessing)


def _preprocessing(model: BaseModel) -> Any:
    libraries = [package_version(name) for name in ("PIL", "torch", "torchvision")]
    if model.preprocess_function is None:
        # The class and its attributes, which are among the settings, hold the rest.
        return ["default", libraries]
    try:
        function = Identifier().describe(model.preprocess_function)
    except Unidentified as error:
        msg = f"what its preprocess_function does is unknown ({error})"
        raise Unidentified(msg) from None
    return ["function", libraries, function]


def _settings(model: BaseModel) -> Any:
    identifier = Identifier()
    kind = type(model)
    declared = getattr(model, "fingerprint", None)
    if isinstance(declared, str):
        code: Any = ["declared", declared, f"{kind.__module__}.{kind.__qualname__}"]
    else:
        code = [
            [f"{part.__module__}.{part.__qualname__}", identifier.describe(part)]
            for part in kind.__mro__
            if part is not object
        ]
    attributes = []
    state = vars(model).get(_RUN_STATE, {})
    for name, value in sorted(_attributes(model).items()):
        try:
            described = Identifier().describe(value)
            before, after = state.get(name, (None, None))
            attributes.append([name, before if described == after else described])
        except Unidentified as error:
            if not isinstance(declared, str):
                msg = f"what its attribute {name!r} does is unknown ({error})"
                raise Unidentified(msg) from None
    return [code, attributes, [[name, _network(part)] for name, part in _networks(model)]]


@contextmanager
def running(model: BaseModel) -> Iterator[None]:
    """Tell what a model counts or remembers while it runs from its settings.

    An attribute that the run itself changes (a counter of batches, say) goes on counting as what
    it was before, until somebody else changes it.

    Parameters
    ----------
    model : BaseModel
        The model that runs in the block.
    """
    before = _described(model)
    try:
        yield
    finally:
        state = vars(model).setdefault(_RUN_STATE, {})
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
    """Give the attributes that the model's own methods may depend on."""
    used: set[str] = set()
    for part in type(model).__mro__[: type(model).__mro__.index(BaseModel)]:
        for member in vars(part).values():
            function = getattr(member, "fget", None) or getattr(member, "__func__", member)
            if isinstance(function, types.FunctionType):
                used |= names_used(function.__code__)
    return {
        name: value
        for name, value in vars(model).items()
        if name not in _NOT_SETTINGS
        and name != "fingerprint"
        and not isinstance(value, nn.Module | torch.Tensor)
        # What begins with an underscore and is not used is machinery of the base class.
        and (not name.startswith("_") or name in used)
    }


def _networks(model: BaseModel) -> list[tuple[str, nn.Module]]:
    return [(name, part) for name, part in vars(model).items() if isinstance(part, nn.Module)]


def _network(network: nn.Module) -> Any:
    """Describe a network's structure and the code of its modules."""
    identifier = Identifier()
    described = []
    for name, module in network.named_modules():
        kind = type(module)
        # The attributes of well-known modules are in their extra_repr and configuration.
        is_known = kind.__module__.partition(".")[0] in ("torch", "torchvision", "transformers")
        own = []
        for attribute, value in sorted(vars(module).items()):
            if attribute.startswith("_") or attribute == "training":
                continue
            try:
                own.append([attribute, identifier.describe(value)])
            except Unidentified as error:
                if not is_known:
                    msg = f"what {attribute!r} of its module {name!r} does is unknown ({error})"
                    raise Unidentified(msg) from None
        hooks = [
            identifier.describe(hook)
            for hook in (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
            if not getattr(hook, "__module__", "").startswith("facebench.")
        ]
        described.append([name, identifier.describe(kind), module.extra_repr(), own, hooks])
    return described


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
        # Memory formats such as channels_last hold the same values in another order.
        values = tensor.detach().cpu().contiguous().reshape(-1)
        if values.numel():
            digest.update(values.view(torch.uint8).numpy().data)
    return str(digest.hexdigest())


def _digest(described: Any) -> str:
    text = json.dumps(described, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()
