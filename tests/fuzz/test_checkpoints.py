"""Mutated checkpoints: the weights that are in the file, or refused; none runs code."""

import gzip
import io
import json
import pickle
import random
import tarfile
import zipfile
from argparse import Namespace
from functools import cache

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from facebench import BaseModel
from support.mutation import (
    canary,
    damaged,
    fuzzed,
    hostile_pickle,
    other_pickle,
    told_or_done,
)

SUFFIXES = (".pth", ".pt", ".bin", ".ckpt", ".safetensors", "")


def network():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        nn.Linear(16, 5),
    )  # fmt: skip


class Small(BaseModel):
    def _build_model(self):
        self.model = network()

    def _forward(self, input_tensor):
        return self.model(input_tensor)


@cache
def weights():
    generator = torch.Generator().manual_seed(6)
    return {
        key: torch.rand(value.shape, generator=generator) if value.ndim else torch.tensor(3)
        for key, value in network().state_dict().items()
    }


def saved(content, **options):
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


@cache
def undamaged():
    """Save the weights in all the ways that there are."""
    state = weights()
    run = {"epoch": 3, "state_dict": state, "optimizer": {"state": {0: torch.ones(2)}}}
    wrapped = {f"module.{key}": value for key, value in state.items()}
    half = {key: value.half() for key, value in state.items()}
    rich = {"model": state, "args": Namespace(lr=0.1), "best": np.float64(0.5)}
    return [
        *map(saved, (state, run, wrapped, half, rich)),
        *(saved(x, _use_new_zipfile_serialization=False) for x in (state, run, rich)),
        save(state),
        save(half, metadata={"format": "pt"}),
    ]


@cache
def strangers():
    """Write files that hold no state dict, or whose reading would need code."""
    script = io.BytesIO()
    torch.jit.save(torch.jit.trace(network().eval(), torch.zeros(1, 3, 8, 8)), script)
    state = saved(weights())
    arrays, archive, inner = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.savez(arrays, **{key: value.numpy() for key, value in weights().items()})
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in ("storages", "tensors", "pickle"):
            tar.addfile(tarfile.TarInfo(name))
    with zipfile.ZipFile(inner, "w") as packed:
        packed.writestr("weights.pth", state)
    return [
        script.getvalue(), saved(network()), arrays.getvalue(), archive.getvalue(),
        inner.getvalue(), gzip.compress(state), pickle.dumps(weights()),
        pickle.dumps({key: value.numpy() for key, value in weights().items()}),
        b"", b"\x80\x02", b"PK\x03\x04", b"version https://git-lfs.github.com/spec/v1\n",
        b"<!DOCTYPE html><html></html>", b"\x08\x07\x12\x04onnx", b"\x89HDF\r\n\x1a\n", b"{}",
        state + b"\0" * 5000,
    ]  # fmt: skip


def other_state(rng):
    """Change the state dict itself: keys, shapes, kinds of numbers, what is beside it."""
    state = {key: value.clone() for key, value in weights().items()}
    key = rng.choice(list(state))
    change = rng.randrange(14)
    value = state[key]
    if change == 0:
        del state[key]
    elif change == 1:
        state[f"{key}.more"] = value
    elif change == 2:
        state[key] = value.reshape(-1).repeat(rng.choice([1, 2]))
    elif change == 3:
        state[key] = value.transpose(0, -1) if value.ndim > 1 else value
    elif change <= 5:
        kinds = [torch.int8, torch.int64, torch.bool, torch.complex64, torch.float64,
                 torch.bfloat16, torch.float8_e4m3fn]  # fmt: skip
        kind = rng.choice(kinds)
        state = {k: v.to(kind) if k == key or change == 5 else v for k, v in state.items()}
    elif change == 6:
        state[key] = rng.choice([None, 3, "x", [1.0], np.ones(2), {"a": value}, value.numpy()])
    elif change == 7:
        state[key] = value.to("meta")
    elif change == 8:
        state[key] = value.to_sparse() if value.ndim else value
    elif change == 9 and value.ndim:
        state[key] = torch.quantize_per_tensor(value.float(), 0.1, 0, torch.qint8)
    elif change == 10:
        state = {rng.choice([0, ("a",), b"x", "", "."]) if k == key else k: v
                 for k, v in state.items()}  # fmt: skip
    elif change == 11:
        state = {"net": state, "model": {k: v + 1 for k, v in state.items()}}
    elif change == 12:
        nested = state
        for _ in range(rng.choice([2, 5, 200])):
            nested = {"model": nested}
        state = nested
    else:
        prefix = rng.choice(["module.", "backbone.", "a.b.c.", "_orig_mod.module."])
        state = {(prefix if rng.random() < 0.9 else "") + k: v for k, v in state.items()}
    return state


