"""A pass runs what is missing, whatever is damaged or bad on the way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facebench.engine import pass_plan
from facebench.engine.model_pass import FirstOutputs
from support import runs


def test_first_outputs_are_shown_once_and_only_if_there_are_any() -> None:
    shown: list[object] = []
    first = FirstOutputs(shown.append)
    first.show(dict)
    assert shown == []
    first.show(lambda: {"fc": "rows"})
    first.show(lambda: {"fc": "others"})
    assert shown == [{"fc": "rows"}]
    FirstOutputs(None).show(pytest.fail)


@pytest.mark.slow
@pytest.mark.parametrize("cost", [0.0, float("inf")], ids=["spilled", "streamed"])
def test_damaged_rows_of_wide_layers_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cost: float
) -> None:
    monkeypatch.setattr(pass_plan, "_SPILL_SECONDS", cost)
    world = runs.make_world(tmp_path / "world")
    options = {"cache_dir": tmp_path / "cache", "num_workers": 0}
    kept = runs.run(world, tmp_path / "kept", **options)
    runs.damage_a_row(tmp_path / "cache")
    wide = runs.run(world, tmp_path / "wide", max_memory=150_000, **options)
    assert "kept" not in {wide.records["net"].layers[layer] for layer in ("0", "1")}
    assert 0 < wide.records["net"].n_forwards < runs.N_IMAGES
    np.testing.assert_allclose(runs.distances(wide), runs.distances(kept), atol=1e-5)
