"""Hostile pickles: whatever they name, nothing is called, changed or imported."""

import collections
import os
import pickle
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from facebench.models.inert_pickles import Inert, read_inertly


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def named(module, name):
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def write(path, content):
    path.write_bytes(b"\x80\x02" + content + b".")
    return path


def attempt(path):
    """Read a file; what is in it, or the error that ends it."""
    try:
        return read_inertly(path)
    except Exception as error:
        return error


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (os.mkdir, ("ran",)),
        (os.system, ("touch ran",)),
        (Path.touch, (Path("ran"),)),
        (exec, ("open('ran', 'w')",)),
        (eval, ("open('ran', 'w')",)),
        (open, ("ran", "w")),
        (__import__, ("antigravity",)),
        (print, ("ran",)),
        (torch.hub.load, ("someone/repository", "model")),
        (torch.load, ("other.pth",)),
        (torch.save, (torch.ones(1), "ran")),
        (np.save, ("ran", np.ones(1))),
        (np.load, ("other.npy", "r", True)),
        (nn.Linear, (3, 4)),
        (collections.namedtuple, ("A", "b")),
    ],
)
def test_no_function_is_called(tmp_path, monkeypatch, function, arguments, old):
    monkeypatch.chdir(tmp_path)
    content = {"w": torch.ones(2), "beside": Calls(function, *arguments)}
    torch.save(content, "evil.pth", _use_new_zipfile_serialization=not old)
    found = attempt(Path("evil.pth"))
    assert not Path("ran").exists()
    if isinstance(found, pickle.UnpicklingError):
        # What can only do harm is refused by name.
        assert "GLOBAL" in str(found)
    else:
        assert torch.equal(found["w"], torch.ones(2))
        assert isinstance(found["beside"], Inert)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("torch._utils", "_rebuild_tensor_v2"),
        ("torch._utils", "_rebuild_parameter"),
        ("collections", "OrderedDict"),
        ("torch", "Size"),
        ("torch", "float32"),
        ("builtins", "set"),
        ("builtins", "getattr"),
        ("numpy", "dtype"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("facebench.models.inert_pickles", "Inert"),
        ("torch.nn", "Module"),
    ],
)
@pytest.mark.parametrize("slots", [False, True])
def test_what_is_named_cannot_be_changed(tmp_path, module, name, slots):
    # BUILD sets attributes: of a function or class, they would outlive the file.
    state = b"}" + text("poison") + b"K\x01s"
    content = named(module, name) + (b"N" + state + b"\x86" if slots else state) + b"b"
    attempt(write(tmp_path / "evil.pkl", content))
    for home in (torch._utils, collections, torch, set, np, Inert, nn.Module, nn.Module.forward):
        assert not hasattr(getattr(home, name, home), "poison")
    assert not hasattr(Inert, "poison")
    assert not hasattr(Inert(), "poison")


def test_names_with_dots_lead_nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dotted = b"\x80\x04\x8c\x05torch\x8c\x0enn.os.mkdir.no\x93\x8c\x03ran\x85R."
    Path("evil.pkl").write_bytes(dotted)
    assert isinstance(attempt(Path("evil.pkl")), Inert)
    Path("evil.pkl").write_bytes(b"(S'ran'\nishutil\nmove\n.")
    assert isinstance(attempt(Path("evil.pkl")), pickle.UnpicklingError)
    assert not Path("ran").exists()


def test_a_module_is_not_imported(tmp_path, monkeypatch):
    (tmp_path / "its_own_code.py").write_text("open('ran', 'w')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    found = attempt(write(tmp_path / "evil.pkl", named("its_own_code", "Net") + b")\x81"))
    assert isinstance(found, Inert)
    assert "its_own_code" not in sys.modules
    assert not Path("ran").exists()


def test_source_that_old_files_carry_is_not_written(tmp_path, monkeypatch):
    # torch.load of whole networks compares sources, and may write a patch of any name.
    monkeypatch.chdir(tmp_path)
    parts = [
        pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    ]
    kind = named("x", "../ran")
    poisoned = kind + b"N}" + text("dump_patches") + b"\x88s\x86b0"
    saved = b"(" + text("module") + kind + text("source.py") + text("code") + b"tQ"
    content = b"".join(parts) + b"\x80\x02" + poisoned + saved + b"." + pickle.dumps([], 2)
    Path("evil.pth").write_bytes(content)
    attempt(Path("evil.pth"))
    assert [path.name for path in tmp_path.iterdir()] == ["evil.pth"]
    assert not list(tmp_path.parent.glob("*.patch"))


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        {"offset": 10**9},
        {"offset": -1},
        {"size": (10**9, 10**9)},
        {"size": (-1,)},
        {"stride": (10**12,)},
        {"stride": (-1,)},
    ],
)
def test_a_tensor_stays_within_its_numbers(tmp_path, monkeypatch, change, old):
    class Reaching:
        def __init__(self, storage, **given):
            self.parts = {"offset": 0, "size": (4,), "stride": (1,), **given}
            self.storage = storage

        def __reduce__(self):
            arguments = (self.storage, *self.parts.values(), False, collections.OrderedDict())
            return torch._utils._rebuild_tensor_v2, arguments

    storage = torch.arange(4.0).storage()
    torch.save({"w": Reaching(storage, **change)}, tmp_path / "w.pth",
               _use_new_zipfile_serialization=not old)  # fmt: skip
    assert isinstance(attempt(tmp_path / "w.pth"), Exception)


def test_a_container_in_itself_and_a_bomb_of_lists(tmp_path):
    endless = {"w": np.ones(2)}
    endless["self"] = endless
    (tmp_path / "endless.pkl").write_bytes(pickle.dumps(endless))
    assert attempt(tmp_path / "endless.pkl")["w"].tolist() == [1, 1]
    bomb = [np.ones(1)]
    for _ in range(60):
        bomb = [bomb, bomb]
    (tmp_path / "bomb.pkl").write_bytes(pickle.dumps({"bomb": bomb}))
    assert set(attempt(tmp_path / "bomb.pkl")) == {"bomb"}


@pytest.mark.parametrize("kind", ["O", "U3", "V8", "M8[s]"])
def test_arrays_of_anything_but_numbers_are_no_tensors(tmp_path, kind):
    array = np.zeros(2, kind) if kind != "O" else np.array([{}, []], object)
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({"a": array, "w": np.ones(2)}))
    found = attempt(tmp_path / "w.pkl")
    assert not isinstance(found, dict) or not isinstance(found["a"], torch.Tensor)
