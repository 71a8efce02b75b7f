"""Every engine gives torch's numbers, also of layers that others overwrite or pass on."""

from __future__ import annotations

import logging
import shutil
from typing import Any

import pytest
import torch
from torch import nn

from facebench.engine.graph_engines import graph_runner
from facebench.models.acceleration import nnpack_is_available


class Several(nn.Module):
    """Gives an inner value that is overwritten afterwards, and its output."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 32, 3)
        self.inner = nn.Conv2d(32, 32, 3, padding=1)
        self.norm = nn.BatchNorm2d(32)
        self.norm.running_mean.uniform_(-1, 1)
        self.norm.running_var.uniform_(0.5, 2)
        self.last = nn.Linear(128, 5)
        self.eval()

    def forward(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        inner = self.norm(self.inner(self.conv(batch)))
        kept = inner.clone()
        pooled = nn.functional.adaptive_avg_pool2d(nn.functional.relu_(inner), 2)
        return kept, self.last(pooled.flatten(1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "package"),
    [("openvino", "openvino"), ("onnxruntime", "onnxscript"), ("winograd", "torch")],
)
def test_an_engine_gives_the_numbers_of_torch(
    engine: Any, package: str, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip(package)
    if engine == "winograd" and not nnpack_is_available():
        pytest.skip("this torch has no NNPACK")
    network = Several()
    batches = torch.randn(2, 4, 3, 12, 12)
    with caplog.at_level(logging.INFO):
        run = graph_runner(engine, network, batches[0])
    assert not caplog.records
    for batch in batches:
        with torch.no_grad():
            expected = network(batch)
        found = run(batch)
        assert [rows.shape for rows in found] == [rows.shape for rows in expected]
        for one, other in zip(found, expected, strict=True):
            assert float((one - other).norm() / other.norm()) < 1e-5
    assert bool((found[0] < 0).any())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_the_compiler_gives_the_numbers_of_torch(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).eval()
    batch = torch.randn(2, 3, 2, 2)
    run = graph_runner("compile", _AsTuple(network), batch)
    with torch.no_grad():
        torch.testing.assert_close(run(batch)[0], network(batch))


class _AsTuple(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.network(batch),)


def test_a_process_that_was_started_anew_makes_nnpack_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not nnpack_is_available():
        pytest.skip("this torch has no NNPACK")
    calls: list[bool] = []
    monkeypatch.setattr(
        "facebench.engine.graph_engines.nnpack_is_available", lambda: calls.append(True)
    )
    graph_runner("winograd", Several(), torch.randn(1, 3, 12, 12))
    assert calls
