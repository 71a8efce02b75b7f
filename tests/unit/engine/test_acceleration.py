"""Another engine's numbers are torch's, or it is refused before the first result."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from facebench.engine import EmbeddingRequest, ModelRecord, Settings, acceleration, run_model
from facebench.engine.acceleration import Accelerated, engine_of
from facebench.engine.plan import plan_model
from facebench.engine.request import digests_of
from facebench.errors import InputError, ModelError
from facebench.models.base import BaseModel
from facebench.store import open_store
from support.forwarded import Small

ALL = ["0", "1", "2", "3", "4"]


def in_torch(engine: Any, network: nn.Module, example: torch.Tensor) -> Any:
    """Stand for an engine: batches of the example's shape, in torch."""

    def run(batch: torch.Tensor) -> Any:
        assert batch.shape == example.shape
        with torch.no_grad():
            return network(batch)

    return run


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceleration, "graph_runner", in_torch)


def request_of(paths: list[Path]) -> EmbeddingRequest:
    return EmbeddingRequest(
        paths, digests_of(paths, None), {path: number for number, path in enumerate(paths)}
    )


class Branching(Small):
    """Goes another way for bright images, which no graph does."""

    def _forward(self, input_tensor: torch.Tensor) -> Any:
        output = super()._forward(input_tensor)
        return -output if bool((input_tensor > 5).any()) else output


class Unsteady(Small):
    """Uses the mean of the batch."""

    def _forward(self, input_tensor: torch.Tensor) -> Any:
        return super()._forward(input_tensor / input_tensor.mean())


