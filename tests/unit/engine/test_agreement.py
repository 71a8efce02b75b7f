"""Precision and memory layout that are asked for are compared with float32, and recorded."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from facebench.engine import agreement
from facebench.engine.model_run import run_model
from facebench.engine.record import ModelRecord
from facebench.engine.request import EmbeddingRequest, digests_of
from facebench.engine.settings import Settings
from facebench.engine.transfer import float32_arithmetic
from facebench.errors import ModelError
from facebench.store import open_store
from support.forwarded import Small


class Named(Small):
    """With a fingerprint, so that it is stored."""

    fingerprint = "named v1"


def run(paths: list[Path], settings: Settings) -> tuple[ModelRecord, np.ndarray]:
    record = ModelRecord("small")
    request = EmbeddingRequest(
        paths,
        digests=digests_of(paths, settings.store),
        number_of={path: number for number, path in enumerate(paths)},
        row_images=np.arange(len(paths)),
    )
    found = run_model(Named(), request, settings, record=record, keep_all=True)
    return record, found.layers["default"]


@pytest.mark.parametrize(
    ("precision", "memory_format"),
    [("bfloat16", "auto"), ("float32", "channels_last"), ("float32", "contiguous")],
)
def test_the_difference_is_measured_and_the_store_keeps_them_apart(
    forty: list[Path], tmp_path: Path, precision: str, memory_format: str
) -> None:
    store = open_store(tmp_path)
    usual, rows = run(forty, Settings(8, 0, store=store))
    assert usual.agreement == {}
    settings = Settings(8, 0, precision=precision, memory_format=memory_format, store=store)
    record, other = run(forty, settings)
    assert record.n_hits == 0
    assert record.layout == ("channels_last" if "last" in memory_format else "contiguous_format")
    found = record.agreement
    assert (found["precision"], found["images"]) == (precision, 8)
    size = np.linalg.norm(rows[:8] - other[:8], axis=1) / np.linalg.norm(rows[:8], axis=1)
    assert found["layers"]["default"] == pytest.approx(size.max(), rel=0.01, abs=1e-7)
    assert found["layers"]["default"] <= found["tolerance"]
    again, same = run(forty, settings)
    assert again.n_hits == 40
    assert np.array_equal(same, other)


def test_too_large_a_difference_is_warned_of(
    forty: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setitem(agreement.TOLERANCES, "bfloat16", 1e-6)
    caplog.set_level(logging.WARNING, logger="facebench")
    run(forty, Settings(8, 0, precision="bfloat16"))
    assert "in bfloat16, 1 of 1 layers differ from float32 by more than 1e-06" in caplog.text


def test_the_layout_is_put_back(forty: list[Path]) -> None:
    model = Small()
    model.use_memory_format(torch.channels_last)
    batch = agreement.Batch(
        forty[:2], torch.stack([model.preprocess_image(path) for path in forty[:2]])
    )
    found = agreement.agreement_with_float32(model, batch, "float32", nullcontext)
    assert found["memory_format"] == "channels_last"
    assert model.memory_format == torch.channels_last


def test_float32_on_a_card_is_float32_and_torch_is_left_as_it_was() -> None:
    def flags() -> tuple[bool, bool]:
        return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32

    before = flags()
    for tf32 in (False, True):
        with float32_arithmetic(torch.device("cuda"), tf32=tf32):
            assert flags() == (tf32, tf32)
        assert flags() == before
    with float32_arithmetic(torch.device("cpu"), tf32=False):
        assert flags() == before


def test_tf32_on_a_cpu_is_refused(forty: list[Path]) -> None:
    with pytest.raises(ModelError, match="precision='tf32' is for CUDA devices"):
        run(forty, Settings(8, 0, precision="tf32"))