def other_records(content, rng):
    """Change what is in a zip archive, under right checksums."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(records))
    pickled = next(other for other in records if other.endswith("data.pkl"))
    change = rng.randrange(6)
    if change <= 1:
        records[pickled] = other_pickle(records[pickled], rng)
    elif change == 2:
        records[pickled] = hostile_pickle(rng)
    elif change == 3:
        records[name] = damaged(records[name], rng)
    elif change == 4:
        del records[name]
    else:
        records[rng.choice(["../../CANARY", "/tmp/x", f"{name}2", "x" * 9000])] = b"text"
    stream = io.BytesIO()
    how = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    with zipfile.ZipFile(stream, "w", how) as archive:
        for record, data in records.items():
            archive.writestr(record, data)
    return stream.getvalue()


def other_header(content, rng):
    """Change the JSON header of a safetensors file."""
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    entry = header[rng.choice([key for key in header if key != "__metadata__"])]
    change = rng.randrange(6)
    if change == 0:
        entry["dtype"] = rng.choice(["F16", "I32", "BF16", "F64", "BOOL", "X", None, 3])
    elif change == 1:
        entry["shape"] = rng.choice([entry["shape"][::-1], [2**40], [-1], [], None, "x", [1.5]])
    elif change == 2:
        entry["data_offsets"] = rng.choice([[0, 2**62], [4, 0], [0], None, [-4, 4]])
    elif change == 3:
        header[rng.choice(["x" * 9000, "", "a\0b", "é"])] = dict(entry)
    elif change == 4:
        header["__metadata__"] = rng.choice([{"a": 1}, "x", [[[]]] * 9])
    else:
        data = data[: rng.randrange(len(data))]
    head = json.dumps(header).encode()
    return rng.choice([len(head), len(head), 2**63, 0]).to_bytes(8, "little") + head + data


def mutant(rng):
    kind = rng.randrange(12)
    content = rng.choice(undamaged())
    if kind == 0:
        return (
            damaged(rng.choice(strangers()), rng) if rng.random() < 0.5 else rng.choice(strangers())
        )
    if kind == 1:
        return hostile_pickle(rng)
    if kind <= 4:
        return saved(other_state(rng), _use_new_zipfile_serialization=kind > 2)
    if kind <= 6 and content.startswith(b"PK"):
        return other_records(content, rng)
    if kind <= 8 and content[8:9] == b"{":
        return other_header(content, rng)
    if kind == 7 and content.startswith(b"\x80"):
        # The old format is five pickles, then the numbers.
        return damaged(content[: len(content) // 2], rng) + content[len(content) // 2 :]
    if kind == 9:
        return content
    return damaged(content, rng, rng.choice(undamaged()))


class Plain(pickle.Unpickler):
    """Reads pickles of tensors and arrays, by the libraries' own functions and no others."""

    def find_class(self, module, name):
        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return lambda part: torch.load(io.BytesIO(part), weights_only=True)
        known = ("_rebuild_tensor_v2", "OrderedDict", "_reconstruct", "ndarray", "dtype", "encode")
        if name not in known or module.partition(".")[0] not in (
            "torch", "collections", "numpy", "_codecs"
        ):  # fmt: skip
            raise pickle.UnpicklingError(name)
        return super().find_class(module, name)


def tensors_in(content):
    """Find every tensor of a mutated file by other readers; none where they refuse it."""
    try:
        if content[8:9] == b"{":
            return list(load(content).items())
        if content.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                if archive.testzip() is not None:
                    return []
        from numpy._core.multiarray import _reconstruct, scalar

        kinds = [type(np.dtype(kind)) for kind in (np.float32, np.float64, np.int64)]
        layers = {type(module) for module in network().modules()}
        safe = [Namespace, scalar, _reconstruct, np.ndarray, np.dtype, *kinds, *layers]
        with torch.serialization.safe_globals(safe):
            found = [torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)]
    except Exception:
        try:
            found = [Plain(io.BytesIO(content)).load()]
        except Exception:
            return []
    tensors = []
    while found:
        item = found.pop()
        item = item.state_dict() if isinstance(item, nn.Module) else item
        for key, value in item.items() if isinstance(item, dict) else ():
            if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                tensors.append((str(key), torch.from_numpy(value.copy())))
            elif isinstance(value, torch.Tensor):
                tensors.append((str(key), value))
            else:
                found.append(value)
    return tensors


@pytest.mark.filterwarnings("ignore")
@fuzzed(in_ci=80)
def test_checkpoints(seed, tmp_path):
    rng = random.Random(f"checkpoints {seed}")
    path = tmp_path / f"mutated{rng.choice(SUFFIXES)}"
    content = mutant(rng)
    path.write_bytes(content)
    with canary(tmp_path):
        model = told_or_done(lambda: Small("m", path, device="cpu"), path.name)
    if model is None:
        # What is called safetensors is read as nothing else.
        assert content not in undamaged() or path.suffix == ".safetensors"
        return
    # What stands beside the weights may be damaged so that other readers give all up.
    found = tensors_in(content) or list(weights().items())
    for name, weight in model.model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        meant = [value for key, value in found if key.endswith(name) and value.is_floating_point()]
        assert any(
            (value.shape == weight.shape and torch.equal(value.to_dense().float(), weight))
            or (value.isnan().any() and weight.isnan().any())
            for value in meant
        ), name
