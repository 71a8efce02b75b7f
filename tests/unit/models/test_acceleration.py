"""Names of engines, and which models they can run."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from facebench.errors import InputError, ModelError
from facebench.models.acceleration import check_acceleration, engine_version
from facebench.models.ensemble import EnsembleModel
from support.forwarded import Small


class Own(Small):
    """Reads its layers in a way of its own."""

    def get_output(self, input_tensor: Any) -> dict[str, Any]:
        return super().get_output(input_tensor)


@pytest.mark.parametrize("name", ["tensorrt", "OpenVINO", None, 8, ["openvino"]])
def test_another_name_is_told_the_right_ones(name: Any) -> None:
    with pytest.raises(
        InputError, match="'onnxruntime', 'openvino', 'winograd', 'compile', 'none'"
    ):
        check_acceleration(name)


@pytest.mark.parametrize("name", ["int8", "openvino-int8", "INT8"])
def test_integers_are_refused_by_a_sentence(name: str) -> None:
    with pytest.raises(InputError, match="does not quantise") as caught:
        Small().set_acceleration(name)  # type: ignore[arg-type]
    assert "model: onnx" in str(caught.value)


@pytest.mark.parametrize(("name", "extra"), [("openvino", "openvino"), ("onnxruntime", "onnx")])
def test_a_missing_package_is_named_with_its_extra(
    name: Any, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.import_module

    def absent(module: str, *more: Any) -> Any:
        if module.partition(".")[0] in ("openvino", "onnxscript"):
            raise ModuleNotFoundError(name=module)
        return real(module, *more)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ModelError, match=rf"pip install 'facebench\[{extra}\]'"):
        Small().set_acceleration(name)


def test_a_torch_without_nnpack_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.backends.nnpack.is_available", lambda: False)
    with pytest.raises(ModelError, match="'accelerate: winograd' needs NNPACK"):
        Small().set_acceleration("winograd")


def test_none_takes_an_engine_back() -> None:
    model = Small().set_acceleration("compile")
    assert model.acceleration == "compile"
    assert model.set_acceleration("none").acceleration == "none"
    assert model.set_acceleration(None).acceleration is None


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Own(), "overrides get_output"),
        (lambda: EnsembleModel("both", [Small("a"), Small("b")]), "members"),
    ],
)
def test_models_that_no_graph_stands_for_are_refused(make: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        make().set_acceleration("compile")


def test_versions_are_those_of_the_engine() -> None:
    import torch

    assert engine_version("compile") == f"torch.compile {torch.__version__.partition('+')[0]}"
    assert engine_version("none") == ""
