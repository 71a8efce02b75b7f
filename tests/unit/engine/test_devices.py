"""Each device embeds its own batches; together they embed every image once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebench.engine import devices
from facebench.engine.devices import embed_on_devices
from facebench.engine.request import EmbeddingRequest
from facebench.engine.settings import Settings
from facebench.store import open_store
from support import runs

CPUS = ["cpu", "cpu"]


def request_of(n_images: int) -> EmbeddingRequest:
    images = [Path(f"{number}.png") for number in range(n_images)]
    return EmbeddingRequest(images, [bytes([number]) * 16 for number in range(n_images)])


@given(st.integers(0, 30), st.integers(1, 4), st.integers(1, 7))
def test_shares_are_whole_batches_and_hold_every_image_once(
    n_images: int, n_parts: int, batch_size: int
) -> None:
    request = request_of(n_images)
    parts = [devices._part(request, place, n_parts, batch_size) for place in range(n_parts)]
    assert sorted(image for part in parts for image in part.images) == sorted(request.images)
    digest_of = dict(zip(request.images, request.digests, strict=True))
    for place, part in enumerate(parts):
        assert part.digests == [digest_of[image] for image in part.images]
        assert [part.number_of[image] for image in part.images] == list(range(len(part.images)))
        numbers = [int(image.stem) for image in part.images]
        assert {number // batch_size % n_parts for number in numbers} <= {place}


@pytest.mark.parametrize(("names", "store"), [(["cpu"], True), (CPUS, False)])
def test_one_device_or_no_store_starts_nothing(
    names: list[str], store: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices.pickle, "dumps", pytest.fail)
    settings = Settings(store=open_store(tmp_path) if store else None)
    embed_on_devices(runs.make_model(), request_of(4), settings, names)


def test_a_model_that_cannot_be_sent_runs_alone_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = runs.make_model()
    model.set_preprocess_function(lambda image: runs.transform(image))
    embed_on_devices(model, request_of(4), Settings(store=open_store(tmp_path)), CPUS)
    assert "Model 'net' runs on cpu alone" in caplog.text
