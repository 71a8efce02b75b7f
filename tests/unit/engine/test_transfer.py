"""Batches are fed to a card, and results taken late, without a number going astray."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision import transforms

from facebench.engine import embed, loading
from facebench.engine.model_run import run_model
from facebench.engine.request import EmbeddingRequest, digests_of
from facebench.engine.settings import Settings
from facebench.engine.transfer import Returns, card_of
from facebench.errors import ImageError, LayerOutputError, ModelError
from facebench.store import open_store
from support.forwarded import Small, damage, one_by_one
from support.late_card import LateCard

USUAL = transforms.Compose(
    [transforms.ToTensor(), transforms.Normalize((0.4, 0.5, 0.6), (0.2, 0.3, 0.4))]
)


class Reusing(Small):
    """Gives its output in one memory for all passes, as a recorded graph does."""

    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        output = super()._forward(input_tensor)
        if not hasattr(self, "memory"):
            self.memory = torch.empty(64, 5)
        return self.memory[: len(output)].copy_(output)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> LateCard:
    made = LateCard()
    monkeypatch.setattr(loading, "card_of", lambda _device: made)
    return made


def test_only_cuda_is_a_card() -> None:
    assert card_of(torch.device("cpu")) is None


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("layers", [None, ["0", "4"]])
def test_rows_are_those_of_the_cpu(
    forty: list[Path], card: LateCard, workers: int, layers: list[str] | None
) -> None:
    result = embed(Reusing(extract_layers=layers), forty, batch_size=7, num_workers=workers)
    for layer, expected in one_by_one(forty, layers).items():
        np.testing.assert_allclose(result.layers[layer], expected, rtol=0, atol=1e-5)
    # Results are waited for while later batches are under way already.
    assert card.told.index("wait") > card.told.index("fetch") + 2
    assert card.told.count("wait") >= 5


def test_pixels_are_sent_where_the_card_makes_the_same_input_of_them(
    forty: list[Path], card: LateCard
) -> None:
    model = Small(preprocess_function=USUAL)
    rows = {}
    for name, function in (("split", USUAL), ("own", lambda image: USUAL(image))):
        model = Small(preprocess_function=function)
        rows[name] = embed(model, forty, batch_size=8, num_workers=0).layers["default"]
    np.testing.assert_allclose(rows["split"], rows["own"], rtol=0, atol=1e-6)
    # The first batch goes both ways; then come four of pixels; then the five of the other model.
    kinds = [dtype == torch.uint8 for dtype in card.sent]
    assert kinds == [False, True, *[True] * 4, *[False] * 5]


def test_another_input_than_the_processors_is_not_used(
    forty: list[Path], card: LateCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = transforms.Compose(
        [*USUAL.transforms[:-1], transforms.Normalize((0.4,) * 3, (0.2,) * 3)]
    )
    split = loading.split_input(Small(preprocess_function=wrong))
    monkeypatch.setattr(loading, "split_input", lambda _model: split)
    model = Small(preprocess_function=USUAL)
    with loading.Loader(model, 0, 40) as loader:
        files = [loading.ImageFile(path) for path in forty]
        batches = list(loader.batches([files[:20], files[20:]]))
    assert loader.sent_as.startswith("float32: computed on the card, its input differs by")
    for batch, paths in zip(batches, (forty[:20], forty[20:]), strict=True):
        expected = torch.stack([model.preprocess_image(path) for path in paths])
        assert torch.equal(batch.tensor, expected)  # type: ignore[arg-type]


def test_a_bad_image_among_pixels_is_left_out(
    tmp_path: Path, image_folder: Any, card: LateCard
) -> None:
    paths = image_folder(20)
    damage(paths[13])
    model = Small(preprocess_function=USUAL)
    result = embed(model, paths, batch_size=4, num_workers=2, on_bad_image="skip")
    good = [path for path in paths if path != paths[13]]
    expected = torch.cat([model.get_output(model.preprocess_image(p))["default"] for p in good])
    np.testing.assert_allclose(result.layers["default"], expected, rtol=0, atol=1e-5)
    assert list(result.bad_images) == [paths[13]]
    with pytest.raises(ImageError, match="1 of 20 images"):
        embed(Small(preprocess_function=USUAL), paths, batch_size=4, num_workers=0)
    assert torch.uint8 in card.sent


def test_nan_is_told_with_its_image_though_it_is_seen_late(
    forty: list[Path], card: LateCard
) -> None:
    class Breaking(Small):
        def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
            output = super()._forward(input_tensor)
            if len(self.batches) > 8:
                output[1] = float("nan")
            return output

    with pytest.raises(LayerOutputError, match=r"NaN or infinite.*face\d\d\.png"):
        embed(Breaking(), forty, batch_size=4, num_workers=0)


def test_what_is_counted_as_done_is_in_the_store(
    forty: list[Path], card: LateCard, tmp_path: Path
) -> None:
    """A run that ends at some batch finds all that it was told of again."""

    class StoppedError(Exception):
        pass

    done: list[int] = []

    def note(n_images: int) -> None:
        done.append(n_images)
        if len(done) == 3:
            raise StoppedError

    store = open_store(tmp_path)
    request = EmbeddingRequest(
        forty,
        digests=digests_of(forty, store),
        number_of={path: number for number, path in enumerate(forty)},
        row_images=np.arange(40),
    )
    with pytest.raises(StoppedError):
        run_model(Named(), request, Settings(4, 0, store=store, after_batch=note))
    again = Named()
    embed(again, forty, batch_size=4, num_workers=0, store=store)
    assert sum(done) == 12
    # What was on its way by then is stored too.
    assert sum(again.batches) == 20


class Named(Small):
    """With a fingerprint, so that it is stored."""

    fingerprint = "named v1"


def test_a_fault_on_the_card_names_the_model() -> None:
    class Broken(LateCard):
        def wait(self, stamp: tuple[int, float]) -> None:
            msg = "CUDA error: device-side assert triggered"
            raise RuntimeError(msg)

    returns = Returns(Broken(), "net")
    returns.add({"a": torch.zeros(2, 3)}, pytest.fail)
    with pytest.raises(ModelError, match=r"'net' failed on the graphics card.*device-side assert"):
        returns.finish()


def test_calls_keep_their_place_behind_results() -> None:
    told: list[str] = []
    returns = Returns(LateCard(), "net")
    returns.then(lambda: told.append("first"))
    for name in "abcd":
        returns.add({"x": torch.zeros(1, 1)}, lambda _layers, name=name: told.append(name))
        returns.then(lambda name=name: told.append(name.upper()))
    assert told == ["first", "a", "A", "b", "B"]
    returns.finish()
    assert told == ["first", *"aAbBcCdD"]


def test_half_precision_comes_back_as_float32() -> None:
    seen: dict[str, torch.Tensor] = {}
    returns = Returns(LateCard(), "net")
    returns.add({"x": torch.full((2, 3, 1), 0.5, dtype=torch.bfloat16)}, seen.update)
    returns.finish()
    assert seen["x"].dtype == torch.float32
    assert seen["x"].tolist() == [[0.5] * 3] * 2


def test_several_pieces_of_a_batch_are_each_timed(forty: list[Path], card: LateCard) -> None:
    class Narrow(Small):
        def _forward(self, input_tensor: torch.Tensor) -> Any:
            if len(input_tensor) > 5:
                raise torch.OutOfMemoryError("out of memory")
            return super()._forward(input_tensor)

    result = embed(Narrow(), forty, batch_size=16, num_workers=0)
    expected = one_by_one(forty)["default"]
    np.testing.assert_allclose(result.layers["default"], expected, rtol=0, atol=1e-5)


def test_how_far_processes_run_ahead(
    forty: list[Path], card: LateCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted: list[int] = []
    submit = loading.Loader._submit
    monkeypatch.setattr(
        loading.Loader,
        "_submit",
        lambda self, chunk: submitted.append(len(chunk)) or submit(self, chunk),
    )
    with loading.Loader(Small(preprocess_function=USUAL), 2, 40) as loader:
        files = [loading.ImageFile(path) for path in forty]
        batches = loader.batches(files[first : first + 4] for first in range(0, 40, 4))
        next(batches)
        assert len(submitted) == 1  # Until the first batch has decided what is sent.
        next(batches)
        # Two parts for each process, of at least so many images.
        assert len(submitted) == 1 + 5


def test_a_class_that_reads_layers_itself_gets_its_batches_as_ever(card: LateCard) -> None:
    class Own(Small):
        def get_output(self, input_tensor: torch.Tensor) -> dict[str, torch.Tensor]:
            return super().get_output(input_tensor)

    assert loading.Loader(Own(), 0, 40).card is None
    assert loading.Loader(Small(), 0, 40).card is card


class Full(LateCard):
    """A card whose memory is full now and then, when something is copied."""

    def __init__(self, full: str) -> None:
        super().__init__()
        self._full = full

    def _ask(self, what: str) -> None:
        if what == self._full and self.told.count(what) in (2, 3):
            self.told.append(what)
            raise torch.OutOfMemoryError("CUDA out of memory.")

    def send(self, host: torch.Tensor) -> torch.Tensor:
        self._ask("send")
        return super().send(host)

    def fetch(self, tensor: torch.Tensor) -> torch.Tensor:
        self._ask("fetch")
        return super().fetch(tensor)


@pytest.mark.parametrize("full", ["send", "fetch"])
@pytest.mark.parametrize("split", [True, False])
def test_a_card_that_is_full_when_something_is_copied_costs_no_batch(
    forty: list[Path], monkeypatch: pytest.MonkeyPatch, full: str, split: bool
) -> None:
    card = Full(full)
    monkeypatch.setattr(loading, "card_of", lambda _device: card)
    function = USUAL if split else lambda image: USUAL(image)
    model = Reusing(preprocess_function=function, extract_layers=["0", "4"])
    result = embed(model, forty, batch_size=7, num_workers=0)
    assert card.told.count(full) > 4
    monkeypatch.setattr(loading, "card_of", lambda _device: None)
    plain = embed(model, forty, batch_size=7, num_workers=0)
    for layer, expected in plain.layers.items():
        np.testing.assert_allclose(result.layers[layer], expected, rtol=0, atol=1e-5)
