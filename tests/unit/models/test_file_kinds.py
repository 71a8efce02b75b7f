"""What is given as weights and is none: told by its first bytes, never by its name."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from facebench.errors import WeightsError
from facebench.models.checkpoints import read_checkpoint


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".onnx", ""])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html><title>Quota exceeded</title></html>", "HTML page"),
        (b"\n  <HTML><head>", "HTML page"),
        (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "XML file"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\n",
            "Git LFS pointer",
        ),
        (b"\x08\x08\x12\x07pytorch\x1a\x051.9.0" + bytes(300), "ONNX"),
        (b"\x89HDF\r\n\x1a\n" + bytes(300), "HDF5"),
        (bytes(512) + b"\x89HDF\r\n\x1a\n" + bytes(300), "HDF5"),
        (bytes(5000), "zero bytes.*Download it again"),
        (b"lmgg" + bytes(60), "GGML"),
        (b"\x93NUMPY\x01\x00" + bytes(80), "NumPy array"),
        (b"\x1f\x8b\x08" + bytes(80), "gzip archive"),
        (b'{"metadata": {"total_size": 3}}', "JSON file"),
        (b"Not found", "a text that begins 'Not found'"),
        (b"\x1c\x00\x00\x00TFL3" + bytes(80), "TensorFlow Lite"),
        (b"PK\x03\x04abc", "damaged or incomplete zip archive"),
    ],
)
def test_foreign_files_are_named(tmp_path: Path, content: bytes, told: str, suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=told) as caught:
        read_checkpoint(path)
    assert "pickle" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_archives_are_named_by_what_is_in_them(tmp_path: Path) -> None:
    torch.jit.script(nn.Linear(2, 2)).save(str(tmp_path / "script"))
    np.savez(tmp_path / "arrays", a=np.zeros(3))
    with tarfile.open(tmp_path / "tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("model.pth"), io.BytesIO())
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("weights/model.pth", b"")
    for name, told in (
        ("script", "a TorchScript archive"),
        ("arrays.npz", "NumPy arrays"),
        ("tar", r"a tar archive \(of model.pth\)"),
        ("zip", r"a zip archive \(of weights/model.pth\)"),
    ):
        with pytest.raises(WeightsError, match=told) as caught:
            read_checkpoint(tmp_path / name)
        assert "weights_only" not in str(caught.value)


def test_safetensors_are_read_whatever_the_file_is_called(tmp_path: Path) -> None:
    save_file({"w": torch.ones(2)}, tmp_path / "w.pth")
    assert torch.equal(read_checkpoint(tmp_path / "w.pth")["w"], torch.ones(2))
