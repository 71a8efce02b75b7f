"""The record of a model's run adds up times, and is what JSON can hold."""

from __future__ import annotations

import json

import pytest

from facebench.engine import record as module
from facebench.engine.record import ModelRecord, library_versions


def test_times_of_a_phase_add_up_also_when_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 2.0, 10.0, 13.0])
    monkeypatch.setattr(module, "perf_counter", lambda: next(clock))
    record = ModelRecord("net")
    with record.timed("store"):
        pass
    with pytest.raises(KeyError), record.timed("store"):
        raise KeyError
    record.add("decode", 0.123456)
    assert record.seconds == {"store": 5.0, "decode": 0.123456}
    assert json.loads(json.dumps(record.as_dict()))["seconds"] == {"store": 5.0, "decode": 0.1235}


def test_versions_are_named_and_cannot_be_changed() -> None:
    assert {"python", "torch", "numpy"} <= library_versions().keys()
    with pytest.raises(TypeError):
        library_versions()["torch"] = "0"  # type: ignore[index]
