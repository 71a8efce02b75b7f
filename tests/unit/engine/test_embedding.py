"""From image files to embeddings: the same numbers however it is done, and nothing dropped."""

from __future__ import annotations

import logging
import multiprocessing
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn
from torchvision.transforms.functional import to_tensor

from facebench.engine import Embeddings, embed, loading
from facebench.errors import ImageError, LayerOutputError, ModelError
from facebench.models.base import BaseModel
from facebench.models.vgg16 import Vgg16Model

LAYERS = ["0", "1", "4"]


class Small(BaseModel):
    """A small convolutional network that remembers the batches it was given."""

    def __init__(
        self,
        name: str = "small",
        extract_layers: list[str] | None = None,
        preprocess_function: Callable[[Image.Image], Any] | None = to_tensor,
    ) -> None:
        self.batches: list[int] = []
        super().__init__(name, None, extract_layers, preprocess_function, device="cpu")

    def _build_model(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.model = nn.Sequential(
                nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
                nn.Linear(16, 5),
            )  # fmt: skip

    def _forward(self, input_tensor: torch.Tensor) -> Any:
        self.batches.append(len(input_tensor))
        return self.model(input_tensor)


def one_by_one(paths: list[Path], layers: list[str] | None = None) -> dict[str, np.ndarray]:
    model = Small(extract_layers=layers)
    outputs = [model.get_output(model.preprocess_image(path)) for path in paths]
    return {layer: torch.cat([o[layer] for o in outputs]).numpy() for layer in outputs[0]}


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.fixture(scope="module")
def forty(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("forty")
    rng = np.random.default_rng(0)
    paths = [folder / f"face{index:02d}.png" for index in range(40)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)
    return paths


@pytest.fixture(scope="module")
def forty_rows(forty: list[Path]) -> np.ndarray:
    return one_by_one(forty)["default"]


class TestSameNumbers:
    @pytest.mark.parametrize("num_workers", [0, 2])
    @pytest.mark.parametrize("batch_size", [1, 7, 32])
    def test_whatever_batches_and_workers(
        self, forty: list[Path], batch_size: int, num_workers: int
    ) -> None:
        model = Small(extract_layers=[*reversed(LAYERS)])
        result = embed(model, forty, batch_size=batch_size, num_workers=num_workers)
        expected = one_by_one(forty, LAYERS)
        assert list(result.layers) == LAYERS
        for layer in LAYERS:
            assert result.layers[layer].dtype == np.float32
            np.testing.assert_allclose(result.layers[layer], expected[layer], rtol=0, atol=1e-5)
        assert [result.row_of[path] for path in forty] == list(range(40))
        assert not result.bad_images
        assert not result.notes

    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_each_image_is_forwarded_once(self, forty: list[Path], num_workers: int) -> None:
        model = Small(extract_layers=LAYERS)
        embed(model, forty, batch_size=7, num_workers=num_workers)
        assert model.batches == [7, 7, 7, 7, 7, 5]

    def test_without_layers(self, forty: list[Path]) -> None:
        result = embed(Small(), forty[:5], num_workers=0)
        np.testing.assert_allclose(
            result.layers["default"], one_by_one(forty[:5])["default"], rtol=0, atol=1e-5
        )

    def test_the_number_of_workers_may_be_left_open(self, forty: list[Path]) -> None:
        assert embed(Small(), forty[:5]).layers["default"].shape == (5, 5)

    def test_no_images_give_no_rows(self) -> None:
        assert embed(Small(), []) == Embeddings()

    def test_the_model_is_asked_for_the_path_it_was_given(self, forty: list[Path]) -> None:
        seen = []

        class Own(Small):
            def preprocess_image(self, image_path: Any) -> torch.Tensor:
                seen.append(image_path)
                return torch.full((3, 8, 8), float(Path(image_path).stem[-2:]))

        result = embed(Own(extract_layers=["0"]), forty[:3], num_workers=0)
        # The first images are preprocessed twice, to learn whether chance is at work.
        assert [Path(path) for path in dict.fromkeys(seen)] == forty[:3]
        assert len(np.unique(result.layers["0"], axis=0)) == 3

    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_a_lambda_preprocesses_with_workers_too(
        self, forty: list[Path], num_workers: int
    ) -> None:
        model = Small(preprocess_function=lambda image: to_tensor(image) * 2 - 1)
        result = embed(model, forty[:8], batch_size=3, num_workers=num_workers)
        expected = [model.get_output(model.preprocess_image(path))["default"] for path in forty[:8]]
        np.testing.assert_allclose(
            result.layers["default"], torch.cat(expected).numpy(), rtol=0, atol=1e-5
        )

    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_a_batch_of_one_from_the_preprocessing_counts_as_an_image(
        self, forty: list[Path], num_workers: int
    ) -> None:
        model = Small(preprocess_function=lambda image: to_tensor(image)[None])
        result = embed(model, forty[:5], batch_size=2, num_workers=num_workers)
        np.testing.assert_allclose(
            result.layers["default"], one_by_one(forty[:5])["default"], rtol=0, atol=1e-5
        )


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(bad=st.sets(st.integers(0, 11)), batch_size=st.integers(1, 13))
def test_any_bad_images_are_left_out_and_every_other_keeps_its_row(
    forty: list[Path], forty_rows: np.ndarray, tmp_path_factory: Any, bad: set[int], batch_size: int
) -> None:
    folder = tmp_path_factory.mktemp("some-bad")
    paths = [folder / path.name for path in forty[:12]]
    for index, (path, source) in enumerate(zip(paths, forty, strict=False)):
        path.write_bytes(b"" if index in bad else source.read_bytes())
    model = Small()
    result = embed(model, paths, batch_size=batch_size, num_workers=0, on_bad_image="skip")
    good = [index for index in range(12) if index not in bad]
    assert set(result.bad_images) == {paths[index] for index in bad}
    assert [result.row_of[paths[index]] for index in good] == list(range(len(good)))
    assert sum(model.batches) == len(good)
    if good:
        expected = forty_rows[good]
        np.testing.assert_allclose(result.layers["default"], expected, rtol=0, atol=1e-5)
        assert len(result.layers["default"]) == len(good)


class TestBadImages:
    @pytest.fixture
    def paths(self, image_folder: Any) -> list[Path]:
        paths = image_folder(10)
        for index in (4, 7, 8):
            damage(paths[index])
        return paths

    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_stop_counts_and_names_them_all(self, paths: list[Path], num_workers: int) -> None:
        with pytest.raises(ImageError) as caught:
            embed(Small(), paths, batch_size=2, num_workers=num_workers)
        message = str(caught.value)
        assert message.startswith("3 of 10 images cannot be read.")
        for index, path in enumerate(paths):
            assert (path.name in message) == (index in (4, 7, 8))
        assert "on_bad_image='skip'" in message

    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_stop_forwards_nothing_after_the_first(
        self, paths: list[Path], num_workers: int
    ) -> None:
        model = Small()
        with pytest.raises(ImageError):
            embed(model, paths, batch_size=2, num_workers=num_workers, on_bad_image="stop")
        assert model.batches == [2, 2]

    @pytest.mark.parametrize("num_workers", [0, 2])
    @pytest.mark.parametrize("batch_size", [1, 3, 32])
    def test_skip_leaves_them_out_and_reports_them(
        self,
        paths: list[Path],
        batch_size: int,
        num_workers: int,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        result = embed(
            Small(), paths, batch_size=batch_size, num_workers=num_workers, on_bad_image="skip"
        )
        good = [path for index, path in enumerate(paths) if index not in (4, 7, 8)]
        assert list(result.row_of) == good
        assert set(result.bad_images) == {paths[4], paths[7], paths[8]}
        assert all(path.name in reason for path, reason in result.bad_images.items())
        np.testing.assert_allclose(
            result.layers["default"], one_by_one(good)["default"], rtol=0, atol=1e-5
        )
        assert "3 of 10 images" in caplog.text

    def test_a_missing_file_is_a_bad_image(self, paths: list[Path]) -> None:
        paths[0].unlink()
        result = embed(Small(), paths, num_workers=0, on_bad_image="skip")
        assert "does not exist" in result.bad_images[paths[0]]

    def test_more_than_five_are_counted_but_not_all_told(self, image_folder: Any) -> None:
        paths = image_folder(8)
        for path in paths:
            damage(path)
        model = Small()
        with pytest.raises(ImageError) as caught:
            embed(model, paths, batch_size=3, num_workers=0)
        assert str(caught.value).startswith("8 of 8 images")
        assert [path.name in str(caught.value) for path in paths] == [True] * 5 + [False] * 3
        assert model.batches == []

    def test_all_bad_and_skipped_give_no_rows(self, image_folder: Any) -> None:
        paths = image_folder(3)
        for path in paths:
            damage(path)
        result = embed(Small(), paths, num_workers=0, on_bad_image="skip")
        assert result.layers == {}
        assert len(result.bad_images) == 3


class Plain(Small):
    """Reads images with Pillow itself, as a user would write it."""

    def preprocess_image(self, image_path: Any) -> torch.Tensor:
        with Image.open(image_path) as image:
            return to_tensor(image.convert("RGB"))


class Buggy(Small):
    def preprocess_image(self, image_path: Any) -> torch.Tensor:
        with Image.open(image_path) as image:
            if Path(image_path).stem.endswith("3"):
                image = image.crop(None, 5)  # type: ignore[call-arg]
            return to_tensor(image)


class TestOwnPreprocessing:
    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_a_bad_file_is_the_images_fault(self, image_folder: Any, num_workers: int) -> None:
        paths = image_folder(6)
        damage(paths[2])
        paths[4].unlink()
        result = embed(Plain(), paths, batch_size=4, num_workers=num_workers, on_bad_image="skip")
        assert set(result.bad_images) == {paths[2], paths[4]}
        good = [paths[index] for index in (0, 1, 3, 5)]
        np.testing.assert_allclose(
            result.layers["default"], one_by_one(good)["default"], rtol=0, atol=1e-5
        )

    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_a_bug_is_the_preprocessings_fault(self, image_folder: Any, num_workers: int) -> None:
        paths = image_folder(6)
        with pytest.raises(ModelError) as caught:
            embed(Buggy(), paths, num_workers=num_workers, on_bad_image="skip")
        message = str(caught.value)
        assert "preprocessing of model 'small'" in message
        assert str(paths[3]) in message
        assert "raised TypeError" in message
        assert not isinstance(caught.value, ImageError)


def third(wrong: Callable[[torch.Tensor], Any]) -> Callable[[Image.Image], Any]:
    """Preprocess rightly but for the image whose first pixel is pure red."""

    def preprocess(image: Image.Image) -> Any:
        tensor = to_tensor(image)
        return wrong(tensor) if image.getpixel((0, 0)) == (255, 0, 0) else tensor

    return preprocess


def raising(error: Exception) -> Callable[[torch.Tensor], Any]:
    def wrong(_tensor: torch.Tensor) -> Any:
        raise error

    return wrong


class UnusualError(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"code {code}: {reason}")


class TestPreprocessingErrors:
    @pytest.fixture
    def paths(self, image_folder: Any) -> list[Path]:
        paths = image_folder(6)
        image = Image.open(paths[3])
        image.putpixel((0, 0), (255, 0, 0))
        image.save(paths[3])
        return paths

    @pytest.mark.parametrize(
        ("wrong", "told"),
        [
            (lambda tensor: tensor.numpy(), "ndarray"),
            (lambda _tensor: None, "NoneType"),
            (lambda tensor: tensor[0], "[32, 32]"),
            (lambda tensor: tensor[None, None], "[1, 1, 3, 32, 32]"),
            (lambda tensor: torch.stack([tensor, tensor]), "[2, 3, 32, 32]"),
            (lambda tensor: tensor[:, :20], "[3, 20, 32]"),
            (raising(ValueError("no eyes")), "ValueError: no eyes"),
            (raising(ModelError("no eyes")), "no eyes"),
            (raising(KeyError("left_eye")), "left_eye"),
            (raising(RuntimeError("first line\nsecond line")), "first line"),
            (raising(UnusualError(5, "no eyes")), "UnusualError: code 5: no eyes"),
        ],
        ids=[
            "array", "none", "two axes", "five axes", "two images", "shape", "ValueError",
            "ModelError", "KeyError", "two lines", "own error",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_the_image_is_named_in_one_sentence(
        self, paths: list[Path], wrong: Any, told: str, num_workers: int
    ) -> None:
        model = Small(preprocess_function=third(wrong))
        with pytest.raises(ModelError) as caught:
            embed(model, paths, num_workers=num_workers)
        message = str(caught.value)
        assert str(paths[3]) in message
        assert "'small'" in message
        assert told in message
        assert "Traceback" not in message
        assert message.startswith("The preprocessing of model 'small' must")

    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_a_bug_is_not_skipped_as_a_bad_image(self, paths: list[Path], num_workers: int) -> None:
        model = Small(preprocess_function=third(raising(OSError("no such mask"))))
        with pytest.raises(ModelError, match="no such mask"):
            embed(model, paths, num_workers=num_workers, on_bad_image="skip")


class Broken(Small):
    """Gives a wrong output where an image's first pixel is pure red."""

    wrong = float("nan")

    def _forward(self, input_tensor: torch.Tensor) -> Any:
        output = super()._forward(input_tensor)
        output[input_tensor[:, 0, 0, 0] == 1.0, 2] = self.wrong
        return output


class TestOutputErrors:
    @pytest.fixture
    def paths(self, image_folder: Any) -> list[Path]:
        paths = image_folder(6)
        image = Image.open(paths[3])
        for x in range(32):
            image.putpixel((x, 0), (255, 0, 0))
        image.save(paths[3])
        return paths

    @pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
    @pytest.mark.parametrize("batch_size", [1, 4, 6])
    def test_values_that_are_no_numbers_name_model_layer_and_image(
        self, paths: list[Path], wrong: float, batch_size: int
    ) -> None:
        model = Broken("broken")
        model.wrong = wrong
        with pytest.raises(LayerOutputError) as caught:
            embed(model, paths, batch_size=batch_size, num_workers=0)
        message = str(caught.value)
        for part in ("'broken'", "'default'", str(paths[3])):
            assert part in message
        assert not any(str(path) in message for path in paths if path != paths[3])

    def test_in_a_hooked_layer_too(self, paths: list[Path]) -> None:
        model = Small(extract_layers=["0", "4"])
        with torch.no_grad():
            model.model[4].bias[0] = float("nan")
        with pytest.raises(LayerOutputError, match="Layer '4' of model 'small'"):
            embed(model, paths, num_workers=0)

    def test_layers_of_changing_size_are_an_error(self, paths: list[Path]) -> None:
        class Growing(Small):
            def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
                return super()._forward(input_tensor).repeat(1, len(self.batches))

        with pytest.raises(ModelError, match=r"'default' of model 'small' must have one size"):
            embed(Growing(), paths, batch_size=4, num_workers=0)

    @pytest.mark.parametrize("batch_size", [1, 2])
    def test_images_of_different_shapes_are_an_error(self, tmp_path: Path, batch_size: int) -> None:
        paths = [tmp_path / f"{side}.png" for side in (20, 24)]
        for path, side in zip(paths, (20, 24), strict=True):
            Image.new("RGB", (side, side)).save(path)
        with pytest.raises(ModelError, match=r"one shape.*\[3, 20, 20\].*24\.png.*\[3, 24, 24\]"):
            embed(Small(), paths, batch_size=batch_size, num_workers=0)

    def test_layers_that_come_and_go_are_an_error(self, paths: list[Path]) -> None:
        class Fickle(Small):
            def get_output(self, input_tensor: torch.Tensor) -> dict[str, torch.Tensor]:
                output = super().get_output(input_tensor)
                if len(self.batches) == 2:
                    output["extra"] = output["default"]
                return output

        with pytest.raises(LayerOutputError, match="'extra'"):
            embed(Fickle(), paths, batch_size=2, num_workers=0)


class TestWorkersAfterAnError:
    @pytest.mark.parametrize("fault", ["preprocessing", "output"])
    def test_none_is_left_while_the_error_is_kept(self, forty: list[Path], fault: str) -> None:
        # The manager keeps a model's error and goes on with the next model. Workers left behind
        # would be inherited by that one's forks, which then stall and break each other's queues.
        model = Small(preprocess_function=raising(ValueError("no eyes")))
        if fault == "output":
            model = Small()
            with torch.no_grad():
                model.model[4].bias[0] = float("nan")
        before = set(multiprocessing.active_children())
        with pytest.raises(ModelError) as caught:
            embed(model, forty, batch_size=2, num_workers=2)
        left = set(multiprocessing.active_children()) - before
        assert caught.value.__traceback__ is not None
        assert not left


class Noting(Small):
    def preprocess(self, image: Image.Image) -> torch.Tensor:
        if image.getpixel((0, 0))[0] % 2:
            self.note_image("odd")
        self.note_image("seen")
        return super().preprocess(image)


class TestNotes:
    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_notes_are_counted(
        self, forty: list[Path], num_workers: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        result = embed(Noting(), forty, batch_size=7, num_workers=num_workers)
        odd = sum(Image.open(path).getpixel((0, 0))[0] % 2 for path in forty)
        assert 0 < odd < 40
        assert result.notes == {"odd": odd, "seen": 40}
        assert f"'small': odd in {odd} of 40 images" in caplog.text

    def test_notes_from_before_are_not_counted(self, forty: list[Path]) -> None:
        model = Noting()
        model.preprocess_image(forty[0])
        assert embed(model, forty[:4], num_workers=0).notes["seen"] == 4


def no_fork(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    if how == "mac":
        monkeypatch.setattr(loading, "_is_mac", lambda: True)
    else:
        monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])


class TestOtherPlatforms:
    def test_forked_workers_share_the_model(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loading, "_is_mac", lambda: False)
        if "fork" not in multiprocessing.get_all_start_methods():
            pytest.skip("this platform does not fork")
        model = Small(preprocess_function=lambda image: to_tensor(image))
        assert loading.for_workers(model) == (model, "fork")

    @pytest.mark.parametrize("how", ["mac", "windows"])
    def test_spawned_workers_get_a_copy_without_the_network(
        self, monkeypatch: pytest.MonkeyPatch, how: str, forty: list[Path]
    ) -> None:
        no_fork(monkeypatch, how)
        model = Small(extract_layers=["0"])
        model.model.add_module("heavy", nn.Linear(1000, 1000))
        light, context = loading.for_workers(model)
        assert context == "spawn"
        pickled = pickle.dumps(light)
        assert len(pickled) < 10_000
        arrived = pickle.loads(pickled)
        assert torch.equal(arrived.preprocess_image(forty[0]), model.preprocess_image(forty[0]))
        assert arrived.take_image_notes() == []
        assert isinstance(model.model, nn.Module)

    @pytest.mark.parametrize("how", ["mac", "windows"])
    def test_what_cannot_be_pickled_is_preprocessed_here(
        self, monkeypatch: pytest.MonkeyPatch, how: str, forty: list[Path], caplog: Any
    ) -> None:
        no_fork(monkeypatch, how)
        model = Small(preprocess_function=lambda image: to_tensor(image))
        caplog.set_level(logging.INFO)
        assert loading.for_workers(model) == (model, None)
        assert "without workers" in caplog.text
        result = embed(model, forty, num_workers=2)
        np.testing.assert_allclose(
            result.layers["default"], one_by_one(forty)["default"], rtol=0, atol=1e-5
        )

    @pytest.mark.usefixtures("tiny_vgg16")
    def test_a_spawned_worker_gives_the_same_numbers(
        self, monkeypatch: pytest.MonkeyPatch, image_folder: Any
    ) -> None:
        no_fork(monkeypatch, "windows")
        paths = image_folder(6)
        model = Vgg16Model("vgg", None, "avgpool", to_tensor, pretrained=False)
        spawned = embed(model, paths, batch_size=2, num_workers=1)
        here = embed(model, paths, batch_size=2, num_workers=0)
        assert np.array_equal(spawned.layers["avgpool"], here.layers["avgpool"])
        assert spawned.row_of == here.row_of
