"""Which engine runs a network: torch as it is, or its graph in another one."""

from __future__ import annotations

from importlib import metadata
from typing import Any, Literal, TypeAlias, get_args

import torch

from facebench.errors import InputError, ModelError
from facebench.utils.extras import import_extra

__all__ = ["Accelerate", "check_acceleration", "engine_version", "nnpack_is_available"]

Accelerate: TypeAlias = Literal["onnxruntime", "openvino", "winograd", "compile", "none"]

# Engine → the packages that it needs, and the extra that installs them.
_NEEDS = {
    "onnxruntime": (("onnx", "onnxruntime", "onnxscript"), "onnx"),
    "openvino": (("openvino",), "openvino"),
}
# Those that torch brings, with the version of facebench's own part.
_OF_TORCH = {"compile": "torch.compile {}", "winograd": "winograd 1 (torch {})"}


def check_acceleration(accelerate: Any) -> Accelerate:
    """Check the name of an engine, and that it is installed.

    Returns
    -------
    {'onnxruntime', 'openvino', 'winograd', 'compile', 'none'}

    Raises
    ------
    InputError
        If it is another name.
    ModelError
        If something that it needs is missing; the message says how to install it.

    Examples
    --------
    >>> check_acceleration("none")
    'none'
    """
    if isinstance(accelerate, str) and "int8" in accelerate.lower():
        msg = (
            f"'accelerate' does not quantise networks: {accelerate!r} would give other numbers. "
            "Give a network that was quantised beforehand as a model with a name of its own "
            "('model: onnx')."
        )
        raise InputError(msg)
    if accelerate not in get_args(Accelerate):
        wanted = ", ".join(map(repr, get_args(Accelerate)))
        msg = f"'accelerate' must be one of {wanted}. Got {accelerate!r} instead."
        raise InputError(msg)
    if accelerate == "winograd" and not nnpack_is_available():
        msg = (
            "'accelerate: winograd' needs NNPACK, which this torch or this processor does not "
            "have. Choose another engine."
        )
        raise ModelError(msg)
    packages, extra = _NEEDS.get(accelerate, ((), ""))
    for package in packages:
        import_extra(package, extra, f"'accelerate: {accelerate}'")
    checked: Accelerate = accelerate
    return checked


def engine_version(engine: Accelerate) -> str:
    """Give the name and version of an engine, such as 'openvino 2026.4.1'; '' for 'none'.

    Examples
    --------
    >>> engine_version("none")
    ''
    """
    if engine == "none":
        return ""
    if engine in _OF_TORCH:
        return _OF_TORCH[engine].format(torch.__version__.partition("+")[0])
    return f"{engine} {metadata.version(engine)}"


def nnpack_is_available() -> bool:
    """Tell whether this torch has NNPACK, and the processor what it needs; makes it ready."""
    available: bool = torch.backends.nnpack.is_available()  # type: ignore[no-untyped-call]
    return available
