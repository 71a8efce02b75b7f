"""Results of files in the form of a network's: what has none stops the run, or is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facebench import AccuracyTask, EmbeddingsModel, ScoresModel
from facebench.engine import ModelRecord, plan_recorded
from facebench.errors import ImageError, InputError
from facebench.models.recorded import RecordedModel
from facebench.run.requests import look_up

PAIRS = "img1,img2,same,s\na.jpg,b.jpg,1,0.5\nb.jpg,c.jpg,0,{}\na.jpg,c.jpg,0,0.1\n"


@pytest.fixture
def task(tmp_path: Path) -> AccuracyTask:
    (tmp_path / "pairs.csv").write_text(PAIRS.format(""), encoding="utf-8")
    return AccuracyTask("t", tmp_path / "pairs.csv", "/no/such/folder", true_label="same")


def test_vectors_of_nan(tmp_path: Path, task: AccuracyTask) -> None:
    rows = np.array([[1.0, 0], [np.nan, np.nan], [0, 1]], "f4")
    np.savez(tmp_path / "x.npz", images=["c.jpg", "b.jpg", "a.jpg"], fc=rows, pool=np.eye(3))
    model = EmbeddingsModel("m", tmp_path / "x.npz")
    with pytest.raises(
        ImageError, match=r"1 of 3 images have NaN .* 'b\.jpg'.* leaves their pairs"
    ):
        look_up(model, [task], "stop")
    record = ModelRecord("m")
    found = look_up(model, [task], "skip", record)
    assert found.rows.tolist() == [2, -1, 0]
    assert [path.name for path in found.bad_images] == ["b.jpg"]
    assert (record.n_images, record.n_bad, record.n_forwards) == (3, 1, 0)
    assert (record.file_digest, record.weights_digest) == (model.digest, None)
    plan = plan_recorded(model, 3)
    assert [(layer.layer, layer.width) for layer in plan.layers] == [("fc", 2), ("pool", 3)]
    assert (plan.n_to_embed, plan.memory_bytes) == (0, 4 * 15)


def test_pairs_without_a_score(tmp_path: Path, task: AccuracyTask) -> None:
    model = ScoresModel("m", tmp_path / "pairs.csv", "similarity", "s")
    with pytest.raises(
        ImageError, match=r"1 of 3 pairs of task 't' .* 'b\.jpg', 'c\.jpg'\. on_bad"
    ):
        look_up(model, [task], "stop")
    found = look_up(model, [task], "skip")
    assert np.array_equal(found.streamed["s"]["t"], [0.5, np.nan, 0.9], equal_nan=True)
    assert not found.layers
    assert found.given == "1 - similarity in pairs.csv"


def test_a_model_of_neither(tmp_path: Path, task: AccuracyTask) -> None:
    class Other(RecordedModel):
        extract_layers = ()

    with pytest.raises(InputError, match=r"must have embeddings or scores. Got a Other"):
        look_up(Other("o", [tmp_path / "pairs.csv"]), [task], "stop")