class TestPrepare:
    @pytest.mark.parametrize("views", [{}, {"flip": "concat"}, {"crops": 5}])
    def test_layers_are_those_of_torch_in_any_number_of_images(
        self, stand_in: None, views: dict[str, Any]
    ) -> None:
        model = Small(extract_layers=ALL).set_views(**views)
        accelerated = Accelerated(model, "openvino", 4)
        batch = torch.rand(4, 3, 32, 32)
        accelerated.prepare(batch)
        assert max(accelerated.differences.values()) < 1e-6
        for n_images in (4, 3, 1):
            found = accelerated.read_layers(batch[:n_images])
            expected = model.read_layers(batch[:n_images])
            assert list(found) == list(expected)
            for layer, rows in expected.items():
                torch.testing.assert_close(found[layer], rows)

    @pytest.mark.parametrize("factor", [1 + 2e-4, float("nan"), float("inf")])
    def test_other_numbers_are_refused_with_layer_and_distance(
        self, monkeypatch: pytest.MonkeyPatch, factor: float
    ) -> None:
        def wrong(engine: Any, network: nn.Module, example: torch.Tensor) -> Any:
            run = in_torch(engine, network, example)
            return lambda batch: [rows * (factor if rows.ndim == 2 else 1) for rows in run(batch)]

        monkeypatch.setattr(acceleration, "graph_runner", wrong)
        accelerated = Accelerated(Small("net", ["0", "4"]), "openvino", 4)
        with pytest.raises(ModelError) as caught:
            accelerated.prepare(torch.rand(3, 3, 32, 32))
        message = str(caught.value)
        for part in ("'net'", "accelerate: openvino", "layer '4'", "1e-4"):
            assert part.replace("1e-4", "0.0001") in message

    def test_one_wrong_image_among_right_ones_is_found(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def wrong(engine: Any, network: nn.Module, example: torch.Tensor) -> Any:
            run = in_torch(engine, network, example)

            def other(batch: torch.Tensor) -> Any:
                (rows,) = run(batch)
                rows = rows.clone()
                rows[-1, 0] += 1e-3 * rows[-1].norm()
                return [rows]

            return other

        monkeypatch.setattr(acceleration, "graph_runner", wrong)
        with pytest.raises(ModelError, match=r"differs from torch by 1\.0e-03"):
            Accelerated(Small(), "openvino", 4).prepare(torch.rand(4, 3, 32, 32))

    @pytest.mark.slow
    def test_a_network_that_is_no_graph_is_refused(self) -> None:
        model = Branching("branching")
        with pytest.raises(ModelError, match=r"'branching'.*cannot be exported as a graph"):
            Accelerated(model, "openvino", 4).prepare(torch.rand(3, 3, 32, 32))
        # It runs as before.
        assert model.read_layers(torch.rand(2, 3, 32, 32))["default"].shape == (2, 5)

    def test_a_missing_compiler_is_one_sentence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def none(*_: Any) -> Any:
            msg = "No working C++ compiler found in torch._inductor.config.cpp.cxx: (None, 'g++')"
            raise RuntimeError(msg)

        monkeypatch.setattr(acceleration, "graph_runner", none)
        with pytest.raises(ModelError, match="needs a C\\+\\+ compiler, and there is none"):
            Accelerated(Small(), "compile", 4).prepare(torch.rand(3, 3, 32, 32))

    def test_passes_are_small_where_layers_take_much_memory(self, stand_in: None) -> None:
        accelerated = Accelerated(Small(extract_layers=["0"]), "openvino", 16)
        accelerated.prepare(torch.rand(4, 3, 32, 32), limit=3 * 4 * 30 * 30 * 4)
        assert accelerated.size == 3


class TestEngineOf:
    def test_the_models_own_comes_first(self) -> None:
        assert engine_of(Small(), "compile", "float32") == "compile"
        assert engine_of(Small().set_acceleration("none"), "compile", "float32") == "none"
        assert engine_of(Small().set_acceleration("compile"), "none", "float32") == "compile"

    def test_half_precision_is_refused(self) -> None:
        with pytest.raises(InputError, match="'accelerate: compile' and 'precision: bfloat16'"):
            engine_of(Small(), "compile", "bfloat16")

    def test_another_device_is_refused(self) -> None:
        model = Small()
        model.device = torch.device("cuda")
        with pytest.raises(InputError, match="is on cuda"):
            engine_of(model, "openvino", "float32")


class TestRuns:
    def run(self, model: BaseModel, paths: list[Path], **settings: Any) -> tuple[Any, ModelRecord]:
        record = ModelRecord(model.name)
        how = Settings(4, 0, **settings)
        request = request_of(paths)
        found = run_model(model, request, how, record=record, keep_all=True)
        return {layer: np.array(rows) for layer, rows in found.layers.items()}, record

    @pytest.mark.slow
    def test_a_run_gives_torchs_numbers_and_records_the_difference(
        self, image_folder: Callable[..., list[Path]], tmp_path: Path
    ) -> None:
        pytest.importorskip("openvino")
        paths = image_folder(10)
        store = open_store(tmp_path / "store")
        model = Small("net", extract_layers=ALL)
        expected, _ = self.run(model, paths, store=store)
        found, record = self.run(model, paths, store=store, accelerate="openvino")
        assert record.n_hits == 0  # its rows are not torch's
        assert record.n_forwards == 10
        assert str(record.accelerate).startswith("openvino 20")
        assert record.differences.keys() == set(ALL)
        assert max(record.differences.values()) < 1e-5
        for layer, rows in expected.items():
            np.testing.assert_allclose(found[layer], rows, rtol=1e-4, atol=1e-6)
        again, record = self.run(model, paths, store=store, accelerate="openvino")
        assert (record.n_hits, record.n_forwards) == (10, 0)
        assert record.differences.keys() == set(ALL)
        for layer, rows in found.items():
            np.testing.assert_array_equal(again[layer], rows)

    @pytest.mark.slow
    def test_an_interrupted_run_ends_with_the_same_bits(
        self, image_folder: Callable[..., list[Path]], tmp_path: Path
    ) -> None:
        pytest.importorskip("openvino")
        paths = image_folder(11)
        whole, _ = self.run(Small(), paths, accelerate="openvino")

        def stop(_n_images: int) -> None:
            raise KeyboardInterrupt

        store = open_store(tmp_path / "store")
        with pytest.raises(KeyboardInterrupt):
            self.run(Small(), paths, store=store, accelerate="openvino", after_batch=stop)
        rest, record = self.run(Small(), paths, store=store, accelerate="openvino")
        assert 0 < record.n_forwards < 11
        np.testing.assert_array_equal(rest["default"], whole["default"])

    def test_engines_and_their_versions_have_keys_of_their_own(
        self,
        stand_in: None,
        image_folder: Callable[..., list[Path]],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        paths, store = image_folder(3), open_store(tmp_path / "store")
        for engine in ("none", "compile", "openvino"):
            _, record = self.run(Small(), paths, store=store, accelerate=engine)
            assert record.n_hits == 0
        _, record = self.run(Small().set_acceleration("compile"), paths, store=store)
        assert record.n_hits == 3
        monkeypatch.setattr("facebench.engine.settings.engine_version", lambda engine: "newer 2")
        _, record = self.run(Small(), paths, store=store, accelerate="openvino")
        assert record.n_hits == 0

    def test_a_network_that_mixes_images_is_refused(
        self,
        stand_in: None,
        image_folder: Callable[..., list[Path]],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.ERROR)
        with pytest.raises(ModelError, match="depends on batch"):
            self.run(Unsteady(), image_folder(5), accelerate="openvino")

    def test_the_plan_finds_what_cannot_be_exported(
        self, image_folder: Callable[..., list[Path]]
    ) -> None:
        settings = Settings(4, 0, accelerate="openvino")
        with pytest.raises(ModelError, match="cannot be exported"):
            plan_model(Branching(), request_of(image_folder(5)), settings)
